"""Random programs: maps equal the op-by-op run, and a faster machine is never slower."""

from hypothesis import given, settings
from hypothesis import strategies as st
from machine_testing import parse
from random_program_testing import Writer, machine, programs

from dfc.runtime.simulator import Simulator


@settings(max_examples=40, deadline=None)
@given(st.lists(programs, max_size=6), st.integers(0, 4), st.data())
def test_maps_equal_the_op_by_op_run(items: list, n: int, data: st.DataObject):
    simulator = Simulator(
        parse(Writer(data).text(items)), machine(data.draw(st.integers(0, 40)), 8, 3.2)
    )
    found, timeline = simulator.call("f", {3: n}), simulator.record("f", {3: n})
    assert found.cycles == max(timeline.cycles, sum(found.composition.values()))
    assert found.cycles == timeline.cycles
    assert sum(timeline.composition().values()) == timeline.cycles
    assert {k: round(v, 3) for k, v in found.counters.items() if v} == {
        k: round(v, 3) for k, v in timeline.counters.items() if v
    }


@settings(max_examples=15, deadline=None)
@given(st.lists(programs, max_size=6), st.data())
def test_a_faster_part_never_makes_a_program_slower(items: list, data: st.DataObject):
    module = parse(Writer(data).text(items))
    slow = Simulator(module, machine(20, 8, 3.2)).call("f", {3: 3}).cycles
    for faster in (machine(10, 8, 3.2), machine(20, 16, 3.2), machine(20, 8, 6.4)):
        assert Simulator(module, faster).call("f", {3: 3}).cycles <= slow
