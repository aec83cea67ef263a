"""Programs compute what their placed graphs do, in an order that the interpreter finds no race in."""

import pytest
from lowering import lowered, parse, product, random_values, same, values
from pass_testing import apply_to_clone, function, ops_named
from test_tile_kernels import SIZES, TWO_ROWS, attention
from xdsl.dialects.builtin import ModuleOp

from dfc.dialects import accel, tier
from dfc.passes.convert_stream_to_accel import ConvertStreamToAccelPass
from dfc.runtime.errors import ExecutionError


@pytest.mark.parametrize(("m", "n", "k", "kib"), SIZES)
def test_programs_compute_what_graphs_do(m: int, n: int, k: int, kib: int):
    module = product(m, n, k, kib)
    given = random_values(module)
    placed = lowered(module, "placed")
    program = apply_to_clone(ConvertStreamToAccelPass(), placed)
    assert same(values(placed, given), values(program, given))


def test_tiled_attention_computes_what_its_graph_does():
    module = attention("at %p1", f"causal, {TWO_ROWS}")
    given = random_values(module)
    placed = lowered(module, "placed")
    program = apply_to_clone(ConvertStreamToAccelPass(), placed)
    assert same(values(placed, given), values(program, given))


def without_events(
    module: ModuleOp, kind: type[accel.LaunchOp | tier.CopyOp]
) -> ModuleOp:
    """A copy of a module in which no op of a kind starts after anything."""
    copy = module.clone()
    for op in [op for op in copy.walk() if isinstance(op, kind)]:
        if isinstance(op, tier.CopyOp):
            made = tier.CopyOp(op.source, op.target)
        else:
            body = op.body.clone()
            made = accel.LaunchOp(op.unit.data, (), op.inputs, op.outs, body)
        assert op.parent is not None
        op.parent.insert_op_before(made, op)
        op.event.replace_all_uses_with(made.event)
        op.detach()
        op.erase()
    copy.verify()
    return copy


@pytest.mark.parametrize("kind", [accel.LaunchOp, tier.CopyOp])
@pytest.mark.parametrize("kib", [6, 1024])
def test_a_missing_event_is_a_race(kind: type[accel.LaunchOp | tier.CopyOp], kib: int):
    module = product(33, 130, 96, kib)
    given = random_values(module)
    program = lowered(module, "program")
    with pytest.raises(ExecutionError, match="order"):
        values(without_events(program, kind), given)


def test_a_kernel_waits_for_what_it_reads():
    module = product(4, 64, 64, 3)
    program = lowered(module, "program")
    first, second = ops_named(function(program, "main"), "func.call")
    assert set(first.results) & set(second.arguments)
    given = random_values(module)
    broken = program.clone()
    call = ops_named(function(broken, "main"), "func.call")[1]
    start = accel.StartOp()
    assert call.parent is not None
    call.parent.insert_op_before(start, call)
    for index, value in enumerate(second.arguments):
        if value in first.results:
            call.operands[index] = start.event
    with pytest.raises(ExecutionError, match="order"):
        values(broken, given)


def test_weights_of_the_next_kernel_wait_for_nothing():
    # both kernels' slots have their own bytes, so the product's weights load while x is quantised
    program = lowered(product(4, 64, 64), "program")
    kernel = function(program, "product")
    packed = next(
        a for a in kernel.args if "xi8" in str(a.type) and "ddr" in str(a.type)
    )
    copies = [
        op
        for op in ops_named(kernel, "tier.copy")
        if op.source is packed or op.source.owner.operands[0] is packed
    ]
    assert copies
    outside = [e for copy in copies for e in copy.after if e in kernel.args]
    assert outside == []


def test_events_of_a_fifo_rotate_through_its_slots():
    program = lowered(product(1, 512, 64, 6), "program")
    kernel = function(program, "product")
    (loop,) = ops_named(kernel, "scf.for")
    last = loop.body.block.last_op
    moved = [
        i
        for i, value in enumerate(last.operands)
        if value in loop.body.block.args and value is not loop.body.block.args[i + 1]
    ]
    assert moved, "an event moves to the place of an older one"


def test_an_entry_waits_before_it_returns():
    program = lowered(product(4, 64, 64), "program")
    before_last, last = list(function(program, "main").body.block.ops)[-2:]
    assert (before_last.name, last.name) == ("accel.wait", "func.return")


def test_kernels_carry_their_name_and_values():
    program = lowered(product(4, 64, 64), "program")
    kernel = function(program, "product")
    assert kernel.attributes["accel.kernel"].data == "product"
    names = [
        a.data["dfc.value"].data for a in kernel.arg_attrs if "dfc.value" in a.data
    ]
    assert names == ["l:linear", "l:add"]
    assert kernel.sym_visibility.data == "private"


def test_a_module_without_kernels_stays():
    module = parse(
        """
builtin.module attributes {accel.target = "tiny-npu"} {
func.func @main(%x: memref<4xf32, "ddr">) -> memref<4xf32, "ddr"> {
  func.return %x : memref<4xf32, "ddr">
}
}"""
    )
    assert str(apply_to_clone(ConvertStreamToAccelPass(), module)) == str(module)
