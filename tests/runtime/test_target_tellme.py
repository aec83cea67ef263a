"""Tests of the board's target: its numbers against the paper's, and what each calibrated one does."""

import re
from importlib import resources
from math import ceil

import pytest
from machine_testing import body_of, cost, parse, terms

from dfc.runtime.machine import Number, Target, load_target
from dfc.runtime.simulator import Simulator

NAME = "tellme-kv260"
REGION = 19 * 308 * 96
"""Bytes of a region of weights: 19 blocks, 1,536 outputs in beats of 5, 96 bytes a beat."""


@pytest.fixture
def board() -> Target:
    return load_target(NAME)


def numbers(found: object):
    """Every number of a target."""
    if isinstance(found, Number):
        yield found
    elif isinstance(found, dict):
        for value in found.values():
            yield from numbers(value)
    elif hasattr(type(found), "model_fields"):
        for name in type(found).model_fields:
            yield from numbers(getattr(found, name))


def test_every_number_says_where_it_comes_from(board: Target):
    found = list(numbers(board))
    assert len(found) > 40
    assert all(len(number.note) > 8 for number in found)


def test_measured_results_stand_in_calibrated_notes_only(board: Target):
    text = (resources.files("dfc.runtime.targets") / f"{NAME}.toml").read_text()
    for line in text.splitlines():
        if re.search(r"\b(0\.45|25|5\.2|14\.3)\b", line):
            assert "calibrated =" in line, line
    assert not {number.value for number in numbers(board)} & {0.45, 25, 5.2, 14.3}


def test_three_parameters_are_calibrated(board: Target):
    found = {
        key
        for key in ("unit.tlmm.step_cycles", "unit.attention.head_iteration_cycles")
        if _at(board, key).kind == "calibrated"
    }
    ddr = board.tier["ddr"]
    assert ddr.efficiency is not None
    assert ddr.port_efficiency is not None
    assert {ddr.efficiency.kind, ddr.port_efficiency.kind} == {"calibrated"}
    assert len(found) == 2
    # the two readings of the efficiency are one parameter, of which one is in force
    assert sum(number.kind == "calibrated" for number in numbers(board)) == 4


def _at(board: Target, key: str) -> Number:
    _, unit, name = key.split(".")
    return getattr(board.unit[unit], name)


def attention(rows: int, order: str):
    """Prefill attention of one layer: 16 heads of 96."""
    kind = f"tensor<1x16x{rows}x96xf16>"
    return body_of(
        f"%q: {kind}, %k: {kind}, %v: {kind}",
        "%y = attention.sdpa %q, %k, %v {causal, schedule ="
        f" #attention.schedule<{order}, rows = 8>}} : {kind}, {kind}, {kind} -> {kind}",
    )


def test_naive_attention_of_one_layer_is_what_it_was_calibrated_on(board: Target):
    found = cost(board, "attention", attention(128, "naive"))
    assert found.cycles / board.ticks_per_second == pytest.approx(14.3e-3, rel=1e-3)


@pytest.mark.parametrize("rows", [32, 64, 128])
def test_naive_and_reversed_differ_by_their_iterations(board: Target, rows: int):
    naive, reverse = (
        cost(board, "attention", attention(rows, order)).cycles
        for order in ("naive", "reversed")
    )
    blocks = rows // 8
    ratio = (blocks * rows) / (8 * sum(range(1, blocks + 1)))
    assert naive / reverse == pytest.approx(ratio, rel=1e-5)


def test_an_iteration_longer_by_a_tenth_makes_attention_longer_by_a_tenth(
    board: Target,
):
    value = 1.1 * float(_at(board, "unit.attention.head_iteration_cycles"))
    longer = load_target(NAME, {"unit.attention.head_iteration_cycles": value})
    before, after = (
        cost(target, "attention", attention(64, "reversed")).cycles
        for target in (board, longer)
    )
    assert after / before == pytest.approx(1.1, rel=1e-4)


def load(target: Target, size: int = 3 * REGION):
    """A matrix loaded into the weight buffer: the call, without what issuing takes."""
    far, near = f'memref<{size}xi8, "ddr">', f'memref<{size}xi8, "uram">'
    module = parse(
        f"func.func @f(%a: {far}, %b: {near}) {{ %e = tier.copy %a to %b : {far} to {near}\n"
        "accel.wait %e\nfunc.return }"
    )
    found = Simulator(module, target).call("f")
    return {key.what: ticks for key, ticks in found.composition.items()}


def test_weights_of_a_token_take_what_the_efficiency_leaves_of_the_peak(board: Target):
    ddr = board.tier["ddr"]
    assert ddr.efficiency is not None
    rate = 17.1e9 * ddr.efficiency.value / 250e6
    assert load(board)["transfer"] == ceil(3 * REGION / rate)


def test_a_tenth_more_efficiency_loads_faster_by_a_tenth(board: Target):
    ddr = board.tier["ddr"]
    assert ddr.efficiency is not None
    better = {"tier.ddr.efficiency": 1.1 * ddr.efficiency.value}
    before, after = load(board)["transfer"], load(load_target(NAME, better))["transfer"]
    assert before / after == pytest.approx(1.1, rel=1e-4)


def test_under_the_ports_reading_the_weights_take_their_own_ports(board: Target):
    ddr = board.tier["ddr"]
    assert ddr.port_efficiency is not None
    target = load_target(NAME, {"tier.ddr.efficiency_applies": "port"})
    rate = 96 * ddr.port_efficiency.value
    assert load(target)["transfer"] == ceil(3 * REGION / rate)


PRODUCT = body_of(
    "%q: tensor<1x1536xi8>, %w: tensor<1536x1536x!ternary.trit>",
    "%y = ternary.matmul %q, %w : (tensor<1x1536xi8>, tensor<1536x1536x!ternary.trit>)"
    " -> tensor<1x1536xi32>",
)


def test_one_cycle_a_step_halves_the_lookups_and_nothing_else(board: Target):
    one = load_target(NAME, {"unit.tlmm.step_cycles": 1})
    before, after = (terms(cost(t, "tlmm", PRODUCT)) for t in (board, one))
    assert before["lookup"] == 2 * after["lookup"] == 2 * 19 * 96
    assert before["read inputs"] == after["read inputs"] == 19 * 84


def test_twice_the_clock_halves_the_lookups_and_leaves_the_memory(board: Target):
    fast = load_target(NAME, {"clock_mhz": 500})
    seconds = [
        (
            load(target)["transfer"] / target.ticks_per_second,
            cost(target, "tlmm", PRODUCT).cycles / target.ticks_per_second,
        )
        for target in (board, fast)
    ]
    (ddr, tlmm), (same_ddr, half_tlmm) = seconds
    assert float(same_ddr) == pytest.approx(float(ddr), rel=1e-5)
    assert half_tlmm == tlmm / 2


def test_the_weight_buffer_holds_one_matrix_and_not_two(board: Target):
    capacity = board.tier["uram"].capacity_bytes
    assert 3 * REGION <= capacity < 4 * REGION
    assert board.unit["tlmm"].weight_slots.value == 1


def test_a_decode_attention_step_streams_keys_at_the_beats_rate(board: Target):
    kind, cache = "tensor<1x16x1x96xf16>", "tensor<1x16x1024x96xf16>"
    ops = body_of(
        f"%q: {kind}, %k: {cache}, %v: {cache}, %p: index",
        f"%y = attention.sdpa %q, %k, %v at %p {{causal}} : {kind}, {cache}, {cache} -> {kind}",
    )
    found = terms(cost(board, "attention", ops, 255, ("bram", "ddr", "ddr", None)))
    # 96 beats of 32 bytes are a position of 3,072 bytes: as fast as the port, and as the channel
    assert found["K pass"] == found["V pass"] == 256 * 96
    assert "port.kcache" not in found
    waits = found.get("tier.ddr", 0)
    ddr = board.tier["ddr"]
    assert ddr.efficiency is not None
    slower = 3072 / (17.1e9 * ddr.efficiency.value / 250e6) - 96
    assert waits == pytest.approx(max(0, 2 * 256 * slower), abs=2)
