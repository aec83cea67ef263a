"""Tests of the attention engine: iterations of a prefill, passes of a decode step, streams of keys."""

from fractions import Fraction
from math import ceil

import pytest
from machine_testing import body_of, cost, terms

from dfc.runtime.errors import ExecutionError
from dfc.runtime.machine import load_target
from dfc.runtime.machine.cost import Cost

NEAR: tuple[str | None, ...] = ("bram", "bram", "bram", None)
FAR: tuple[str | None, ...] = ("bram", "ddr", "ddr", None)


def attention(
    rows: int,
    capacity: int,
    schedule: str = "reversed",
    heads: int = 16,
    groups: int = 16,
    window: int | None = None,
):
    """One attention op over a cache, heads of 96."""
    q, kv = f"tensor<1x{heads}x{rows}x96xf16>", f"tensor<1x{groups}x{capacity}x96xf16>"
    extra = "" if window is None else f", window = {window} : i64"
    return body_of(
        f"%q: {q}, %k: {kv}, %v: {kv}, %p: index",
        f"%y = attention.sdpa %q, %k, %v at %p {{causal, schedule ="
        f" #attention.schedule<{schedule}, rows = 8>{extra}}} : {q}, {kv}, {kv} -> {q}",
    )


@pytest.fixture
def target():
    """The board with round numbers where the paper has none."""
    return load_target(
        "tellme-kv260",
        {
            "unit.attention.head_iteration_cycles": 100,
            "unit.attention.key_fill_cycles": 50,
            "unit.attention.value_fill_cycles": 40,
        },
    )


def streamed(found: Cost) -> dict[int, int]:
    """The bytes of each operand that is read in place."""
    return {moved.operand: moved.size for moved in found.streamed}


@pytest.mark.parametrize("n", [32, 64, 128])
def test_naive_visits_every_key_for_every_block(target, n: int):
    found = cost(target, "attention", attention(n, n, "naive"), tiers=NEAR)
    assert found.cycles == (n // 8) * n * 16 * 100


@pytest.mark.parametrize("n", [32, 64, 128])
def test_reversed_skips_what_is_masked(target, n: int):
    found = cost(target, "attention", attention(n, n), tiers=NEAR)
    blocks = 8 * sum(range(1, n // 8 + 1))
    assert found.cycles == blocks * 16 * 100


def test_a_block_alone_follows_its_position(target):
    blocks = [
        cost(target, "attention", attention(8, 128), 8 * i, NEAR).cycles
        for i in range(16)
    ]
    assert sum(blocks) == cost(target, "attention", attention(128, 128), 0, NEAR).cycles


def test_decode_is_two_passes_over_the_valid_keys(target):
    found = cost(target, "attention", attention(1, 1024), 63, NEAR)
    # 64 keys: 16 heads x 6 beats, 16 updates, 50 of fill; then 16 exponentials, 96 beats, 40
    assert terms(found) == {
        "K pass": 64 * 96,
        "K pass softmax": 64 * 16,
        "K pass fill": 64 * 50,
        "V pass": 64 * 96,
        "V pass softmax": 64 * 16,
        "V pass fill": 64 * 40,
    }


def test_keys_and_values_are_read_in_place(target):
    found = cost(target, "attention", attention(1, 1024), 63, FAR)
    assert streamed(found) == {1: 64 * 16 * 96 * 2, 2: 64 * 16 * 96 * 2}
    assert set(found.holds) == {"port.kcache", "port.vcache", "tier.ddr"}


def test_a_slow_port_is_waited_for_in_its_own_pass():
    target = load_target(
        "tellme-kv260",
        {
            "port.kcache.bytes_per_cycle": 16,
            "tier.ddr.efficiency": 1,
            "tier.ddr.port_efficiency": 1,
        },
    )
    found = terms(cost(target, "attention", attention(1, 1024), 63, FAR))
    # 196,608 bytes at 16 a cycle are 12,288 cycles, of which 6,144 hide behind the beats
    assert found["port.kcache"] == 12288 - 64 * 96
    assert found["V pass"] == 64 * 96
    assert "port.vcache" not in found


def test_both_readings_of_the_efficiency():
    ops = attention(1, 1024)
    size, beats = 64 * 16 * 96 * 2, 64 * 96
    whole = load_target(
        "tellme-kv260",
        {"tier.ddr.efficiency_applies": "controller", "tier.ddr.efficiency": 0.25},
    )
    # 17.1 GB/s x 0.25 at 250 MHz are 17.1 bytes a cycle
    channel = terms(cost(whole, "attention", ops, 63, FAR))
    assert channel["tier.ddr"] == 2 * (ceil(size / Fraction("17.1")) - beats)
    each = load_target(
        "tellme-kv260",
        {"tier.ddr.efficiency_applies": "port", "tier.ddr.port_efficiency": 0.25},
    )
    # each port at 32 x 0.25 = 8 bytes a cycle
    port = terms(cost(each, "attention", ops, 63, FAR))
    assert port["port.kcache"] == port["port.vcache"] == size // 8 - beats


def test_prefill_reads_the_keys_again_for_every_block(target):
    found = cost(target, "attention", attention(64, 64), 0, FAR)
    assert streamed(found)[1] == 8 * sum(range(1, 9)) * 16 * 96 * 2


def test_grouped_heads_stream_their_keys_once(target):
    ops = attention(1, 1024, heads=16, groups=4)
    assert streamed(cost(target, "attention", ops, 63, FAR))[1] == 64 * 4 * 96 * 2


def test_a_window_bounds_the_keys(target):
    ops = attention(1, 1024, window=32)
    assert terms(cost(target, "attention", ops, 500, NEAR))["K pass"] == 32 * 96


def test_a_tier_it_does_not_reach_is_an_error(target):
    with pytest.raises(ExecutionError, match="unit `attention` reaches bram, ddr"):
        cost(target, "attention", attention(1, 64), 3, ("bram", "uram", "ddr", None))


def test_a_dtype_it_does_not_have_is_not_supported(target):
    kv = "tensor<1x2x16x8xf32>"
    ops = body_of(
        f"%q: {kv}, %k: {kv}, %v: {kv}",
        f"%y = attention.sdpa %q, %k, %v {{causal}} : {kv}, {kv}, {kv} -> {kv}",
    )
    assert not target.unit["attention"].supports(ops[0])
