"""
Memory from starved to plenty: time goes from bytes over bandwidth to the compute bound, never below either.

A ternary layer, lowered once; then only the bandwidth changes. Ports are made wide, issues free and latencies none, so
that memory and unit are all there is.
"""

from functools import cache

import pytest

import dfc
from dfc.runtime.machine import load_target
from dfc.runtime.report import Report
from dfc.runtime.simulator import simulate_function

TEXT = """
func.func @main(%x: tensor<128x768xf16>, %w: tensor<768x768x!ternary.trit> {dfc.weight = "w"}, %s: tensor<f32>) -> tensor<128x768xf16> {
  %y = ternary.linear %x, %w scale %s : (tensor<128x768xf16>, tensor<768x768x!ternary.trit>, tensor<f32>) -> tensor<128x768xf16>
  func.return %y : tensor<128x768xf16>
}
"""
MACHINES = {
    "tiny-npu": ("ddr", "array"),
    "systolic-64x64": ("ddr", "array"),
    "tellme-kv260": ("ddr", "tlmm"),
    "intar-u280": ("hbm", "kernel"),
    "a100": ("hbm", "sm"),
    "sg2042": ("ddr", "cores"),
}
SWEEP = tuple(10.0**power for power in range(-4, 9))
"""GB/s."""

pytestmark = pytest.mark.parametrize("name", MACHINES)


@cache
def program(name: str) -> dfc.Program:
    """The layer on a machine."""
    return dfc.compile(TEXT, target=name)


@cache
def sweep(name: str) -> tuple[Report, ...]:
    """A report for each bandwidth of the memory."""
    module, target = program(name).module("program"), load_target(name)
    free = {f"control.{op}_cycles": 0 for op in ("launch", "copy")}
    wide = {f"port.{port}.bytes_per_cycle": 1e9 for port in target.port}
    late = {f"tier.{MACHINES[name][0]}.latency_ns": 0}
    key = f"tier.{MACHINES[name][0]}.gb_per_s"
    machines = [
        load_target(name, {**free, **wide, **late, key: rate}) for rate in SWEEP
    ]
    return tuple(simulate_function(module, target=target) for target in machines)


def bytes_over_bandwidth(name: str, report: Report) -> float:
    """Seconds that the memory needs for what was moved, at the rate that it reaches."""
    row = next(row for row in report.tiers if row.name == MACHINES[name][0])
    assert row.bytes_per_s is not None
    return (row.read_bytes + row.written_bytes) / row.bytes_per_s


def computing(name: str) -> int:
    """Cycles that the unit is taken where memory costs next to nothing."""
    plenty = sweep(name)[-1]
    return next(
        row for row in plenty.units if row.name == MACHINES[name][1]
    ).busy_cycles


def test_time_is_never_below_bytes_over_bandwidth_nor_below_computing(name: str):
    for report in sweep(name):
        assert report.latency_s >= bytes_over_bandwidth(name, report) * (1 - 1e-12)
        # in place, a launch is rounded up with what it reads
        assert report.cycles >= computing(name)


def test_more_bandwidth_takes_no_more_time(name: str):
    taken = [report.cycles for report in sweep(name)]
    assert taken == sorted(taken, reverse=True)
    assert taken[0] > 100 * taken[-1]


def test_starved_it_is_bytes_over_bandwidth_and_the_report_names_the_memory(name: str):
    report, memory = sweep(name)[0], f"tier.{MACHINES[name][0]}"
    wanted = bytes_over_bandwidth(name, report)
    assert report.latency_s == pytest.approx(wanted, rel=0.01)
    assert report.bound_by == memory
    assert share(report, memory) > 0.99
    stalls = sum(row.stalls.get(memory, 0) for row in report.kernels)
    assert stalls > 0.99 * report.cycles


def test_in_plenty_it_is_the_compute_bound_and_the_report_names_the_unit(name: str):
    before, report = sweep(name)[-2:]
    unit = f"unit.{MACHINES[name][1]}"
    # ten times the bandwidth changes nothing any more but ticks that were rounded up
    assert report.cycles == pytest.approx(before.cycles, rel=0.001)
    assert report.bound_by == unit
    assert report.bound_cycles == computing(name)
    assert share(report, f"tier.{MACHINES[name][0]}") < 0.01
    units = sum(share(report, f"unit.{row.name}") for row in report.units)
    assert units > 0.95
    assert share(report, unit) > 0.5


def share(report: Report, resource: str) -> float:
    """The part of the time that a resource set, without latencies."""
    found = sum(
        ticks
        for part, ticks in report.parts.items()
        if part.startswith(f"{resource}: ") and not part.endswith("latency")
    )
    return found / report.cycles
