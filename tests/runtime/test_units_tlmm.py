"""Tests of the table-lookup unit: blocks, lookups, and work that rides on the results."""

import pytest
from machine_testing import body_of, cost, terms

from dfc.runtime.machine import load_target


def product(tokens: int, inputs: int, outputs: int):
    """One ternary product."""
    return body_of(
        f"%q: tensor<{tokens}x{inputs}xi8>, %w: tensor<{outputs}x{inputs}x!ternary.trit>",
        f"%y = ternary.matmul %q, %w : (tensor<{tokens}x{inputs}xi8>,"
        f" tensor<{outputs}x{inputs}x!ternary.trit>) -> tensor<{tokens}x{outputs}xi32>",
    )


@pytest.fixture
def target():
    """The board, with the latency of building tables set here so that the arithmetic is."""
    return load_target("tellme-kv260", {"unit.tlmm.build_cycles": 10})


def test_a_square_product(target):
    # 1536 inputs are 19 blocks of 84; 1536 outputs are 96 lookups of 2 cycles
    found = cost(target, "tlmm", product(1, 1536, 1536))
    assert terms(found) == {
        "read inputs": 19 * 84,
        "build tables": 19 * 10,
        "lookup": 19 * 96 * 2,
    }


@pytest.mark.parametrize(("inputs", "blocks"), [(4096, 49), (4100, 49), (4117, 50)])
def test_inputs_are_padded_to_blocks(target, inputs: int, blocks: int):
    found = cost(target, "tlmm", product(1, inputs, 1536))
    assert found.cycles == blocks * (84 + 10 + 96 * 2)


def test_time_is_in_proportion_to_tokens(target):
    one, many = (cost(target, "tlmm", product(m, 1536, 4096)).cycles for m in (1, 64))
    assert many == 64 * one


def test_a_step_of_one_cycle_halves_the_lookups():
    target = load_target("tellme-kv260", {"unit.tlmm.step_cycles": 1})
    found = cost(target, "tlmm", product(1, 1536, 1536))
    assert terms(found)["lookup"] == 19 * 96


DEQUANTIZE = """
%a = ternary.matmul %q, %w : (tensor<4x84xi8>, tensor<32x84x!ternary.trit>) -> tensor<4x32xi32>
%y = ternary.dequantize %a, %s, %c : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xf16>
"""


def test_elementwise_work_rides_on_the_results(target):
    args = "%q: tensor<4x84xi8>, %w: tensor<32x84x!ternary.trit>, %s: tensor<4xf32>, %c: tensor<f32>"
    alone = cost(target, "tlmm", body_of(args, DEQUANTIZE.splitlines()[1]))
    both = cost(target, "tlmm", body_of(args, DEQUANTIZE))
    # 128 elements on 16 lanes are 8 cycles, less than 4 x (84 + 10 + 4)
    assert both.cycles == alone.cycles == 4 * (84 + 10 + 2 * 2)


def test_elementwise_work_alone_takes_its_lanes(target):
    args = "%a: tensor<64x4096xi32>, %s: tensor<64xf32>, %c: tensor<f32>"
    ops = body_of(
        args,
        "%y = ternary.dequantize %a, %s, %c : (tensor<64x4096xi32>, tensor<64xf32>,"
        " tensor<f32>) -> tensor<64x4096xf16>",
    )
    assert cost(target, "tlmm", ops).cycles == 64 * 4096 // 16


def test_the_table_form_splits_the_same_time(target):
    ops = body_of(
        "%q: tensor<2x84xi8>, %w: tensor<32x84x!ternary.trit>",
        "%t = ternary.build_tables %q {group = 3 : i64} : tensor<2x84xi8> -> tensor<2x28x27xi16>\n"
        "%a = ternary.lookup_matmul %t, %w : (tensor<2x28x27xi16>,"
        " tensor<32x84x!ternary.trit>) -> tensor<2x32xi32>",
    )
    assert (
        cost(target, "tlmm", ops).cycles
        == cost(target, "tlmm", product(2, 84, 32)).cycles
    )


def test_regions_of_a_weight_are_joined_for_free(target):
    ops = body_of(
        "%q: tensor<1x84xi8>, %a: tensor<1536x84x!ternary.trit>, %b: tensor<16x84x!ternary.trit>",
        "%w = tensor.concat dim(0) %a, %b : (tensor<1536x84x!ternary.trit>,"
        " tensor<16x84x!ternary.trit>) -> tensor<1552x84x!ternary.trit>\n"
        "%y = ternary.matmul %q, %w : (tensor<1x84xi8>, tensor<1552x84x!ternary.trit>)"
        " -> tensor<1x1552xi32>",
    )
    # the tables of a block serve all outputs: built once, 97 lookups
    assert cost(target, "tlmm", ops).cycles == 84 + 10 + 97 * 2


def test_it_has_no_float_products(target):
    ops = body_of(
        "%a: tensor<4x8xf16>, %b: tensor<8x4xf16>, %c: tensor<4x4xf16>",
        "%y = linalg.matmul ins(%a, %b : tensor<4x8xf16>, tensor<8x4xf16>)"
        " outs(%c : tensor<4x4xf16>) -> tensor<4x4xf16>",
    )
    assert not target.unit["tlmm"].supports(ops[0])


def test_evidence_is_kept_per_term(target):
    kinds = {
        term.what: {number.kind for number in term.numbers}
        for term in cost(load_target("tellme-kv260"), "tlmm", product(1, 84, 16)).terms
    }
    assert kinds == {
        "read inputs": {"source"},
        "build tables": {"assumed"},
        "lookup": {"source", "calibrated"},
    }
