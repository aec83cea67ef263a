"""`run-upstream` against the interpreter, and what crosses to upstream MLIR and back."""

import pytest
from pass_testing import apply_to_clone, check_values, function, ops_named, parse
from xdsl.dialects.builtin import StringAttr

from dfc.passes.run_upstream import RunUpstreamPass
from dfc.runtime.errors import DfcError

MODULE = """
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func private @layer(%x: tensor<4x64xf32>, %w: tensor<64x64xf32>) -> tensor<4x64xf32> {
    %t, %s = ternary.ternarize %w {dfc.origin = "layer:t"} : tensor<64x64xf32> -> (tensor<64x64x!ternary.trit>, tensor<f32>)
    %y = ternary.linear %x, %t scale %s {dfc.origin = "layer:y"} : (tensor<4x64xf32>, tensor<64x64x!ternary.trit>, tensor<f32>) -> tensor<4x64xf32>
    func.return %y : tensor<4x64xf32>
  }
  func.func @main(%x: tensor<4x64xf32>, %k: tensor<1x2x8x16xf32>, %i: index, %w: tensor<64x64xf32> {dfc.weight = "w"}) -> (tensor<4x64xf32>, tensor<1x2x8x16xf32>, tensor<4xf32>) {
    %zero = arith.constant 0 : index
    %j = arith.addi %i, %zero : index
    %low = arith.constant 0xFF800000 : f32
    %y = func.call @layer(%x, %w) : (tensor<4x64xf32>, tensor<64x64xf32>) -> tensor<4x64xf32>
    %a = attention.sdpa %k, %k, %k at %zero {causal, dfc.origin = "main:a"} : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32> -> tensor<1x2x8x16xf32>
    %e = tensor.empty() : tensor<4xf32>
    %f = linalg.fill ins(%low : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
    %m = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%y : tensor<4x64xf32>) outs(%f : tensor<4xf32>) attrs = {dfc.origin = "main:max"} {
    ^bb0(%v: f32, %old: f32):
      %n = arith.maximumf %v, %old : f32
      linalg.yield %n : f32
    } -> tensor<4xf32>
    func.return %y, %a, %m : tensor<4x64xf32>, tensor<1x2x8x16xf32>, tensor<4xf32>
  }
}
"""


def test_the_values_stay():
    check_values(parse(MODULE), RunUpstreamPass())


def test_names_types_and_attributes_come_back():
    made = apply_to_clone(RunUpstreamPass(), parse(MODULE))
    assert made.attributes["accel.target"] == StringAttr("tiny-npu")
    assert function(made, "layer").sym_visibility == StringAttr("private")
    weight = function(made, "main").arg_attrs.data[3].data["dfc.weight"]
    assert weight == StringAttr("w")
    (sdpa,) = ops_named(made, "attention.sdpa")
    assert sdpa.causal is not None
    assert sdpa.attributes["dfc.origin"] == StringAttr("main:a")
    assert not ops_named(made, "arith.addi")


def test_an_unknown_upstream_pass_is_one_sentence():
    with pytest.raises(DfcError, match=r"^expected upstream passes .*`canonicalise`"):
        apply_to_clone(RunUpstreamPass("canonicalise"), parse(MODULE))
