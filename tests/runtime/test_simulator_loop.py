"""Tests of the simulator on the double-buffered loop: what overlaps, what waits, and for what."""

from collections import Counter
from math import ceil

import pytest
from machine_testing import parse

from dfc.runtime.machine import parse_target
from dfc.runtime.simulator import Simulator

TARGET = """
name = "toy"
description = "an array, two memories, a link"
source = "made up"
clock_mhz = 1000
host_tier = "ddr"
control = { launch_cycles = ISSUE, copy_cycles = ISSUE }

[unit.tlmm]
kind = "tlmm"
data_tier = "bram"
weight_tier = "uram"
group = 3
tables = 28
outputs_per_step = 16
step_cycles = 1
build_cycles = BUILD
epilogue_lanes = { f32 = 16 }

[tier.bram]
capacity_kib = 64

[tier.uram]
capacity_kib = 256

[tier.ddr]
capacity_mib = 16
gb_per_s = 16
latency_ns = LATENCY
burst_bytes = 64

[port.weights]
tier = "ddr"
direction = "read"
bytes_per_cycle = WIDTH
"""


def toy(issue: int = 0, build: int = 0, latency: int = 0, width: float = 16):
    """The toy machine with these numbers; its link moves 16 bytes a tick."""
    values = {"ISSUE": issue, "BUILD": build, "LATENCY": latency, "WIDTH": width}
    text = TARGET
    for name, value in values.items():
        text = text.replace(name, str(value))
    return parse_target(text, "toy.toml")


DEPTH_TWO = """
func.func @f(%w: memref<64x1792xi8, "ddr">, %q: memref<1x84xi8, "bram">, %y: memref<64x64xi32, "bram">) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %n = arith.constant TRIPS : index
  %start = accel.start
  %slots = tier.alloc offset 0 : memref<2x1792xi8, "uram">
  %e0, %e1 = scf.for %i = %c0 to %n step %c1 iter_args(%old = %start, %last = %start) -> (!accel.event, !accel.event) {
    %s = arith.remui %i, %c2 : index
    %from = memref.subview %w[%i, 0] [1, 1792] [1, 1] : memref<64x1792xi8, "ddr"> to memref<1792xi8, strided<[1], offset: ?>, "ddr">
    %slot = memref.subview %slots[%s, 0] [1, 1792] [1, 1] : memref<2x1792xi8, "uram"> to memref<1792xi8, strided<[1], offset: ?>, "uram">
    %yi = memref.subview %y[%i, 0] [1, 64] [1, 1] : memref<64x64xi32, "bram"> to memref<1x64xi32, strided<[64, 1], offset: ?>, "bram">
    %there = tier.copy %from to %slot after(%old) : memref<1792xi8, strided<[1], offset: ?>, "ddr"> to memref<1792xi8, strided<[1], offset: ?>, "uram">
    %ran = accel.launch on "tlmm" after(%there) ins(%q, %slot : memref<1x84xi8, "bram">, memref<1792xi8, strided<[1], offset: ?>, "uram">) outs(%yi : memref<1x64xi32, strided<[64, 1], offset: ?>, "bram">) {
    ^bb0(%qv: tensor<1x84xi8>, %b: tensor<1792xi8>, %y0: tensor<1x64xi32>):
      %t = ternary.unpack %b {packing = #ternary.packing<trits3in5, order = beats, block = 84, beat = 28>} : tensor<1792xi8> -> tensor<64x84x!ternary.trit>
      %r = ternary.matmul %qv, %t : (tensor<1x84xi8>, tensor<64x84x!ternary.trit>) -> tensor<1x64xi32>
      accel.yield %r : tensor<1x64xi32>
    }
    scf.yield SLOTS : !accel.event, !accel.event
  }
  accel.wait %e0, %e1
  func.return
}
"""
COPY = 1792 // 16
"""Ticks of a copy: 1,792 bytes at 16 a tick."""


def program(trips: int, slots: int = 2):
    """A loop of copies and launches with one or two slots."""
    order = "%last, %ran" if slots == 2 else "%ran, %ran"
    return parse(DEPTH_TWO.replace("TRIPS", str(trips)).replace("SLOTS", order))


def run(module, target):
    """The call by maps, after checking it against the call op by op."""
    simulator = Simulator(module, target)
    found, timeline = simulator.call("f"), simulator.record("f")
    assert found.cycles == timeline.cycles
    assert sum(found.composition.values()) == found.cycles
    assert sum(timeline.composition().values()) == timeline.cycles
    assert found.counters == pytest.approx(timeline.counters, rel=1e-12)
    return found, timeline


def test_compute_bound_with_two_slots():
    # a launch is 84 reads, 110 to build, 4 lookups: 198, longer than the copy's 112
    found, _ = run(program(10), toy(build=110))
    assert found.cycles == COPY + 10 * 198


def test_copy_bound_with_two_slots():
    # a launch of 84 + 4 ticks hides behind the next copy
    found, _ = run(program(10), toy())
    assert found.cycles == 10 * COPY + 88


def test_one_slot_overlaps_nothing():
    found, _ = run(program(10, slots=1), toy())
    assert found.cycles == 10 * (COPY + 88)


def test_latency_is_hidden_by_the_second_slot():
    # back to back, copies take turns every 112 ticks, and each arrives 20 later
    found, _ = run(program(10), toy(latency=20))
    assert found.cycles == 10 * COPY + 20 + 88
    # with one slot every round pays it
    found, _ = run(program(10, slots=1), toy(latency=20))
    assert found.cycles == 10 * (COPY + 20 + 88)


def test_two_slots_hide_no_more_than_two_copies():
    # a slot is free again after 112 + 50 + 88 = 250 ticks, more than two copies take:
    # five rounds of both slots, and the second slot is one copy behind
    found, _ = run(program(10), toy(latency=50))
    assert found.cycles == 5 * 250 + COPY


def test_the_slowest_lane_sets_the_copy():
    # a port of 8 bytes a tick is slower than the link of 16
    found, _ = run(program(10), toy(width=8))
    assert found.cycles == 10 * (1792 // 8) + 88


def test_a_time_is_rounded_up_once():
    found, _ = run(program(1), toy(width=15.9))
    assert found.cycles == ceil(1792 / 15.9) + 88


def test_the_control_processor_issues_one_op_at_a_time():
    # two issues a round, 200 each: slower than copy and launch, and the last launch follows its issue
    found, _ = run(program(10), toy(issue=200))
    assert found.cycles == 20 * 200 + 88


def test_many_rounds_cost_no_more_than_few():
    module, target = program(60), toy(build=110)
    found, timeline = run(module, target)
    assert found.cycles == COPY + 60 * 198
    assert len(timeline.records) == 2 * 60


def test_what_the_time_is_made_of():
    found, _ = run(program(10), toy(build=110))
    by_what: Counter[tuple[str, str]] = Counter()
    for category, ticks in found.composition.items():
        by_what[category.resource, category.what] += ticks
    assert by_what == {
        ("port.weights", "transfer"): COPY,
        ("unit.tlmm", "read inputs"): 840,
        ("unit.tlmm", "build tables"): 1100,
        ("unit.tlmm", "lookup"): 40,
    }


def test_quantities():
    found, _ = run(program(10), toy(build=110))
    table = {(key.quantity, key.where): value for key, value in found.counters.items()}
    assert table["busy", "unit.tlmm"] == 10 * 198
    assert table["busy", "tier.ddr"] == table["busy", "port.weights"] == 10 * COPY
    assert table["read", "ddr"] == 10 * 1792
    assert table["written", "uram"] == 10 * 1792
    # the launches read what was copied, and the same inputs every time
    assert table["read", "uram"] == 10 * 1792
    assert table["read", "bram"] == 10 * 84
    assert table["written", "bram"] == 10 * 64 * 4
    assert table["launches", "tlmm"] == 10


def test_records_name_what_they_waited_for():
    _, timeline = run(program(3), toy(build=110))
    copies = [record for record in timeline.records if record.name.startswith("copy")]
    launches = [r for r in timeline.records if r.name.startswith("launch")]
    # the third copy waits for the first launch, since it takes the first slot again
    assert copies[2].start == launches[0].end == COPY + 198
    assert copies[2].waited_for == timeline.records.index(launches[0])


def test_the_critical_path_is_contiguous():
    _, timeline = run(program(7), toy(build=30, latency=17, issue=5))
    at = 0
    for record, spent in timeline.critical_path():
        assert record.start == at
        at += sum(ticks for _, ticks in spent)
    assert at == timeline.cycles


@pytest.mark.parametrize("trips", [0, 1, 2, 3, 17, 64])
@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("numbers", [(0, 0, 0), (3, 110, 0), (90, 25, 40), (7, 24, 1)])
def test_maps_equal_the_op_by_op_run(
    trips: int, slots: int, numbers: tuple[int, int, int]
):
    issue, build, latency = numbers
    run(program(trips, slots), toy(issue, build, latency))
