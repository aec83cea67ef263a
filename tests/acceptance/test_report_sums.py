"""What always holds of a report, on every target and for small models: bounds of the time, and sums."""

from collections import Counter
from functools import cache
from math import fsum

import pytest

from dfc import simulate
from dfc.runtime.machine import list_targets
from dfc.runtime.report import Report

MODELS = ("bitnet-tiny", "llama-tiny")
RUNS = [(target, model) for target in list_targets() for model in MODELS]


@cache
def run(target: str, model: str) -> Report:
    """Six tokens in, three out."""
    return simulate(f"zoo:{model}", target, prefill=6, decode=3)


@pytest.fixture(params=RUNS, ids="-".join)
def report(request: pytest.FixtureRequest) -> Report:
    """The report of a model on a target."""
    return run(*request.param)


def test_the_busiest_resource_bounds_the_time_from_below(report: Report):
    busy = [row.busy_cycles for row in (*report.units, *report.links)]
    assert 0 < max(busy) <= report.cycles


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


def test_steps_add_up_with_the_prompt(report: Report):
    steps = sum(step.cycles for step in report.steps)
    tick = report.latency_s / report.cycles
    assert steps * tick + report.ttft_s == pytest.approx(report.latency_s)


def test_memory_holds_what_stands_in_it(report: Report):
    for row in report.tiers:
        sizes = [size for _, size in report.recording.occupancy.get(row.name, ())]
        assert max(sizes, default=0) <= row.peak_bytes <= row.capacity_bytes
