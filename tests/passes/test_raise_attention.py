"""Tests of raise-attention: the raised op computes what was written out."""

import pytest
from pass_testing import (
    FILECHECK,
    apply_to_clone,
    check_values,
    function,
    ops_named,
    parse,
)

from dfc.passes.raise_attention import RaiseAttentionPass

TEXT = (FILECHECK / "raise_attention.mlir").read_text()

BATCHED = """
#full = affine_map<(b, h, m, s) -> (b, h, m, s)>
#row = affine_map<(b, h, m, s) -> (b, h, m)>
func.func @main(%q: tensor<2x4x4x16xf16>, %k: tensor<2x4x6x16xf16>, %v: tensor<2x4x6x16xf16>) -> tensor<2x4x4x16xf16> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %four = arith.constant 4.0 : f32
  %e0 = tensor.empty() : tensor<2x4x4x6xf32>
  %i0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<2x4x4x6xf32>) -> tensor<2x4x4x6xf32>
  %kt0 = tensor.empty() : tensor<2x4x16x6xf16>
  %kt = linalg.transpose ins(%k:tensor<2x4x6x16xf16>) outs(%kt0:tensor<2x4x16x6xf16>) permutation = [0, 1, 3, 2]
  %s = linalg.generic {indexing_maps = [affine_map<(b, h, m, s, d) -> (b, h, m, d)>, affine_map<(b, h, m, s, d) -> (b, h, d, s)>, affine_map<(b, h, m, s, d) -> (b, h, m, s)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%q, %kt : tensor<2x4x4x16xf16>, tensor<2x4x16x6xf16>) outs(%i0 : tensor<2x4x4x6xf32>) {
  ^bb0(%a: f16, %b: f16, %o: f32):
    %aw = arith.extf %a : f16 to f32
    %bw = arith.extf %b : f16 to f32
    %ab = arith.mulf %aw, %bw : f32
    %r = arith.addf %o, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4x6xf32>
  %t = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%s : tensor<2x4x4x6xf32>) outs(%e0 : tensor<2x4x4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.divf %a, %four : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4x6xf32>
  %e1 = tensor.empty() : tensor<2x4x4xf32>
  %mi = linalg.fill ins(%lowest : f32) outs(%e1 : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %m = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%t : tensor<2x4x4x6xf32>) outs(%mi : tensor<2x4x4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.maximumf %a, %o : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4xf32>
  %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%t, %m : tensor<2x4x4x6xf32>, tensor<2x4x4xf32>) outs(%e0 : tensor<2x4x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.subf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4x6xf32>
  %x = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%d : tensor<2x4x4x6xf32>) outs(%e0 : tensor<2x4x4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = math.exp %a : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4x6xf32>
  %si = linalg.fill ins(%zero : f32) outs(%e1 : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %sum = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%x : tensor<2x4x4x6xf32>) outs(%si : tensor<2x4x4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %o : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4xf32>
  %e2 = tensor.empty() : tensor<2x4x4x6xf16>
  %p = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%x, %sum : tensor<2x4x4x6xf32>, tensor<2x4x4xf32>) outs(%e0 : tensor<2x4x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.divf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4x6xf32>
  %ph = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%p : tensor<2x4x4x6xf32>) outs(%e2 : tensor<2x4x4x6xf16>) {
  ^bb0(%a: f32, %o: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x4x4x6xf16>
  %e3 = tensor.empty() : tensor<2x4x4x16xf32>
  %i3 = linalg.fill ins(%zero : f32) outs(%e3 : tensor<2x4x4x16xf32>) -> tensor<2x4x4x16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(b, h, m, d, s) -> (b, h, m, s)>, affine_map<(b, h, m, d, s) -> (b, h, s, d)>, affine_map<(b, h, m, d, s) -> (b, h, m, d)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]} ins(%ph, %v : tensor<2x4x4x6xf16>, tensor<2x4x6x16xf16>) outs(%i3 : tensor<2x4x4x16xf32>) {
  ^bb0(%a: f16, %b: f16, %o: f32):
    %aw = arith.extf %a : f16 to f32
    %bw = arith.extf %b : f16 to f32
    %ab = arith.mulf %aw, %bw : f32
    %r = arith.addf %o, %ab : f32
    linalg.yield %r : f32
  } -> tensor<2x4x4x16xf32>
  %e4 = tensor.empty() : tensor<2x4x4x16xf16>
  %z = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%y : tensor<2x4x4x16xf32>) outs(%e4 : tensor<2x4x4x16xf16>) {
  ^bb0(%a: f32, %o: f16):
    %r = arith.truncf %a : f32 to f16
    linalg.yield %r : f16
  } -> tensor<2x4x4x16xf16>
  func.return %z : tensor<2x4x4x16xf16>
}
"""


def test_values_stay():
    made = check_values(parse(TEXT), RaiseAttentionPass())
    for name in ("plain", "masked", "causal"):
        assert len(ops_named(function(made, name), "attention.sdpa")) == 1
        assert not ops_named(function(made, name), "math.exp")


def test_half_precision_in_four_dimensions_with_roundings_between():
    made = check_values(parse(BATCHED), RaiseAttentionPass())
    assert [op.name for op in function(made, "main").body.block.ops] == [
        "attention.sdpa",
        "func.return",
    ]


def test_keys_turned_in_one_step_from_another_layout_are_turned_to_rows():
    text = BATCHED.replace("%k: tensor<2x4x6x16xf16>", "%k: tensor<2x6x4x16xf16>")
    text = text.replace("ins(%k:tensor<2x4x6x16xf16>)", "ins(%k:tensor<2x6x4x16xf16>)")
    text = text.replace("permutation = [0, 1, 3, 2]", "permutation = [0, 2, 3, 1]")
    made = check_values(parse(text), RaiseAttentionPass())
    assert [op.name for op in function(made, "main").body.block.ops] == [
        "tensor.empty",
        "linalg.generic",
        "attention.sdpa",
        "func.return",
    ]


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("maximum from zero", "ins(%lowest", "ins(%zero"),
        ("minimum for maximum", "arith.maximumf", "arith.minimumf"),
        ("scale by a product", "arith.divf %a, %four", "arith.mulf %a, %a"),
        ("difference the other way", "arith.subf %a, %b", "arith.subf %b, %a"),
        ("sum of squares", "%r = arith.addf %a, %o", "%r = arith.addf %a, %a"),
        (
            "product from -inf",
            "%i3 = linalg.fill ins(%zero",
            "%i3 = linalg.fill ins(%lowest",
        ),
    ],
)
def test_anything_else_stays(what: str, old: str, new: str):
    assert old in BATCHED, what
    made = apply_to_clone(RaiseAttentionPass(), parse(BATCHED.replace(old, new)))
    assert not ops_named(made, "attention.sdpa"), what
