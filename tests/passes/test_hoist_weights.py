"""Tests of hoist-weights: one set of weights gives the same values, and a second run changes nothing."""

from pass_testing import apply_to_clone, check_values, function, ops_named, parse

from dfc.passes.analysis.functions import argument_attributes
from dfc.passes.hoist_weights import HoistWeightsPass

LAYERS = """
#rows = affine_map<(m, n) -> (m, n)>
#cols = affine_map<(m, n) -> (n)>
func.func @prefill(%x: tensor<4x16xf32>, %w0: tensor<16x16xf32> {dfc.weight = "l.0.w"}, %g0: tensor<16xf16> {dfc.weight = "l.0.g"}, %w1: tensor<16x16xf32> {dfc.weight = "l.1.w"}, %g1: tensor<16xf16> {dfc.weight = "l.1.g"}) -> tensor<4x16xf32> {
  %y = func.call @layer(%x, %w0, %g0) {dfc.origin = "l.0:call"} : (tensor<4x16xf32>, tensor<16x16xf32>, tensor<16xf16>) -> tensor<4x16xf32>
  %z = func.call @layer(%y, %w1, %g1) {dfc.origin = "l.1:call"} : (tensor<4x16xf32>, tensor<16x16xf32>, tensor<16xf16>) -> tensor<4x16xf32>
  func.return %z : tensor<4x16xf32>
}
func.func private @layer(%x: tensor<4x16xf32>, %w: tensor<16x16xf32>, %g: tensor<16xf16>) -> tensor<4x16xf32> {
  %two = arith.constant 2.0 : f32
  %e = tensor.empty() : tensor<16xf32>
  %f = tensor.empty() : tensor<4x16xf32>
  %h = linalg.generic {indexing_maps = [affine_map<(n) -> (n)>, affine_map<(n) -> (n)>], iterator_types = ["parallel"]} ins(%g : tensor<16xf16>) outs(%e : tensor<16xf32>) {
  ^bb0(%a: f16, %o: f32):
    %b = arith.extf %a : f16 to f32
    %c = arith.mulf %b, %two : f32
    linalg.yield %c : f32
  } -> tensor<16xf32>
  %t, %s = ternary.ternarize %w : tensor<16x16xf32> -> (tensor<16x16x!ternary.trit>, tensor<f32>)
  %y = ternary.linear %x, %t scale %s : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  %z = linalg.generic {indexing_maps = [#rows, #cols, #rows], iterator_types = ["parallel", "parallel"]} ins(%y, %h : tensor<4x16xf32>, tensor<16xf32>) outs(%f : tensor<4x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %c = arith.mulf %a, %b : f32
    %d = arith.mulf %c, %two : f32
    linalg.yield %d : f32
  } -> tensor<4x16xf32>
  func.return %z : tensor<4x16xf32>
}
func.func @decode(%w1: tensor<16x16xf32> {dfc.weight = "l.1.w"}, %x: tensor<1x16xf32>) -> tensor<1x16xf32> {
  %t, %s = ternary.ternarize %w1 : tensor<16x16xf32> -> (tensor<16x16x!ternary.trit>, tensor<f32>)
  %y = ternary.linear %x, %t scale %s : (tensor<1x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<1x16xf32>
  func.return %y : tensor<1x16xf32>
}
"""


def names(module_text: str, name: str) -> list[str]:
    """The weights that a hoisted entry function takes."""
    made = apply_to_clone(HoistWeightsPass(), parse(module_text))
    rows = argument_attributes(function(made, name))
    return [str(row["dfc.weight"]) for row in rows if row]


def test_values_stay():
    made = check_values(parse(LAYERS), HoistWeightsPass())
    layer = function(made, "layer")
    assert [
        op.name for op in layer.body.block.ops if op.name.startswith("ternary")
    ] == ["ternary.linear"]
    assert len(ops_named(layer, "linalg.generic")) == 1
    assert len(layer.args) == 4


def test_equal_work_of_two_entries_is_done_once():
    made = apply_to_clone(HoistWeightsPass(), parse(LAYERS))
    weights = function(made, "weights")
    assert len(ops_named(weights, "ternary.ternarize")) == 2
    assert len(ops_named(weights, "linalg.generic")) == 2


def test_entries_take_results_in_order_behind_their_inputs():
    assert names(LAYERS, "prefill") == [f'"@weights:{n}"' for n in range(6)]
    assert names(LAYERS, "decode") == ['"@weights:4"', '"@weights:5"']


def test_second_run_changes_nothing():
    once = apply_to_clone(HoistWeightsPass(), parse(LAYERS))
    assert str(apply_to_clone(HoistWeightsPass(), once)) == str(once)


def test_work_on_inputs_stays():
    module = parse(LAYERS.replace(' {dfc.weight = "l.1.w"}', ""))
    made = check_values(module, HoistWeightsPass())
    assert ops_named(function(made, "layer"), "ternary.ternarize")
    assert ops_named(function(made, "decode"), "ternary.ternarize")
