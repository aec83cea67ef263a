"""What tiling chooses, and that tiles compute what whole tensors do."""

import pytest
from lowering import lowered, parse, product, random_values, same, values
from pass_testing import apply_to_clone, ops_named
from xdsl.utils.exceptions import PassFailedException

from dfc.passes.tile_kernels import TileKernelsPass

SIZES = [
    (4, 64, 64, 1024),  # everything fits: one token of everything
    (4, 64, 64, 3),
    (7, 100, 200, 4),  # no tile divides anything
    (33, 130, 96, 6),
    (1, 128, 1000, 8),
    (5, 7, 9, 1),
]


@pytest.mark.parametrize(("m", "n", "k", "kib"), SIZES)
def test_tiles_compute_what_whole_tensors_do(m: int, n: int, k: int, kib: int):
    module = product(m, n, k, kib)
    given = random_values(module)
    assert same(values(module, given), values(lowered(module, "tiled"), given))


def test_what_fits_is_one_token():
    tiled = apply_to_clone(TileKernelsPass(), product(4, 32, 64))
    reads = ops_named(tiled, "stream.read")
    assert {str(read.tokens.type.counts) for read in reads} == {"()"}


def test_a_small_memory_cuts_the_sum():
    tiled = apply_to_clone(TileKernelsPass(), product(1, 64, 4096, 22))
    (fold,) = ops_named(tiled, "stream.reduce")
    assert fold.unit.data == "array"
    (inner,) = [op for op in fold.body.block.ops if op.name == "ternary.matmul"]
    assert inner.acc is fold.body.block.args[0]
    outer, inner = fold.outputs[0].type.counts, fold.streams[0].type.counts
    assert inner[: len(outer)] == outer
    assert len(inner) == len(outer) + 1


def test_ops_that_follow_each_other_on_a_unit_are_one_node():
    tiled = apply_to_clone(TileKernelsPass(), product(4, 32, 64))
    bodies = [
        [op.name for op in node.body.block.ops]
        for node in ops_named(tiled, "stream.map")
    ]
    assert bodies == [
        ["ternary.quantize", "stream.yield"],
        ["ternary.unpack", "ternary.matmul", "stream.yield"],
        ["ternary.dequantize", "tensor.empty", "linalg.generic", "stream.yield"],
    ]


def test_nodes_keep_the_origins_of_their_ops():
    tiled = apply_to_clone(TileKernelsPass(), product(4, 32, 64))
    last = ops_named(tiled, "stream.map")[-1]
    names = [name.data for name in last.attributes["dfc.origin"]]
    assert names == ["l:linear", "l:add"]


def test_the_search_says_what_it_looked_at():
    tiled = apply_to_clone(TileKernelsPass(), product(33, 130, 96, 6))
    for kernel in ops_named(tiled, "accel.kernel"):
        assert kernel.attributes["dfc.tiling"].data.startswith("bound ")


QUANTIZE = """
builtin.module attributes {accel.target = "host", accel.target_set = {"tier.cache.capacity_mib" = SIZE : f64}} {
  func.func @main(%x: tensor<48x512xf32>) -> (tensor<48x512xi8>, tensor<48xf32>) {
    %q, %s = accel.kernel "quantize" ins(%x : tensor<48x512xf32>) -> (tensor<48x512xi8>, tensor<48xf32>) {
    ^bb0(%x1: tensor<48x512xf32>):
      %q1, %s1 = ternary.quantize %x1 {accel.unit = "rows"} : tensor<48x512xf32> -> (tensor<48x512xi8>, tensor<48xf32>)
      accel.yield %q1, %s1 : tensor<48x512xi8>, tensor<48xf32>
    }
    func.return %q, %s : tensor<48x512xi8>, tensor<48xf32>
  }
}"""


@pytest.mark.parametrize(("mib", "loops"), [(1.0, 0), (0.0625, 1)])
def test_a_call_on_whole_tensors_is_cut_only_where_they_do_not_fit(
    mib: float, loops: int
):
    # 48 rows of floats and bytes are 120 KiB
    module = parse(QUANTIZE.replace("SIZE", str(mib)))
    tiled = lowered(module, "tiled")
    (read,) = ops_named(tiled, "stream.read")
    assert len(read.tokens.type.counts) == loops
    given = random_values(module)
    assert same(values(module, given), values(tiled, given))


def test_tiles_that_do_not_fit_are_refused():
    # a row of 4096 floats, twice, and its bytes are more than 8 KiB
    with pytest.raises(
        PassFailedException, match="smallest tiles of kernel `quantize`"
    ):
        apply_to_clone(TileKernelsPass(), product(1, 64, 4096, 8))


def test_a_kernel_that_has_a_graph_stays():
    once = apply_to_clone(TileKernelsPass(), product(7, 100, 200, 4))
    assert str(apply_to_clone(TileKernelsPass(), once)) == str(once)


ATTENTION = """
builtin.module attributes {accel.target = "tiny-npu"} {
func.func @main(%q: tensor<1x4x8x32xf32>, %k: tensor<1x2x24x32xf32>, %v: tensor<1x2x24x32xf32>, %p: index) -> tensor<1x4x8x32xf32> {
  %y = accel.kernel "attention" ins(%q, %k, %v, %p : tensor<1x4x8x32xf32>, tensor<1x2x24x32xf32>, tensor<1x2x24x32xf32>, index) -> (tensor<1x4x8x32xf32>) {
  ^bb0(%q1: tensor<1x4x8x32xf32>, %k1: tensor<1x2x24x32xf32>, %v1: tensor<1x2x24x32xf32>, %p1: index):
    %y1 = attention.sdpa %q1, %k1, %v1 AT {accel.unit = "attention", OPTIONS} : tensor<1x4x8x32xf32>, tensor<1x2x24x32xf32>, tensor<1x2x24x32xf32> -> tensor<1x4x8x32xf32>
    accel.yield %y1 : tensor<1x4x8x32xf32>
  }
  func.return %y : tensor<1x4x8x32xf32>
}
}"""
TWO_ROWS = "schedule = #attention.schedule<streaming, rows = 2>"


def attention(at: str, options: str):
    """A kernel of attention over 8 query rows and 24 keys."""
    return parse(ATTENTION.replace("AT", at).replace("OPTIONS", options))


@pytest.mark.parametrize(
    ("at", "options"),
    [
        ("at %p1", f"causal, {TWO_ROWS}"),
        ("at %p1", f"causal, window = 5 : i64, {TWO_ROWS}"),
        ("", f"causal, {TWO_ROWS}"),
        ("", f"scale = 0.5 : f64, {TWO_ROWS}"),
        ("at %p1", TWO_ROWS),
        ("at %p1", "causal, schedule = #attention.schedule<streaming, rows = 3>"),
    ],
)
def test_query_rows_are_tiled_with_their_positions(at: str, options: str):
    module = attention(at, options)
    given = random_values(module)
    tiled = lowered(module, "tiled")
    (before,), (after,) = values(module, given), values(tiled, given)
    assert abs(before - after).max() < 1e-6


def test_rows_of_the_schedule_are_the_tokens():
    tiled = apply_to_clone(
        TileKernelsPass(), attention("at %p1", f"causal, {TWO_ROWS}")
    )
    reads = [read.tokens.type.counts for read in ops_named(tiled, "stream.read")]
    assert reads == [(4,), (), ()]
    assert len(ops_named(tiled, "stream.index")) == 1


def test_rows_that_all_see_the_same_keys_stay_together():
    # without `causal`, a position makes keys up to the last row valid for every row
    tiled = apply_to_clone(TileKernelsPass(), attention("at %p1", TWO_ROWS))
    reads = [read.tokens.type.counts for read in ops_named(tiled, "stream.read")]
    assert reads == [(), (), ()]


def test_a_unit_gives_attention_its_schedule():
    tiled = apply_to_clone(TileKernelsPass(), attention("at %p1", "causal"))
    (op,) = ops_named(tiled, "attention.sdpa")
    assert op.schedule.rows.data == 8


REGIONS = '{"unit.array.region_outputs" = 48 : i64, "unit.array.region_inputs" = 40 : i64, "unit.array.packing" = "trits3in5, order = rows"}'


def test_weights_are_packed_in_the_regions_of_their_unit():
    module = product(2, 130, 64)
    text = str(module).replace("{tier.sram.capacity_mib = 1.000000e+00 : f64}", REGIONS)
    module = parse(text)
    tiled = apply_to_clone(TileKernelsPass(), module)
    (pack,) = ops_named(tiled, "ternary.pack")
    assert pack.tile.get_values() == (48, 80)
    assert len(ops_named(tiled, "ternary.unpack")) == 3
    given = random_values(module)
    assert same(values(module, given), values(lowered(module, "program"), given))


CONSTANT = """
builtin.module attributes {accel.target = "tiny-npu"} {
func.func @main(%x: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %c = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0], [1.0, 1.0, 2.0, 2.0], [0.0, 1.0, 0.0, 1.0]]> : tensor<4x4xf32>
  %y = accel.kernel "add" ins(%x, %c : tensor<4x4xf32>, tensor<4x4xf32>) -> (tensor<4x4xf32>) {
  ^bb0(%x1: tensor<4x4xf32>, %c1: tensor<4x4xf32>):
    %y1 = arith.addf %x1, %c1 {accel.unit = "vector"} : tensor<4x4xf32>
    accel.yield %y1 : tensor<4x4xf32>
  } {operand_values = ["x", "c"], result_values = ["y"]}
  func.return %y, %c : tensor<4x4xf32>, tensor<4x4xf32>
}
}"""


def test_constants_are_made_where_they_are_used():
    module = parse(CONSTANT)
    tiled = apply_to_clone(TileKernelsPass(), module)
    own, add = ops_named(tiled, "accel.kernel")
    assert own.sym.data == "constant"
    assert len(add.inputs) == 1
    assert [name.data for name in add.operand_values] == ["x"]
    given = random_values(module)
    assert same(values(module, given), values(lowered(module, "program"), given))


@pytest.mark.parametrize(("m", "n", "k", "kib"), [(3, 50, 100, 3), (13, 130, 256, 4)])
def test_a_cut_sum_keeps_the_regions_of_its_weights(m: int, n: int, k: int, kib: int):
    regions = '"unit.array.region_outputs" = 24 : i64, "unit.array.region_inputs" = 20 : i64, '
    module = parse(
        str(product(m, n, k, kib)).replace(
            "accel.target_set = {", "accel.target_set = {" + regions
        )
    )
    given = random_values(module)
    assert same(values(module, given), values(lowered(module, "program"), given))
