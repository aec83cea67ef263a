"""Tests of the units of a processor: packed products, loops over rows, a library's ops."""

import pytest
from machine_testing import at, body_of, cost, terms

from dfc.runtime.machine import Access, Target, load_target

PRODUCT = """
%a = ternary.matmul %q, %w : (tensor<{m}x{k}xi8>, tensor<{n}x{k}x!ternary.trit>) -> tensor<{m}x{n}xi32>
%y = ternary.dequantize %a, %s, %c : (tensor<{m}x{n}xi32>, tensor<{m}xf32>, tensor<f32>) -> tensor<{m}x{n}xbf16>
"""
ARGUMENTS = "%q: tensor<{m}x{k}xi8>, %w: tensor<{n}x{k}x!ternary.trit>, %s: tensor<{m}xf32>, %c: tensor<f32>"


def product(m: int, k: int, n: int):
    """A ternary product and its dequantisation."""
    return body_of(*(text.format(m=m, k=k, n=n) for text in (ARGUMENTS, PRODUCT)))


def host(**more: object) -> Target:
    """The shipped target with round numbers, ticks being nanoseconds."""
    numbers = {
        "clock_mhz": 1000,
        "unit.product.gmac_per_s": 100,
        "unit.product.overhead_ns": 3000,
        "unit.rows.overhead_cycles": 2000,
        "unit.rows.dtype.bf16.cycles_per_element.default": 0.5,
        "unit.torch.dtype.bf16.gelement_per_s": 4,
        "unit.torch.overhead_ns": 5000,
        "unit.torch.dtype.bf16.gmac_per_s": 200,
        "unit.torch.dtype.bf16.one_row_gmac_per_s": 10,
        "tier.ddr.gb_per_s": 30,
        "tier.ddr.efficiency": 1.0,
    }
    return load_target("host", numbers | more)


def test_many_tokens_are_bound_by_multiply_accumulates():
    found = cost(host(), "product", product(32, 160, 320))
    # 32 * 160 * 320 at 100 a ns are 16,384 ns; dequantising is in the rate
    assert terms(found) == {"overhead": 3000, "matmul": 16384}


def test_a_weight_is_padded_to_blocks_of_16():
    found = cost(host(), "product", product(10, 33, 17))
    # 48 columns and 32 rows: 10 * 48 * 32 at 100 a ns, rounded up
    assert terms(found)["matmul"] == 154


PACKED = """
%w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<1048576xi8> -> tensor<2048x2048x!ternary.trit>
%a = ternary.matmul %q, %w : (tensor<1x2048xi8>, tensor<2048x2048x!ternary.trit>) -> tensor<1x2048xi32>
"""


def test_one_token_is_bound_by_the_bytes_of_its_weights():
    ops = body_of("%q: tensor<1x2048xi8>, %p: tensor<1048576xi8>", PACKED)
    target = host(**{"tier.ddr.efficiency": 0.5})
    found = cost(target, "product", ops, tiers=("cache", "ddr"))
    # the call, then 2^20 bytes at 15 a ns; 2^22 products at 100 are 41,944 ns and hide behind them
    assert found.cycles == 3000 + -(-(2**20) // 15)
    assert terms(found)["tier.ddr"] == pytest.approx(2**20 / 15 - 41943, abs=1)


NORM = """
%y = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}}
  ins(%a : {type}) outs(%c : {type}) {{
^bb0(%u: bf16, %w: bf16):
  %n = arith.mulf %u, %u : bf16
  linalg.yield %n : bf16
}} -> {type}
"""


def test_rows_are_elements_at_a_rate():
    kind = "tensor<4x2560xbf16>"
    ops = body_of(f"%a: {kind}, %c: {kind}", NORM.format(type=kind))
    # 10,240 elements at half a ns
    assert terms(cost(host(), "rows", ops)) == {"overhead": 2000, "multiply": 5120}


HEADS = """
%y = linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>, affine_map<(i, j, k) -> (i, j, k)>], iterator_types = ["parallel", "parallel", "parallel"]}
  ins(%a : tensor<HEADSx4x64xbf16>) outs(%c : tensor<HEADSx4x64xbf16>) {
^bb0(%u: bf16, %w: bf16):
  %n = arith.mulf %u, %u : bf16
  linalg.yield %n : bf16
} -> tensor<HEADSx4x64xbf16>
"""


@pytest.mark.parametrize(("heads", "runs"), [(1, True), (2, False)])
def test_what_is_no_row_is_not_for_loops_over_rows(heads: int, runs: bool):
    kind = f"tensor<{heads}x4x64xbf16>"
    text = HEADS.replace("HEADS", str(heads))
    (op,) = body_of(f"%a: {kind}, %c: {kind}", text)
    assert host().unit["rows"].supports(op) == runs
    assert host().unit["torch"].supports(op)


def test_a_move_is_not_for_loops_over_rows():
    arguments = "%a: tensor<4x64xbf16>, %b: tensor<4x64xbf16>"
    move = "%y = tensor.concat dim(0) %a, %b : (tensor<4x64xbf16>, tensor<4x64xbf16>) -> tensor<8x64xbf16>"
    (op,) = body_of(arguments, move)
    assert not host().unit["rows"].supports(op)


def test_a_library_is_called_for_every_op():
    kind = "tensor<4x64xbf16>"
    twice = NORM.format(type=kind) + NORM.format(type=kind).replace("%y =", "%z =")
    ops = body_of(f"%a: {kind}, %c: {kind}", twice)
    # 5 us each; 256 elements at 4 a ns
    assert terms(cost(host(), "torch", ops)) == {"overhead": 10000, "elementwise": 128}


MATMUL = "%y = linalg.matmul ins(%a, %b : tensor<{m}x64xbf16>, tensor<64x640xbf16>) outs(%c : tensor<{m}x640xbf16>) -> tensor<{m}x640xbf16>"
OPERANDS = "%a: tensor<{m}x64xbf16>, %b: tensor<64x640xbf16>, %c: tensor<{m}x640xbf16>"


@pytest.mark.parametrize(("rows", "rate"), [(1, 10), (2, 200)])
def test_one_row_has_a_rate_of_its_own(rows: int, rate: int):
    ops = body_of(OPERANDS.format(m=rows), MATMUL.format(m=rows))
    found = terms(cost(host(), "torch", ops))
    assert found["matmul"] == -(-rows * 64 * 640 // rate)


def test_a_librarys_operands_go_through_their_memory():
    ops = body_of(OPERANDS.format(m=2), MATMUL.format(m=2))
    slow = host(**{"tier.ddr.gb_per_s": 0.1, "tier.ddr.efficiency": 1.0})
    found = cost(slow, "torch", ops, tiers=("ddr",) * 3)
    # a call; 2 x 64, 64 x 640, and the 2 x 640 that it is added to: 2 bytes each at a tenth a ns
    assert found.cycles == 5000 + 2 * (2 * 64 + 64 * 640 + 2 * 640) * 10


ATTENTION = "%y = attention.sdpa %q, %k, %v {causal} : tensor<1x2x8x64xbf16>, tensor<1x1x8x64xbf16>, tensor<1x1x8x64xbf16> -> tensor<1x2x8x64xbf16>"


def test_a_mask_saves_a_librarys_attention_nothing():
    kinds = "%q: tensor<1x2x8x64xbf16>, %k: tensor<1x1x8x64xbf16>, %v: tensor<1x1x8x64xbf16>"
    found = terms(
        cost(
            host(**{"unit.torch.attention_ns": 7000}),
            "torch",
            body_of(kinds, ATTENTION),
        )
    )
    # two products of 2 heads x 8 rows x 8 keys x 64 at 200 a ns
    assert found["matmul"] == pytest.approx(2 * 2 * 8 * 8 * 64 / 200, abs=1)
    # four functions of each pair and a division of each result, at 4 a ns
    assert found["elementwise"] == pytest.approx((4 * 128 + 2 * 8 * 64) / 4, abs=1)
    assert found["overhead"] == 7000


def test_a_library_has_no_ternary_op():
    unit, access = host().unit["torch"], Access(host(), "torch", ())
    ops = product(2, 16, 16)
    assert not any(unit.supports(op) for op in ops)
    with pytest.raises(Exception, match="unit `torch` of target `host` cannot run"):
        unit.cost(ops, at(0), access)
