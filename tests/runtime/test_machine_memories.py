"""Tests of memories: access patterns, rows and banks, clocks of their own, and energy per byte."""

from importlib import resources

import pytest
from machine_testing import body_of, cost, parse, terms

from dfc.runtime.errors import TargetError
from dfc.runtime.machine import Target, lanes_of, load_target, parse_target
from dfc.runtime.simulator import Simulator

STILL = {
    "control.launch_cycles": 0,
    "control.copy_cycles": 0,
    "tier.ddr.latency_ns": 0,
    # 16 bytes a tick
    "tier.ddr.gb_per_s": 8,
    "tier.ddr.efficiency": 1,
}


TEXT = (resources.files("dfc.runtime.targets") / "tiny-npu.toml").read_text()
CLOCKS = "[clock.half]\nmhz = 250\n[clock.odd]\nmhz = 333.3333\n"


def machine(**changes: object) -> Target:
    """The small machine without issue costs and latency, two more clocks, and these changes."""
    return parse_target(TEXT + CLOCKS, "tiny-npu.toml", {**STILL, **changes})


def copied(source: str, goal: str, target: Target) -> int:
    """Ticks of one copy from DDR to SRAM."""
    a, b = f'memref<{source}, "ddr">', f'memref<{goal}, "sram">'
    module = parse(
        f"func.func @f(%a: {a}, %b: {b}) {{ %e = tier.copy %a to %b : {a} to {b}\n"
        "accel.wait %e\nfunc.return }"
    )
    return Simulator(module, target).call("f").cycles


WHOLE = ("1024x64xi8", "1024x64xi8")
ROWS = ("1024x64xi8, strided<[256, 1]>", "1024x64xi8")


def test_strided_accesses_reach_their_own_part_of_the_rate():
    target = machine(**{"tier.ddr.pattern_efficiency.strided": 0.25})
    assert copied(*WHOLE, target) == 65536 // 16
    assert copied(*ROWS, target) == 65536 // 16 * 4


def test_without_patterns_runs_cost_their_bursts_only():
    assert copied(*ROWS, machine()) == 65536 // 16


def test_short_runs_wait_for_their_rows():
    rows = {"tier.ddr.row_bytes": 1024, "tier.ddr.row_cycle_ns": 48}
    # 1,024 runs open a row each: 48 ns are 24 ticks, four rows at once
    target = machine(**rows, **{"tier.ddr.banks": 4})
    assert copied(*ROWS, target) == 1024 * 24 // 4
    # one run of 64 KiB opens 64 rows, less than its transfer
    assert copied(*WHOLE, target) == 65536 // 16


def test_more_banks_never_take_longer_and_end_at_the_rate():
    rows = {"tier.ddr.row_bytes": 1024, "tier.ddr.row_cycle_ns": 48}
    ticks = [
        copied(*ROWS, machine(**rows, **{"tier.ddr.banks": banks}))
        for banks in (1, 2, 4, 8, 16)
    ]
    assert ticks == [24576, 12288, 6144, 4096, 4096]


def test_runs_that_fill_a_row_are_sequential():
    target = machine(
        **{
            "tier.ddr.pattern_efficiency.strided": 0.25,
            "tier.ddr.row_bytes": 64,
            "tier.ddr.row_cycle_ns": 1,
        }
    )
    assert copied(*ROWS, target) == 65536 // 16


def test_a_row_needs_its_time():
    with pytest.raises(TargetError, match="together, got `row_bytes` alone"):
        machine(**{"tier.ddr.row_bytes": 64})


def test_a_gather_is_random():
    take = """
%y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
  ins(%at : tensor<4xi64>) outs(%out : tensor<4x256xf32>) {
^bb0(%p: i64, %o: f32):
  %i = arith.index_cast %p : i64 to index
  %j = linalg.index 1 : index
  %e = tensor.extract %table[%i, %j] : tensor<1000x256xf32>
  linalg.yield %e : f32
} -> tensor<4x256xf32>"""
    args = "%table: tensor<1000x256xf32>, %at: tensor<4xi64>, %out: tensor<4x256xf32>"
    host = {"unit.host.roofline": True, "unit.host.overhead_ns": 0}
    slow = machine(**host, **{"tier.ddr.pattern_efficiency.random": 0.1})
    found = [
        cost(target, "host", body_of(args, take), tiers=("ddr", "ddr", "ddr")).cycles
        for target in (machine(**host), slow)
    ]
    # 4 rows of 1,024 bytes at 1.6 bytes a tick, and 4 indices of 8 bytes at 16
    assert found[0] < found[1] == 4 * 1024 * 10 // 16 + 2


def test_a_port_counts_cycles_of_its_clock():
    target = machine(**{"port.ddr_read.clock": "half"})
    port, _ = lanes_of(target, "ddr", "read", ("array",))
    # 64 bytes every second tick
    assert port.bytes_per_tick == 32


def test_a_memory_counts_cycles_of_its_clock():
    target = machine(**{"tier.sram.clock": "half"})
    (lane,) = lanes_of(target, "sram", "read", ("ddr",))
    assert lane.bytes_per_tick == 128


MATMUL = """
%y = ternary.matmul %q, %w : (tensor<64x128xi8>, tensor<96x128x!ternary.trit>) -> tensor<64x96xi32>
"""
ARGS = "%q: tensor<64x128xi8>, %w: tensor<96x128x!ternary.trit>"


def test_a_unit_counts_cycles_of_its_clock():
    steps = 2 * 3 * (128 + 62) - 1
    target = machine(**{"unit.array.clock": "half"})
    assert cost(target, "array", body_of(ARGS, MATMUL)).cycles == 2 * steps
    # 1.5 ticks a step, rounded up once
    target = machine(**{"unit.array.clock": "odd"})
    ticks = cost(target, "array", body_of(ARGS, MATMUL)).cycles
    assert ticks == -(-steps * 5_000_000 // 3_333_333)


def test_a_clock_that_is_not_there():
    with pytest.raises(TargetError, match=r"`unit.array.clock` names `haf`, .* `half`"):
        machine(**{"unit.array.clock": "haf"})


def test_streamed_keys_wait_for_the_memory_in_ticks_whatever_the_units_clock():
    kind = "tensor<1x4x1x64xf16>"
    cache = "tensor<1x4x1024x64xf16>"
    args = f"%q: {kind}, %k: {cache}, %v: {cache}"
    op = f"%y = attention.sdpa %q, %k, %v : {kind}, {cache}, {cache} -> {kind}"
    found: list[float] = []
    for clock in ({}, {"unit.attention.clock": "half"}):
        # 1 byte a tick: the memory sets the time, 512 KiB of keys
        slow = machine(**clock, **{"tier.ddr.gb_per_s": 0.5})
        ops = body_of(args, op)
        parts = terms(cost(slow, "attention", ops, tiers=(None, "ddr", "ddr")))
        found.append(parts["K pass"] + parts["tier.ddr"] // 2)
    assert found == [pytest.approx(2**19, abs=2)] * 2


def test_bytes_cost_what_a_memory_of_their_kind_costs():
    target = load_target("stream-abstract", {"tier.memory.memory": "hbm"})
    assert target.pj_per_byte("memory") == 31
    assert load_target("stream-abstract").pj_per_byte("memory") == 163
    small = {"tier.memory.memory": "sram", "tier.memory.banks": 2**30 // 32}
    # 1 TiB in banks of 32 KiB
    assert load_target("stream-abstract", small).pj_per_byte("memory") == 2.5
    assert load_target("tiny-npu").pj_per_byte("sram") == 12.5
