"""Recordings: exact times, and busy ticks and bytes that add up, however much of a run is told as one."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_testing import parse
from random_program_testing import Writer, machine, programs

from dfc.runtime.machine import load_target
from dfc.runtime.report.recording import Recording, Span
from dfc.runtime.simulator import Simulator
from dfc.runtime.simulator.lifetimes import Life, live_bytes, occupancy, thinned
from dfc.runtime.simulator.power_curve import power_curve
from dfc.runtime.simulator.recorded import Asked, record

FAR, NEAR = 'memref<64xf32, "ddr">', 'memref<64xf32, "sram">'
LOAD = f"""
func.func private @load(%from: {FAR}, %to: {NEAR}, %n: index) attributes {{accel.kernel = "load"}} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {{
    %e = tier.copy %from to %to : {FAR} to {NEAR}
    %f = accel.launch on "vector" after(%e) ins(%to : {NEAR}) outs(%to : {NEAR}) {{
    ^bb0(%a: tensor<64xf32>, %b: tensor<64xf32>):
      %c = arith.addf %a, %b : tensor<64xf32>
      accel.yield %c : tensor<64xf32>
    }}
    accel.wait %f
  }}
  func.return
}}
func.func private @keep(%from: {NEAR}, %to: {FAR}) attributes {{accel.kernel = "keep"}} {{
  %e = tier.copy %from to %to : {NEAR} to {FAR}
  accel.wait %e
  func.return
}}
"""
MAIN = f"""
func.func @main(%x: {FAR}, %n: index) {{
  %a = tier.alloc offset 0 : {NEAR}
  %b = tier.alloc offset 128 : {NEAR}
  func.call @load(%x, %a, %n) : ({FAR}, {NEAR}, index) -> ()
  func.call @load(%x, %b, %n) : ({FAR}, {NEAR}, index) -> ()
  func.call @keep(%b, %x) : ({NEAR}, {FAR}) -> ()
  func.return
}}
"""


def run(n: int, calls: int = 1) -> Recording:
    """`@main` several times, with n rounds in each load."""
    simulator = Simulator(parse(LOAD + MAIN), machine(20, 8, 3.2))
    asked = Asked("main", {1: n}, "main")
    return record(simulator, [asked] * calls)


def busy_of(spans: tuple[Span, ...]) -> dict[str, int]:
    """Busy ticks by resource."""
    found = Counter[str]()
    for span in spans:
        found[span.resource] += span.busy
    return {name: n for name, n in found.items() if n}


def bytes_of(spans: tuple[Span, ...]) -> dict[tuple[str, str], int]:
    """Bytes by what was done with them and tier."""
    found = Counter[tuple[str, str]]()
    for span in spans:
        for way, moved in (("read", span.read), ("written", span.written)):
            for tier, size in moved.items():
                found[way, tier] += size
    return dict(found)


def check_lanes(recording: Recording) -> None:
    """A resource does one thing at a time, for no longer than the span, and all within the run."""
    free = Counter[str]()
    for span in sorted(recording.spans, key=lambda span: (span.start, span.end)):
        assert free[span.resource] <= span.start
        assert span.busy <= span.end - span.start
        assert span.end <= span.done <= recording.cycles
        free[span.resource] = span.end


@settings(max_examples=40, deadline=None)
@given(st.lists(programs, max_size=6), st.integers(0, 9), st.data())
def test_any_program_is_recorded_with_its_times_and_quantities(
    items: list, n: int, data: st.DataObject
):
    module = parse(Writer(data).text(items))
    simulator = Simulator(module, machine(data.draw(st.integers(0, 40)), 8, 3.2))
    call = simulator.call("f", {3: n})
    timeline = simulator.record("f", {3: n})
    recording = record(simulator, [Asked("f", {3: n}, "f")])
    assert recording.cycles == call.cycles
    busy = {
        key.where: int(amount)
        for key, amount in call.counters.items()
        if key.quantity == "busy" and amount
    }
    assert busy_of(recording.spans) == busy
    assert bytes_of(recording.spans) == {
        (key.quantity, key.where): int(amount)
        for key, amount in call.counters.items()
        if key.quantity in ("read", "written")
    }
    check_lanes(recording)
    # the largest busy time of a resource <= total <= sum of all op times
    ops = sum(record.end - record.start for record in timeline.records)
    assert max(busy.values(), default=0) <= call.cycles <= ops
    # an event is the last, unless the control processor issues it for longer
    assert call.cycles == max((r.end for r in timeline.records), default=0)


def test_the_first_rounds_are_told_one_by_one_and_the_others_as_one():
    vector = [s for s in run(100).spans if s.resource == "unit.vector"]
    # three rounds alone, 97 together; the second call of the kernel as a whole
    assert [span.ops for span in vector] == [1, 1, 1, 2 * 97, 2 * 100]
    few = [s for s in run(2).spans if s.resource == "unit.vector"]
    assert [span.ops for span in few] == [1, 1, 2 * 2]


def test_a_span_of_many_rounds_begins_with_the_first_of_them():
    exact = Simulator(parse(LOAD + MAIN), machine(20, 8, 3.2)).record("main", {1: 10})
    launches = [r for r in exact.records if r.resource == "unit.vector"]
    spans = [s for s in run(10).spans if s.resource == "unit.vector"]
    assert (spans[3].start, spans[3].end) == (launches[3].start, launches[9].free)
    assert (spans[4].start, spans[4].end) == (launches[10].start, launches[19].free)


def test_a_launch_says_which_copy_it_waited_for():
    recording = run(3)
    first = next(s for s in recording.spans if s.resource == "unit.vector")
    (copy,) = (recording.spans[place] for place in first.waits_for)
    assert copy.name == "copy ddr to sram"
    assert copy.done <= first.start


def test_calls_follow_each_other_and_those_in_the_middle_are_one_span_a_resource():
    one, five = run(10), run(10, calls=5)
    assert five.cycles == 5 * one.cycles
    assert [c.recorded for c in five.calls] == [True, False, False, False, True]
    assert busy_of(five.spans) == {n: 5 * b for n, b in busy_of(one.spans).items()}
    middle = [
        s for s in five.spans if five.calls[1].start <= s.start < five.calls[1].end
    ]
    assert len(middle) == len(busy_of(one.spans))
    check_lanes(five)


def test_a_buffer_lives_from_its_first_use_to_its_last():
    recording = run(4)
    ends = [s.done for s in recording.spans if s.kernel == "load"]
    first, second, kept = (
        min(s.start for s in recording.spans if s.kernel == "load"),
        max(ends),
        recording.cycles,
    )
    points = recording.occupancy["sram"]
    # 256 bytes each, of which 128 overlap; one after the other, never both
    assert [size for _, size in points] == [0, 256, 0, 256, 0]
    assert points[1][0] == first
    assert points[2][0] < points[3][0] < second
    assert points[4][0] == kept
    # what the host leaves stands all the time
    assert recording.occupancy["ddr"] == ((0, 256),)


def test_bytes_that_live_twice_count_once():
    lives = [Life("sram", 0, 100, 0, 10), Life("sram", 50, 200, 5, 20)]
    assert live_bytes(lives) == [(0, 100), (5, 200), (10, 150), (20, 0)]
    found = occupancy(lives, {"ddr": 7}, ("sram", "ddr"), 20)
    assert found == {"sram": ((0, 100), (5, 200), (10, 150), (20, 0)), "ddr": ((0, 7),)}


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300), st.integers(1, 20))
def test_thinning_keeps_the_highest_point_and_every_level_it_ends_on(
    sizes: list[int], most: int
):
    points = list(enumerate(sizes))
    kept = thinned(points, len(sizes), most)
    assert max(size for _, size in kept) == max(sizes)
    assert [at for at, _ in kept] == sorted({at for at, _ in kept})
    assert len(kept) <= max(len(points) if len(points) <= most else 0, most + 2)


def test_the_graph_of_kernels_has_the_bytes_that_go_between_them():
    assert [(f.source, f.target, f.size) for f in run(2).flows] == [
        ("load", "keep", 256)
    ]


@pytest.mark.parametrize("n", [0, 1, 3, 4, 1000])
def test_the_size_of_a_recording_does_not_grow_with_the_rounds(n: int):
    assert len(run(n).spans) <= 40


def test_a_span_draws_its_energy_evenly_and_a_board_its_power_always():
    draws = {"resource": "unit.u", "kernel": "k", "name": "n"}
    spans = [
        Span(**draws, start=0, end=500, done=500, busy=500, energy_pj=1e6),
        Span(**draws, start=750, end=750, done=750, busy=0, energy_pj=3e3),
    ]
    target = load_target("tiny-npu", {"clock_mhz": 1000, "power.static_w": 2.0})
    curve = dict(power_curve(spans, target, 1000))
    # 1 uJ over 500 ticks of 1 ns is 2 W, beside 2 W of static power
    assert curve[0] == pytest.approx(4)
    assert curve[500] == pytest.approx(2)
    # an op of no length draws in the tick before it: 3 nJ in 1 ns
    assert curve[749] == pytest.approx(2 + 3)
    board = load_target("tiny-npu", {"power.total_w": 7.0})
    assert power_curve(spans, board, 1000) == ((0, 7.0),)
