"""Tests of the vector and the fixed-rate units: elements, functions, dtypes."""

import pytest
from machine_testing import body_of, cost, terms

from dfc.runtime.machine import load_target

SILU = """
%y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
  ins(%a : tensor<8x100xDTYPE>) outs(%c : tensor<8x100xDTYPE>) {
^bb0(%u: DTYPE, %w: DTYPE):
  %n = arith.negf %u : DTYPE
  %e = math.exp %n : DTYPE
  %s = arith.addf %u, %e : DTYPE
  %d = arith.divf %u, %s : DTYPE
  linalg.yield %d : DTYPE
} -> tensor<8x100xDTYPE>
"""


def silu(dtype: str):
    """A body of four functions on 800 elements."""
    args = "%a: tensor<8x100xDTYPE>, %c: tensor<8x100xDTYPE>".replace("DTYPE", dtype)
    return body_of(args, SILU.replace("DTYPE", dtype))


def test_functions_add_up_at_their_own_rates():
    # 800 elements on 64 lanes are 12.5 per lane: negate and add at 1, exp and divide at 4
    found = cost(load_target("tiny-npu"), "vector", silu("f32"))
    assert found.cycles == 4 + 125
    # f16: 0.5 + 2 + 0.5 + 2 ticks per element, rounded up once
    found = cost(load_target("tiny-npu"), "vector", silu("f16"))
    assert found.cycles == 4 + 63


def test_rounding_is_of_the_sum():
    found = cost(load_target("tiny-npu"), "vector", silu("f32"))
    assert sum(terms(found).values()) == found.cycles
    assert set(terms(found)) == {"overhead", "negate", "exp", "add", "divide"}


def test_a_chained_unit_takes_one_pass():
    target = load_target("tiny-npu", {"unit.vector.chained": "true"})
    # the slowest function, 4 ticks on 12.5 elements per lane
    assert cost(target, "vector", silu("f32")).cycles == 4 + 50


RMS = """
%z = arith.constant dense<0.0> : tensor<4xf32>
%s = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
  ins(%a : tensor<4x512xf32>) outs(%z : tensor<4xf32>) {
^bb0(%u: f32, %w: f32):
  %p = arith.mulf %u, %u : f32
  %t = arith.addf %w, %p : f32
  linalg.yield %t : f32
} -> tensor<4xf32>
%n = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
  ins(%a, %s : tensor<4x512xf32>, tensor<4xf32>) outs(%c : tensor<4x512xf32>) {
^bb0(%u: f32, %v: f32, %w: f32):
  %r = math.rsqrt %v : f32
  %p = arith.mulf %u, %r : f32
  linalg.yield %p : f32
} -> tensor<4x512xf32>
%q, %k = ternary.quantize %n : tensor<4x512xf32> -> (tensor<4x512xi8>, tensor<4xf32>)
"""


def test_a_chained_norm_takes_a_pass_up_to_each_reduction():
    ops = body_of("%a: tensor<4x512xf32>, %c: tensor<4x512xf32>", RMS)
    chained = {"unit.vector.chained": "true", "unit.vector.lanes": 16}
    # sum of squares; rsqrt (4 ticks), product and absmax; scale and round: 128 elements a lane
    found = cost(load_target("tiny-npu", chained), "vector", ops)
    assert terms(found) == {"overhead": 4, "multiply": 128, "rsqrt": 512, "abs": 128}
    # not chained, every function takes its turn: 2 + (4 + 1) + 4
    found = cost(load_target("tiny-npu", {"unit.vector.lanes": 16}), "vector", ops)
    assert found.cycles == 4 + 11 * 128


def test_a_dtype_it_does_not_have_is_not_supported():
    unit = load_target("tiny-npu").unit["vector"]
    assert not unit.supports(silu("f64")[0])
    assert unit.supports(silu("bf16")[0])


def test_an_op_it_does_not_know_is_left_to_the_host():
    target = load_target("tiny-npu")
    (op,) = body_of(
        "%w: tensor<4x8xf32>",
        "%t, %s = ternary.ternarize %w : tensor<4x8xf32> -> (tensor<4x8x!ternary.trit>, tensor<f32>)",
    )
    assert [n for n, unit in target.unit.items() if unit.supports(op)] == ["host"]


GATHER = """
%y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
  ins(%ids : tensor<4xi64>) outs(%c : tensor<4x8xf32>) {
^bb0(%id: i64, %o: f32):
  %i = arith.index_cast %id : i64 to index
  %j = linalg.index 1 : index
  %e = tensor.extract %table[%i, %j] : tensor<1000x8xf32>
  linalg.yield %e : f32
} -> tensor<4x8xf32>
"""


def test_a_gather_is_left_to_the_host_and_reads_what_it_takes():
    target = load_target("tiny-npu")
    args = "%ids: tensor<4xi64>, %table: tensor<1000x8xf32>, %c: tensor<4x8xf32>"
    ops = body_of(args, GATHER)
    assert [n for n, u in target.unit.items() if u.supports(ops[0])] == ["host"]
    found = cost(target, "host", ops)
    # 1,000 ns, and 32 elements at 2 a ns, at 500 MHz
    assert found.cycles == 500 + 8
    assert {(m.operand, m.size) for m in found.moved} == {(0, 4 * 8), (1, 32 * 4)}


def test_views_and_constants_are_free_everywhere():
    ops = body_of(
        "%a: tensor<8x100xf32>",
        "%e = tensor.expand_shape %a [[0], [1, 2]] output_shape [8, 10, 10] :"
        " tensor<8x100xf32> into tensor<8x10x10xf32>",
    )
    target = load_target("tiny-npu")
    assert all(unit.supports(ops[0]) for unit in target.unit.values())
    assert cost(target, "array", ops).cycles == 0


def test_quantize_and_dequantize_are_elementwise():
    ops = body_of(
        "%x: tensor<4x128xf32>",
        "%q, %s = ternary.quantize %x : tensor<4x128xf32> -> (tensor<4x128xi8>, tensor<4xf32>)",
    )
    # abs, maximum, multiply and round of 512 elements: 8 per lane, one tick each
    assert cost(load_target("tiny-npu"), "vector", ops).cycles == 4 + 4 * 8


def test_the_host_takes_real_time():
    args = "%a: tensor<1x512xf32>, %b: tensor<512x1000xf32>, %c: tensor<1x1000xf32>"
    ops = body_of(
        args,
        "%y = linalg.matmul ins(%a, %b : tensor<1x512xf32>, tensor<512x1000xf32>)"
        " outs(%c : tensor<1x1000xf32>) -> tensor<1x1000xf32>",
    )
    # 512,000 products at 8 G/s are 64 us, after 1 us: 32,500 ticks at 500 MHz
    assert cost(load_target("tiny-npu"), "host", ops).cycles == 32500
    twice = load_target("tiny-npu", {"clock_mhz": 1000})
    assert cost(twice, "host", ops).cycles == 65000


def test_energy_of_elements():
    found = cost(load_target("tiny-npu"), "vector", silu("f32"))
    assert found.energy_pj == pytest.approx(4 * 800 * 3.7)
