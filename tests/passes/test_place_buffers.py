"""Which buffers there are and where they stand, and that placed programs compute what tensors do."""

import numpy as np
import pytest
from lowering import lowered, parse, product, random_values, same, values
from pass_testing import apply_to_clone, function, ops_named
from test_tile_kernels import SIZES
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects.tier import tier_of
from dfc.passes.place_buffers import PlaceBuffersPass


@pytest.mark.parametrize(("m", "n", "k", "kib"), SIZES)
def test_buffers_hold_what_tensors_are(m: int, n: int, k: int, kib: int):
    module = product(m, n, k, kib)
    given = random_values(module)
    tiled = lowered(module, "tiled")
    placed = apply_to_clone(PlaceBuffersPass(), tiled)
    assert same(values(tiled, given), values(placed, given))


def test_arguments_and_results_stay_with_the_host():
    main = function(lowered(product(4, 64, 64), "placed"), "main")
    kinds = [*main.function_type.inputs.data, *main.function_type.outputs.data]
    assert {kind.memory_space.data for kind in kinds} == {"ddr"}


def test_values_between_kernels_stay_on_chip_and_in_place():
    main = function(lowered(product(4, 64, 64), "placed"), "main")
    quantize, multiply = ops_named(main, "accel.kernel")
    assert [tier_of(out) for out in quantize.outs] == ["sram", "sram"]
    reads = ops_named(multiply, "stream.read")
    assert [read.in_place is not None for read in reads[:2]] == [True, False]
    assert tier_of(reads[0].source) == "sram"


def test_values_that_do_not_fit_go_to_the_host():
    # 64 rows of 1024 i8 are more than the memory
    main = function(lowered(product(64, 32, 1024, 48), "placed"), "main")
    quantize, _ = ops_named(main, "accel.kernel")
    assert tier_of(quantize.outs[0]) == "ddr"


def test_fifos_hold_two_tokens_unless_there_is_one():
    placed = lowered(product(33, 130, 96, 6), "placed")
    for fifo in ops_named(placed, "stream.fifo"):
        assert fifo.depth.value.data == min(2, fifo.out.type.tokens)


def test_offsets_are_aligned():
    placed = lowered(product(33, 130, 96, 6), "placed")
    placing = [*ops_named(placed, "stream.fifo"), *ops_named(placed, "tier.alloc")]
    assert all(op.offset_bytes.value.data % 64 == 0 for op in placing)


def test_weights_of_one_slot_have_a_fifo_of_one():
    text = str(product(4, 64, 96, 3)).replace(
        "accel.target_set = {",
        'accel.target_set = {"unit.array.weight_slots" = 1 : i64, ',
    )
    placed = lowered(parse(text), "placed")
    depths = {
        fifo.depth.value.data
        for fifo in ops_named(placed, "stream.fifo")
        if fifo.out.type.tokens > 1
        and any(op.name == "ternary.unpack" for op in users_of_token(fifo))
    }
    assert depths == {1}


WEIGHTS_OF_TWO = """
builtin.module attributes {accel.target = "tiny-npu", accel.target_set = {"unit.array.weight_slots" = SLOTS : i64}} {
func.func @main(%q: tensor<4x64xi8>, %v: tensor<64x64x!ternary.trit> {dfc.weight = "v"}, %w: tensor<64x64x!ternary.trit> {dfc.weight = "w"}) -> (tensor<4x64xi32>, tensor<4x64xi32>) {
  %a = accel.kernel "first" ins(%q, %v : tensor<4x64xi8>, tensor<64x64x!ternary.trit>) -> (tensor<4x64xi32>) {
  ^bb0(%q1: tensor<4x64xi8>, %v1: tensor<64x64x!ternary.trit>):
    %a1 = ternary.matmul %q1, %v1 {accel.unit = "array"} : (tensor<4x64xi8>, tensor<64x64x!ternary.trit>) -> tensor<4x64xi32>
    accel.yield %a1 : tensor<4x64xi32>
  }
  %b = accel.kernel "second" ins(%q, %w : tensor<4x64xi8>, tensor<64x64x!ternary.trit>) -> (tensor<4x64xi32>) {
  ^bb0(%q2: tensor<4x64xi8>, %w2: tensor<64x64x!ternary.trit>):
    %b1 = ternary.matmul %q2, %w2 {accel.unit = "array"} : (tensor<4x64xi8>, tensor<64x64x!ternary.trit>) -> tensor<4x64xi32>
    accel.yield %b1 : tensor<4x64xi32>
  }
  func.return %a, %b : tensor<4x64xi32>, tensor<4x64xi32>
}
}"""


@pytest.mark.parametrize(("slots", "buffers"), [(1, 1), (2, 2)])
def test_one_slot_for_weights_is_one_buffer_for_all_kernels(slots: int, buffers: int):
    module = parse(WEIGHTS_OF_TWO.replace("SLOTS", str(slots)))
    weights = [
        fifo
        for fifo in ops_named(lowered(module, "placed"), "stream.fifo")
        if any(op.name == "ternary.unpack" for op in users_of_token(fifo))
    ]
    assert len(weights) == 2
    assert len({fifo.offset_bytes.value.data for fifo in weights}) == buffers
    given = random_values(module)
    assert same(values(module, given), values(lowered(module, "program"), given))


def users_of_token(fifo):
    """The ops of a node's body that use the token of a FIFO in front of it."""
    (use,) = fifo.out.uses
    node = use.operation
    if node.name not in ("stream.map", "stream.reduce"):
        return []
    first = len(node.body.block.args) - len(node.streams)
    argument = node.body.block.args[first + use.index]
    return [use.operation for use in argument.uses]


KV = """
builtin.module attributes {accel.target = "tiny-npu"} {
func.func @main(%c: tensor<1x2x8x4xf32> STATE, %n: tensor<1x2x2x4xf32>, %p: index) -> (tensor<1x2x8x4xf32>, tensor<1x2x8x4xf32>) {
  %d = attention.kv_write %c, %n at %p : tensor<1x2x8x4xf32>, tensor<1x2x2x4xf32> -> tensor<1x2x8x4xf32>
  func.return %d, RETURNED : tensor<1x2x8x4xf32>, tensor<1x2x8x4xf32>
}
}"""


@pytest.mark.parametrize("state", ["", "{tf.aliasing_output = 0 : i32}"])
@pytest.mark.parametrize("returned", ["%c", "%d"])
def test_a_cache_is_updated_as_a_value(state: str, returned: str):
    module = parse(KV.replace("STATE", state).replace("RETURNED", returned))
    given = random_values(module)
    assert same(values(module, given), values(lowered(module, "program"), given))


def test_a_state_is_updated_in_place():
    state = "{tf.aliasing_output = 0 : i32}"
    module = parse(KV.replace("STATE", state).replace("RETURNED", "%d"))
    main = function(lowered(module, "placed"), "main")
    first, *_ = ops_named(main, "tier.copy")
    assert first.target.owner.source is main.args[0]
    assert main.body.block.last_op.operands[0] is main.args[0]


def test_an_argument_that_is_no_state_is_not_written():
    module = parse(KV.replace("STATE", "").replace("RETURNED", "%c"))
    main = function(lowered(module, "placed"), "main")
    for copy in ops_named(main, "tier.copy"):
        assert copy.target is not main.args[0]


LAYERS = """
builtin.module attributes {accel.target = "tiny-npu"} {
func.func private @layer(%x: tensor<4x16xf32>, %c: tensor<1x1x8x16xf32>, %p: index) -> (tensor<1x4x16xf32>, tensor<1x1x8x16xf32>) {
  %y = accel.kernel "double" ins(%x : tensor<4x16xf32>) -> (tensor<4x16xf32>) {
  ^bb0(%x1: tensor<4x16xf32>):
    %y1 = arith.addf %x1, %x1 {accel.unit = "vector"} : tensor<4x16xf32>
    accel.yield %y1 : tensor<4x16xf32>
  }
  %z = accel.kernel "square" ins(%y : tensor<4x16xf32>) -> (tensor<4x16xf32>) {
  ^bb0(%y2: tensor<4x16xf32>):
    %z1 = arith.mulf %y2, %y2 {accel.unit = "vector"} : tensor<4x16xf32>
    accel.yield %z1 : tensor<4x16xf32>
  }
  %half = tensor.extract_slice %z[1, 0] [2, 16] [1, 1] : tensor<4x16xf32> to tensor<2x16xf32>
  %new = tensor.expand_shape %half [[0, 1, 2], [3]] output_shape [1, 1, 2, 16] : tensor<2x16xf32> into tensor<1x1x2x16xf32>
  %d = attention.kv_write %c, %new at %p : tensor<1x1x8x16xf32>, tensor<1x1x2x16xf32> -> tensor<1x1x8x16xf32>
  %r = tensor.expand_shape %z [[0, 1], [2]] output_shape [1, 4, 16] : tensor<4x16xf32> into tensor<1x4x16xf32>
  func.return %r, %d : tensor<1x4x16xf32>, tensor<1x1x8x16xf32>
}
func.func @main(%x: tensor<4x16xf32>, %a: tensor<1x1x8x16xf32> {tf.aliasing_output = 1 : i32}, %b: tensor<1x1x8x16xf32> {tf.aliasing_output = 2 : i32}, %p: index) -> (tensor<1x4x16xf32>, tensor<1x1x8x16xf32>, tensor<1x1x8x16xf32>, tensor<1x4x16xf32>) {
  %y, %c = func.call @layer(%x, %a, %p) : (tensor<4x16xf32>, tensor<1x1x8x16xf32>, index) -> (tensor<1x4x16xf32>, tensor<1x1x8x16xf32>)
  %y1 = tensor.collapse_shape %y [[0, 1], [2]] : tensor<1x4x16xf32> into tensor<4x16xf32>
  %z, %d = func.call @layer(%y1, %b, %p) : (tensor<4x16xf32>, tensor<1x1x8x16xf32>, index) -> (tensor<1x4x16xf32>, tensor<1x1x8x16xf32>)
  func.return %z, %c, %d, %y : tensor<1x4x16xf32>, tensor<1x1x8x16xf32>, tensor<1x1x8x16xf32>, tensor<1x4x16xf32>
}
}"""


def test_called_functions_compute_what_they_did():
    module = parse(LAYERS)
    given = random_values(module)
    before = values(module, given)
    for level in ("tiled", "placed", "program"):
        assert same(before, values(lowered(module, level), given)), level


def test_called_functions_write_to_buffers_of_their_caller():
    placed = lowered(parse(LAYERS), "placed")
    layer, main = function(placed, "layer"), function(placed, "main")
    assert len(layer.function_type.inputs.data) == 4
    assert len(layer.function_type.outputs.data) == 0
    first, second = ops_named(main, "func.call")
    assert first.arguments[1] is main.args[1]
    assert first.arguments[3] is not second.arguments[3]


def test_a_result_given_twice_is_two_buffers():
    text = LAYERS.replace(
        "func.return %z, %c, %d, %y :", "func.return %z, %c, %d, %z :"
    )
    module = parse(text)
    main = function(lowered(module, "placed"), "main")
    results = main.body.block.last_op.operands
    assert len({id(result) for result in results}) == 4
    given = random_values(module)
    assert same(values(module, given), values(lowered(module, "program"), given))


def test_a_buffer_that_fits_nowhere_is_refused():
    tiled = lowered(product(4, 64, 64), "tiled")
    text = str(tiled).replace(
        "capacity_mib = 1.000000e+00", "capacity_mib = 1.000000e-03"
    )
    with pytest.raises(
        PassFailedException, match=r"does not fit in tier `sram` .* use smaller tiles"
    ):
        apply_to_clone(PlaceBuffersPass(), parse(text))


MASK = """
builtin.module attributes {accel.target = "tiny-npu"} {
func.func @main(%x: tensor<4x16xf32>, %m: tensor<4x16xi1>) -> (tensor<4x16xf32>, tensor<4x16xi1>) {
  %y, %n = accel.kernel "pick" ins(%x, %m : tensor<4x16xf32>, tensor<4x16xi1>) -> (tensor<4x16xf32>, tensor<4x16xi1>) {
  ^bb0(%x1: tensor<4x16xf32>, %m1: tensor<4x16xi1>):
    %e = tensor.empty() : tensor<4x16xf32>
    %i = tensor.empty() : tensor<4x16xi1>
    %y1, %n1 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%x1, %m1 : tensor<4x16xf32>, tensor<4x16xi1>) outs(%e, %i : tensor<4x16xf32>, tensor<4x16xi1>) attrs = {accel.unit = "host"} {
    ^bb1(%a: f32, %b: i1, %o: f32, %u: i1):
      %t = arith.negf %a : f32
      %s = arith.select %b, %a, %t : f32
      %c = arith.cmpf ogt, %a, %s : f32
      linalg.yield %s, %c : f32, i1
    } -> tensor<4x16xf32>, tensor<4x16xi1>
    accel.yield %y1, %n1 : tensor<4x16xf32>, tensor<4x16xi1>
  }
  func.return %y, %n : tensor<4x16xf32>, tensor<4x16xi1>
}
}"""


def test_bits_are_kept_as_bytes():
    module = parse(MASK)
    given = random_values(module)
    placed = lowered(module, "placed")
    main = function(placed, "main")
    assert str(main.args[1].type) == 'memref<4x16xi8, "ddr">'
    for level in ("placed", "program"):
        after = values(lowered(module, level), given)
        for one, other in zip(values(module, given), after, strict=True):
            assert np.array_equal(one, np.asarray(other).astype(one.dtype))


def test_a_called_function_is_private():
    text = LAYERS.replace("func.func private @layer", "func.func @layer")
    with pytest.raises(
        PassFailedException, match=r"expected a private function .* got `@layer`"
    ):
        lowered(parse(text), "placed")


def test_a_cache_written_from_itself_is_copied_first():
    text = """
builtin.module attributes {accel.target = "tiny-npu"} {
func.func @main(%c: tensor<1x2x8x4xf32> {tf.aliasing_output = 0 : i32}, %p: index) -> tensor<1x2x8x4xf32> {
  %n = tensor.extract_slice %c[0, 0, 2, 0] [1, 2, 3, 4] [1, 1, 1, 1] : tensor<1x2x8x4xf32> to tensor<1x2x3x4xf32>
  %d = attention.kv_write %c, %n at %p : tensor<1x2x8x4xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x8x4xf32>
  func.return %d : tensor<1x2x8x4xf32>
}
}"""
    module = parse(text)
    given = random_values(module)
    assert same(values(module, given), values(lowered(module, "program"), given))
