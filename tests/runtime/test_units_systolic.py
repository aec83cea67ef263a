"""Tests of the systolic array against the closed forms of SCALE-Sim's counts."""

import pytest
from machine_testing import body_of, cost, terms

from dfc.runtime.machine import load_target

MATMUL = """
%y = ternary.matmul %q, %w : (tensor<64x128xi8>, tensor<96x128x!ternary.trit>) -> tensor<64x96xi32>
"""
ARGS = "%q: tensor<64x128xi8>, %w: tensor<96x128x!ternary.trit>"


@pytest.mark.parametrize(
    ("dataflow", "cycles"),
    [
        # M 64, N 96, K 128 on 32 x 16
        ("output-stationary", 2 * 6 * (128 + 32 + 16 - 2) - 1),
        ("weight-stationary", 4 * 6 * (64 + 2 * 32 + 16 - 2) - 1),
        ("input-stationary", 4 * 4 * (96 + 2 * 32 + 16 - 2) - 1),
    ],
)
def test_ternary_matmul(dataflow: str, cycles: int):
    target = load_target(
        "tiny-npu", {"unit.array.columns": 16, "unit.array.dataflow": dataflow}
    )
    assert cost(target, "array", body_of(ARGS, MATMUL)).cycles == cycles


def test_a_named_matmul_of_f32_takes_its_dtypes_steps():
    args = "%a: tensor<64x128xf32>, %b: tensor<128x96xf32>, %c: tensor<64x96xf32>"
    ops = body_of(
        args,
        "%y = linalg.matmul ins(%a, %b : tensor<64x128xf32>, tensor<128x96xf32>)"
        " outs(%c : tensor<64x96xf32>) -> tensor<64x96xf32>",
    )
    # 2 x 3 folds of 128 + 32 + 32 - 2 steps, less one, of 4 ticks each
    assert cost(load_target("tiny-npu"), "array", ops).cycles == (2 * 3 * 190 - 1) * 4


BATCHED = """
%y = linalg.generic {indexing_maps = [affine_map<(b, i, j, l) -> (b, i, l)>, affine_map<(b, i, j, l) -> (b, l, j)>, affine_map<(b, i, j, l) -> (b, i, j)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
  ins(%a, %b : tensor<3x8x16xf16>, tensor<3x16x40xf16>) outs(%c : tensor<3x8x40xf32>) {
^bb0(%u: f16, %v: f16, %w: f32):
  %u1 = arith.extf %u : f16 to f32
  %v1 = arith.extf %v : f16 to f32
  %p = arith.mulf %u1, %v1 : f32
  %s = arith.addf %w, %p : f32
  linalg.yield %s : f32
} -> tensor<3x8x40xf32>
"""


def test_a_batched_generic_repeats_the_folds():
    args = "%a: tensor<3x8x16xf16>, %b: tensor<3x16x40xf16>, %c: tensor<3x8x40xf32>"
    ops = body_of(args, BATCHED)
    # the dtype is the left operand's, f16: 3 batches of 1 x 2 folds of 16 + 62 steps of 2 ticks
    assert cost(load_target("tiny-npu"), "array", ops).cycles == (3 * 2 * 78 - 1) * 2


def test_energy_is_products_times_their_energy():
    found = cost(load_target("tiny-npu"), "array", body_of(ARGS, MATMUL))
    assert found.energy_pj == pytest.approx(64 * 96 * 128 * 0.3)


NORM = """
%y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
  ins(%a : tensor<4x64xf32>) outs(%c : tensor<4xf32>) {
^bb0(%u: f32, %w: f32):
  %p = arith.mulf %u, %u : f32
  %s = arith.addf %w, %p : f32
  linalg.yield %s : f32
} -> tensor<4xf32>
"""


def test_a_sum_of_squares_is_no_matrix_product():
    ops = body_of("%a: tensor<4x64xf32>, %c: tensor<4xf32>", NORM)
    target = load_target("tiny-npu")
    assert not target.unit["array"].supports(ops[0])
    # 256 products and 256 sums, one tick each, on 64 lanes, after 4 ticks of overhead
    found = cost(target, "vector", ops)
    assert terms(found) == {"overhead": 4, "multiply": 4, "add": 4}


def test_a_dtype_it_does_not_have_is_not_supported():
    args = "%a: tensor<4x8xf64>, %b: tensor<8x4xf64>, %c: tensor<4x4xf64>"
    ops = body_of(
        args,
        "%y = linalg.matmul ins(%a, %b : tensor<4x8xf64>, tensor<8x4xf64>)"
        " outs(%c : tensor<4x4xf64>) -> tensor<4x4xf64>",
    )
    target = load_target("tiny-npu")
    assert not target.unit["array"].supports(ops[0])
    assert target.unit["host"].supports(ops[0])


def test_tiles_that_fill_the_array():
    (op,) = body_of(ARGS, MATMUL)
    unit = load_target("tiny-npu").unit["array"]
    assert unit.tile_multiples(op) == {"m": 32, "n": 32, "k": 1}
