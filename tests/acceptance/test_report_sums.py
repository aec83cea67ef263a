"""What always holds of a report, on every target and for small models: bounds of the time, and sums."""

from collections import Counter
from functools import cache
from itertools import product
from math import fsum

import numpy as np
import pytest
from xdsl.dialects.builtin import IndexType

from dfc.api import load
from dfc.dialects.socket import sockets_of
from dfc.model_work import work_in
from dfc.program import Program
from dfc.runtime.machine import list_targets
from dfc.runtime.machine.units.fixed_rate import FixedRate
from dfc.runtime.report import Report
from dfc.runtime.report.roofline import points
from dfc.runtime.simulator import Simulator
from dfc.workload import plan

MODELS = ("bitnet-tiny", "llama-tiny")
QUICK = {
    ("tiny-npu", "bitnet-tiny"),
    ("tellme-kv260", "bitnet-tiny"),
    ("h100", "llama-tiny"),
    ("stream-abstract", "llama-tiny"),
}
"""A program of every form: tiles, weights that take turns, whole matrices, and graphs."""
RUNS = [
    pytest.param(
        run, marks=[] if run in QUICK else [pytest.mark.slow], id="-".join(run)
    )
    for run in product(list_targets(), MODELS)
]


@cache
def run(target: str, model: str) -> tuple[Program, Report]:
    """Six tokens in, three out."""
    program = load(f"zoo:{model}", target, plan(prefill=6, decode=3))
    return program, program.simulate()


@pytest.fixture(params=RUNS)
def ran(request: pytest.FixtureRequest) -> tuple[Program, Report]:
    """A model's program for a target, and its report."""
    return run(*request.param)


@pytest.fixture
def report(ran: tuple[Program, Report]) -> Report:
    """The report alone."""
    return ran[1]


def test_the_busiest_resource_bounds_the_time_from_below(report: Report):
    busy = [row.busy_cycles for row in (*report.units, *report.links)]
    assert 0 < max(busy) <= report.cycles


def test_the_time_is_at_most_the_sum_of_all_op_times(ran: tuple[Program, Report]):
    program, report = ran
    simulator = Simulator(program.module("program"))
    total = 0
    for entry, positions in (("prefill", [0]), ("decode", [6, 7, 8])):
        arguments = simulator.planner.functions[entry].body.block.args
        for position in positions:
            controls = {
                arg.index: position
                for arg in arguments
                if isinstance(arg.type, IndexType)
            }
            records = simulator.record(entry, controls).records
            total += sum(record.end - record.start for record in records)
    assert report.cycles <= total


def test_at_least_the_weights_and_the_cache_are_moved(ran: tuple[Program, Report]):
    program, report = ran
    module = program.module("tensor")
    works = [work_in(module, "prefill", 0, program.target)]
    works += [work_in(module, "decode", at, program.target) for at in (6, 7, 8)]
    moved = sum(row.read_bytes + row.written_bytes for row in report.tiers)
    # a report is one socket's, and all of them move as much
    sockets = sockets_of(program.module("program"))
    assert sockets * moved >= sum(work.compulsory_bytes for work in works)


def test_the_time_ends_with_the_last_event(report: Report):
    spans = report.recording.spans
    assert max(span.done for span in spans) == report.cycles
    assert report.recording.calls[-1].end == report.cycles


def test_cycles_are_the_sums_of_their_parts(report: Report):
    assert sum(report.parts.values()) == report.cycles
    assert sum(row.cycles for row in report.kernels) == report.cycles
    for row in report.kernels:
        assert sum(row.parts.values()) == row.cycles
        assert sum(row.stalls.values()) <= row.cycles


def test_busy_cycles_are_the_sums_over_kernels_and_over_the_trace(report: Report):
    kernels, spans = Counter[str](), Counter[str]()
    for row in report.kernels:
        kernels.update(row.busy_cycles)
    for span in report.recording.spans:
        spans[span.resource] += span.busy
    for row in report.units:
        assert kernels[f"unit.{row.name}"] == spans[f"unit.{row.name}"]
        assert kernels[f"unit.{row.name}"] == row.busy_cycles
    for row in report.links:
        assert kernels[row.name] == spans[row.name] == row.busy_cycles


def test_bytes_are_the_sums_over_kernels_and_over_the_trace(report: Report):
    for row in report.tiers:
        kernels = [k.tiers[row.name] for k in report.kernels if row.name in k.tiers]
        assert sum(traffic.read_bytes for traffic in kernels) == row.read_bytes
        assert sum(traffic.written_bytes for traffic in kernels) == row.written_bytes
        spans = report.recording.spans
        assert sum(span.read.get(row.name, 0) for span in spans) == row.read_bytes
        assert sum(span.written.get(row.name, 0) for span in spans) == row.written_bytes


def test_energy_is_the_sum_of_its_parts(report: Report):
    assert fsum(report.energy_parts_j.values()) == pytest.approx(report.energy_j)
    if "board" not in report.energy_parts_j:
        moving = fsum(row.energy_j for row in report.kernels)
        static = report.energy_parts_j.get("static", 0.0)
        assert moving + static == pytest.approx(report.energy_j)


def test_power_over_the_time_is_the_energy(report: Report):
    ticks = [at for at, _ in report.recording.power]
    lengths = np.diff([*ticks, report.cycles])
    watts = [value for _, value in report.recording.power]
    seconds = report.latency_s / report.cycles
    assert fsum(lengths * watts) * seconds == pytest.approx(report.energy_j)


def test_steps_add_up_with_the_prompt(report: Report):
    steps = sum(step.cycles for step in report.steps)
    tick = report.latency_s / report.cycles
    assert steps * tick + report.ttft_s == pytest.approx(report.latency_s)


def test_memory_holds_what_stands_in_it(report: Report):
    for row in report.tiers:
        sizes = [size for _, size in report.recording.occupancy.get(row.name, ())]
        assert max(sizes, default=0) <= row.peak_bytes <= row.capacity_bytes


def test_no_kernel_stands_above_the_roofs(ran: tuple[Program, Report]):
    program, report = ran
    units = {row.name: row.peak_operations_per_s for row in report.units}
    rates = {row.name: row.bytes_per_s for row in report.tiers}
    for point in points(report):
        names = point.unit.split(", ")
        peaks = [units[name] for name in names]
        if None not in peaks:
            assert point.operations_per_s <= 1.0001 * max(peaks)
        if not any(has_its_own_rate(program, name) for name in names):
            for tier, intensity in point.operations_per_byte.items():
                if rates[tier]:
                    assert point.operations_per_s <= 1.0001 * intensity * rates[tier]


def has_its_own_rate(program: Program, name: str) -> bool:
    """Whether a unit's rate holds whatever its operands' bytes: such kernels may outrun a memory."""
    unit = program.target.unit[name]
    return isinstance(unit, FixedRate) and not unit.roofline
