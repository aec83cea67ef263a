"""Placement bugs, planted one by one, are errors that name the ops and the buffer."""

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import run


def parse(text: str) -> ModuleOp:
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def launch(
    name: str,
    after: str,
    source: str,
    target: str,
    unit: str = "vector",
    dims: str = "4xf32",
) -> str:
    """A launch that doubles a buffer."""
    memref = f'memref<{dims}, "sram">'
    return f"""
    %{name} = accel.launch on "{unit}" after({after}) ins({source} : {memref}) outs({target} : {memref}) {{
    ^bb0(%v: tensor<{dims}>, %o: tensor<{dims}>):
      %s = arith.addf %v, %v : tensor<{dims}>
      accel.yield %s : tensor<{dims}>
    }} {{dfc.origin = "layer:{name}"}}"""


def copy(name: str, after: str, source: str, target: str, kinds: str) -> str:
    """A copy of four floats between "ddr" and "sram"."""
    a, b = kinds.split(" ")
    memref = 'memref<4xf32, "{}">'
    return (
        f"%{name} = tier.copy {source} to {target} after({after}) "
        f'{{dfc.origin = "layer:{name}"}} : {memref.format(a)} to {memref.format(b)}'
    )


def program(body: str, wait: str, speed: str = "") -> ModuleOp:
    """An entry that returns `%y`."""
    return parse(f"""
    builtin.module attributes {{accel.target = "tiny-npu"{speed}}} {{
    func.func @f(%x: memref<4xf32, "ddr">) -> memref<4xf32, "ddr"> {{
      %start = accel.start
      %y = tier.alloc offset 0 : memref<4xf32, "ddr">
      {body}
      accel.wait {wait}
      func.return %y : memref<4xf32, "ddr">
    }}
    }}""")


ALLOCATE = """
%a = tier.alloc offset 0 : memref<4xf32, "sram">
%b = tier.alloc offset 16 : memref<4xf32, "sram">"""

RIGHT = [
    ALLOCATE,
    copy("in", "%start", "%x", "%a", "ddr sram"),
    launch("twice", "%in", "%a", "%b"),
    copy("out", "%twice", "%b", "%y", "sram ddr"),
]
X = np.arange(4, dtype=np.float32)
SPEEDS = {
    "as it is": "",
    "fast link": ", accel.target_set = {port.ddr_read.bytes_per_cycle = 4096}",
    "slow link": ", accel.target_set = {port.ddr_read.bytes_per_cycle = 1}",
}


@pytest.fixture(params=SPEEDS)
def speed(request):
    """The link between the tiers: an order, and so a race, never depends on it."""
    return (
        ""
        if request.param == "as it is"
        else SPEEDS[request.param].replace(
            "port.ddr_read.bytes_per_cycle", '"port.ddr_read.bytes_per_cycle"'
        )
    )


def fails(module: ModuleOp, *words: str) -> None:
    with pytest.raises(ExecutionError) as caught:
        run(module, "f", (X,))
    for word in words:
        assert word in str(caught.value)


def test_ordered_program_runs(speed):
    (y,) = run(program("\n".join(RIGHT), "%out", speed), "f", (X,))
    assert y.tolist() == [0, 2, 4, 6]


def test_read_before_its_copy_is_a_race(speed):
    body = [*RIGHT[:2], launch("twice", "%start", "%a", "%b"), RIGHT[3]]
    fails(
        program("\n".join(body), "%out", speed),
        "`accel.launch` on `vector` (layer:twice) reads bytes of",
        "%a (sram bytes 0 to 16)",
        "`tier.copy` (layer:in) writes",
    )


def test_result_read_before_the_last_copy_is_a_race(speed):
    fails(
        program("\n".join(RIGHT), "%twice", speed),
        "`func.return` reads bytes of",
        "%y (ddr bytes 0 to 16)",
        "`tier.copy` (layer:out) writes",
    )


def test_write_over_what_is_still_read_is_a_race(speed):
    body = [
        *RIGHT,
        copy("again", "%in", "%x", "%a", "ddr sram"),
    ]
    fails(
        program("\n".join(body), "%out, %again", speed),
        "`tier.copy` (layer:again) writes bytes of",
        "%a (sram bytes 0 to 16)",
        "`accel.launch` on `vector` (layer:twice) reads",
    )
    body[-1] = copy("again", "%twice", "%x", "%a", "ddr sram")
    run(program("\n".join(body), "%out, %again", speed), "f", (X,))


def test_two_writes_without_order_are_a_race(speed):
    body = [
        *RIGHT[:3],
        launch("other", "%in", "%a", "%b", unit="array"),
        copy("out", "%twice, %other", "%b", "%y", "sram ddr"),
    ]
    fails(
        program("\n".join(body), "%out", speed),
        "`accel.launch` on `array` (layer:other) writes bytes of",
        "`accel.launch` on `vector` (layer:twice) writes",
    )


def test_ops_of_one_unit_are_ordered_by_the_text():
    body = [
        ALLOCATE,
        RIGHT[1],
        launch("twice", "%in", "%a", "%b"),
        launch("more", "%start", "%b", "%a"),
        copy("out", "%more", "%a", "%y", "sram ddr"),
    ]
    (y,) = run(program("\n".join(body), "%out"), "f", (X,))
    assert y.tolist() == [0, 4, 8, 12]


def test_ops_of_one_port_are_ordered_by_the_text():
    body = [
        ALLOCATE,
        copy("first", "%start", "%x", "%a", "ddr sram"),
        copy("second", "%start", "%x", "%a", "ddr sram"),
        copy("out", "%second", "%a", "%y", "sram ddr"),
    ]
    (y,) = run(program("\n".join(body), "%out"), "f", (X,))
    assert y.tolist() == X.tolist()


def test_wait_orders_what_is_issued_after_it():
    body = [
        *RIGHT[:2],
        "accel.wait %in",
        launch("twice", "%start", "%a", "%b"),
        RIGHT[3],
    ]
    (y,) = run(program("\n".join(body), "%out"), "f", (X,))
    assert y.tolist() == [0, 2, 4, 6]


def test_two_live_buffers_at_one_offset():
    body = [
        ALLOCATE.replace("offset 16", "offset 8"),
        RIGHT[1],
        launch("twice", "%in", "%a", "%b"),
        launch("more", "%twice", "%a", "%b"),
        copy("out", "%more", "%b", "%y", "sram ddr"),
    ]
    fails(
        program("\n".join(body), "%out"),
        "(layer:more) reads bytes of",
        "%a (sram bytes 0 to 16)",
        "(layer:twice) wrote to",
        "%b (sram bytes 8 to 24)",
        "two live buffers overlap",
    )


def test_a_buffer_may_lie_where_a_dead_one_was():
    body = [
        *RIGHT[:3],
        '%c = tier.alloc offset 0 : memref<4xf32, "sram">',
        launch("more", "%twice", "%b", "%c"),
        copy("out", "%more", "%c", "%y", "sram ddr"),
    ]
    (y,) = run(program("\n".join(body), "%out"), "f", (X,))
    assert y.tolist() == [0, 4, 8, 12]


def test_bytes_that_nothing_wrote():
    body = [ALLOCATE, launch("twice", "%start", "%a", "%b"), RIGHT[3]]
    fails(
        program("\n".join(body), "%out"),
        "(layer:twice) reads bytes of",
        "nothing has written",
    )


def test_a_tier_too_small():
    body = "\n".join(RIGHT).replace("offset 16", "offset 1048568")
    fails(
        program(body, "%out"),
        "%b (sram bytes 1048568 to 1048584) does not fit",
        "`sram` has 1048576 bytes",
    )


def test_a_tier_the_target_does_not_have():
    body = '%a = tier.alloc offset 0 : memref<4xf32, "uram">'
    fails(program(body, "%start"), "expected a tier of sram, ddr, got `uram`")


def test_a_slot_reused_too_early(speed):
    loop = """
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %c4 = arith.constant 4 : index
      %slots = tier.alloc offset 64 : memref<2x1xf32, "sram">
      %old, %last = scf.for %i = %c0 to %c4 step %c1 iter_args(%e0 = %start, %e1 = %start) -> (!accel.event, !accel.event) {
        %s = arith.remui %i, %c2 : index
        %from = memref.subview %x[%i] [1] [1] : memref<4xf32, "ddr"> to memref<1xf32, strided<[1], offset: ?>, "ddr">
        %slot = memref.subview %slots[%s, 0] [1, 1] [1, 1] : memref<2x1xf32, "sram"> to memref<1xf32, strided<[1], offset: ?>, "sram">
        %yi = memref.subview %b[%i] [1] [1] : memref<4xf32, "sram"> to memref<1xf32, strided<[1], offset: ?>, "sram">
        %there = tier.copy %from to %slot after(EVENT) : memref<1xf32, strided<[1], offset: ?>, "ddr"> to memref<1xf32, strided<[1], offset: ?>, "sram">
        %ran = accel.launch on "vector" after(%there) ins(%slot : memref<1xf32, strided<[1], offset: ?>, "sram">) outs(%yi : memref<1xf32, strided<[1], offset: ?>, "sram">) {
        ^bb0(%v: tensor<1xf32>, %o: tensor<1xf32>):
          %t = arith.addf %v, %v : tensor<1xf32>
          accel.yield %t : tensor<1xf32>
        }
        scf.yield %e1, %ran : !accel.event, !accel.event
      }"""
    out = copy("out", "%last", "%b", "%y", "sram ddr")
    right = program(ALLOCATE + loop.replace("EVENT", "%e0") + out, "%out", speed)
    assert run(right, "f", (X,))[0].tolist() == [0, 2, 4, 6]
    wrong = program(ALLOCATE + loop.replace("EVENT", "%start") + out, "%out", speed)
    fails(
        wrong,
        "`tier.copy` writes bytes of",
        "%slots",
        "`accel.launch` on `vector` reads",
    )


def test_old_contents_of_an_output_may_be_anything_until_used():
    accumulate = """
    %more = accel.launch on "vector" after(%in) ins(%a : memref<4xf32, "sram">) outs(%b : memref<4xf32, "sram">) {
    ^bb0(%v: tensor<4xf32>, %o: tensor<4xf32>):
      %s = arith.addf %v, %o : tensor<4xf32>
      accel.yield %s : tensor<4xf32>
    }"""
    body = [*RIGHT[:2], accumulate, copy("out", "%more", "%b", "%y", "sram ddr")]
    (y,) = run(program("\n".join(body), "%out"), "f", (X,))
    poison = np.frombuffer(bytes([0xA5] * 4), np.float32)[0]
    assert y.tolist() == (X + poison).tolist()


def test_view_outside_its_buffer():
    view = """
    %part = memref.subview %a[%i] [2] [1] : memref<4xf32, "sram"> to memref<2xf32, strided<[1], offset: ?>, "sram">"""
    module = parse(f"""
    func.func @f(%i: index) {{
      %a = tier.alloc offset 0 : memref<4xf32, "sram">{view}
      func.return
    }}""")
    run(module, "f", (2,))
    with pytest.raises(ExecutionError, match=r"elements 3 to 5 of dimension 0 of .*%a"):
        run(module, "f", (3,))


def test_state_is_updated_in_its_argument():
    module = parse("""
    builtin.module attributes {accel.target = "tiny-npu"} {
    func.func @f(%cache: memref<4x2xf32, "ddr"> {tf.aliasing_output = 0 : i32}, %new: memref<1x2xf32, "ddr">, %p: index) -> memref<4x2xf32, "ddr"> {
      %row = memref.subview %cache[%p, 0] [1, 2] [1, 1] : memref<4x2xf32, "ddr"> to memref<1x2xf32, strided<[2, 1], offset: ?>, "ddr">
      %e = tier.copy %new to %row : memref<1x2xf32, "ddr"> to memref<1x2xf32, strided<[2, 1], offset: ?>, "ddr">
      func.return %cache : memref<4x2xf32, "ddr">
    }
    }""")
    cache, new = np.zeros((4, 2), np.float32), np.ones((1, 2), np.float32)
    (result,) = run(module, "f", (cache, new, 2))
    assert result.tolist() == [[0, 0], [0, 0], [1, 1], [0, 0]]
    assert not cache.any()


def test_views_join_and_split_dimensions():
    module = parse("""
    func.func @f(%x: memref<2x6xf32, "ddr">) -> memref<3x2xf32, strided<[2, 1], offset: 6>, "ddr"> {
      %e = memref.expand_shape %x [[0], [1, 2]] output_shape [2, 3, 2] : memref<2x6xf32, "ddr"> into memref<2x3x2xf32, "ddr">
      %s = memref.subview %e[1, 0, 0] [1, 3, 2] [1, 1, 1] : memref<2x3x2xf32, "ddr"> to memref<3x2xf32, strided<[2, 1], offset: 6>, "ddr">
      func.return %s : memref<3x2xf32, strided<[2, 1], offset: 6>, "ddr">
    }""")
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    (y,) = run(module, "f", (x,))
    assert np.array_equal(y, x[1].reshape(3, 2))


def test_a_weight_is_never_written():
    text = """
    builtin.module attributes {accel.target = "tiny-npu"} {
    func.func @f(%w: memref<4xf32, "ddr"> {dfc.weight = "w"}, %x: memref<4xf32, "ddr">) -> memref<4xf32, "ddr"> {
      %e = tier.copy FROM : memref<4xf32, "ddr"> to memref<4xf32, "ddr">
      func.return %x : memref<4xf32, "ddr">
    }
    }"""
    right = parse(text.replace("FROM", "%w to %x"))
    assert run(right, "f", (X + 1, X))[0].tolist() == (X + 1).tolist()
    wrong = parse(text.replace("FROM", "%x to %w"))
    with pytest.raises(ExecutionError, match=r"hold argument 0 of `@f` .*, a weight"):
        run(wrong, "f", (X, X))


def test_a_reconfiguration_takes_its_turn_on_the_unit():
    configured = 'accel.configure "vector" to "other"'
    body = [
        *RIGHT[:3],
        f"%ready = {configured}",
        copy("out", "%ready", "%b", "%y", "sram ddr"),
    ]
    (y,) = run(program("\n".join(body), "%out"), "f", (X,))
    assert y.tolist() == [0, 2, 4, 6]


@pytest.mark.parametrize("offset", [3, 5])
def test_any_view_of_a_buffer_lies_within_it(offset):
    module = parse(f"""
    func.func @f(%x: memref<6xf32, "ddr">) -> memref<2xf32, strided<[2], offset: {offset}>, "ddr"> {{
      %v = "memref.reinterpret_cast"(%x) <{{operandSegmentSizes = array<i32: 1, 0, 0, 0>, static_offsets = array<i64: {offset}>, static_sizes = array<i64: 2>, static_strides = array<i64: 2>}}> : (memref<6xf32, "ddr">) -> memref<2xf32, strided<[2], offset: {offset}>, "ddr">
      func.return %v : memref<2xf32, strided<[2], offset: {offset}>, "ddr">
    }}""")
    x = np.arange(6, dtype=np.float32)
    if offset == 3:
        assert run(module, "f", (x,))[0].tolist() == [3, 5]
        return
    with pytest.raises(ExecutionError, match="reaches from byte 20 to 32, outside"):
        run(module, "f", (x,))
