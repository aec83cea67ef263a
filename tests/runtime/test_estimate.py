"""The estimate beside the simulation: loops in closed form, functions that come again, bounds that are never above."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_testing import parse
from random_program_testing import Writer, leaves, machine, programs
from test_simulator_calls import layers
from test_simulator_loop import COPY, program, toy

from dfc.runtime.machine import Target
from dfc.runtime.simulator import Simulator, bound_of
from dfc.runtime.simulator.estimate import Estimator

LONG_LOOPS = st.recursive(
    leaves, lambda inner: st.tuples(st.integers(0, 40), st.lists(inner, max_size=4))
)


def estimated(module, target: Target, n: int | None = None) -> tuple[int, int]:
    """Estimated and simulated ticks of `@f`, after checking that all quantities are equal and the bound holds."""
    simulator, controls = Simulator(module, target), {} if n is None else {3: n}
    about, exact = simulator.estimate("f", controls), simulator.call("f", controls)
    wanted = {key: value for key, value in exact.counters.items() if value}
    found = {key: value for key, value in about.counters.items() if value}
    assert found == pytest.approx(wanted)
    assert bound_of(target, found) == bound_of(target, wanted)
    assert bound_of(target, found).cycles <= exact.cycles
    return about.cycles, exact.cycles


def trips_and(period: float, around: int):
    """For several trip counts, trips x period and what is around them."""
    return [(trips, trips * period + around) for trips in (1, 2, 3, 10, 64, 10_000)]


@pytest.mark.parametrize(("trips", "wanted"), trips_and(198, COPY))
def test_a_loop_that_computes_has_the_period_of_its_launch(trips: int, wanted: int):
    # fill: the first copy; a launch is 84 reads, 110 to build and 4 lookups
    assert estimated(program(trips), toy(build=110)) == (wanted, wanted)


@pytest.mark.parametrize(("trips", "wanted"), trips_and(COPY, 88))
def test_a_loop_that_copies_has_the_period_of_its_copy(trips: int, wanted: int):
    # drain: the last launch, 84 + 4
    assert estimated(program(trips), toy()) == (wanted, wanted)


@pytest.mark.parametrize(("trips", "wanted"), trips_and(400, 88))
def test_a_loop_of_many_issues_has_their_period(trips: int, wanted: int):
    assert estimated(program(trips), toy(issue=200)) == (wanted, wanted)


@pytest.mark.parametrize(("trips", "wanted"), trips_and(COPY + 50 + 88, 0))
def test_a_loop_of_one_slot_has_the_period_of_its_circle(trips: int, wanted: int):
    found = estimated(program(trips, slots=1), toy(latency=50))
    assert found == (wanted, wanted)


@pytest.mark.parametrize("trips", [10, 64, 1000, 10_000])
def test_two_slots_come_back_after_two_rounds(trips: int):
    # a slot is free again after 112 + 50 + 88 = 250 ticks; the second is one copy behind
    wanted = trips // 2 * 250 + COPY
    assert estimated(program(trips), toy(latency=50)) == (wanted, wanted)


@pytest.mark.parametrize("trips", range(12))
@pytest.mark.parametrize("numbers", [(3, 110, 0), (90, 25, 40), (7, 24, 1)])
def test_few_trips_are_exact(trips: int, numbers: tuple[int, int, int]):
    found, exact = estimated(program(trips), toy(*numbers))
    assert found == exact


@settings(max_examples=30, deadline=None)
@given(st.lists(programs, max_size=6), st.integers(0, 4), st.integers(0, 40), st.data())
def test_random_programs_of_short_loops_are_exact(
    items: list, n: int, issue: int, data: st.DataObject
):
    module = parse(Writer(data).text(items))
    found, exact = estimated(module, machine(issue, 8, 3.2), n)
    assert found == exact


@settings(max_examples=30, deadline=None)
@given(
    st.lists(LONG_LOOPS, max_size=5), st.integers(0, 40), st.integers(0, 40), st.data()
)
def test_random_programs_of_long_loops_are_within_5_percent(
    items: list, n: int, issue: int, data: st.DataObject
):
    module = parse(Writer(data).text(items))
    found, exact = estimated(module, machine(issue, 8, 3.2), n)
    assert found == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_equal_layers(count: int):
    found, exact = estimated(layers(count), toy(build=16, issue=7))
    assert found == pytest.approx(exact, rel=0.05)


def test_layers_that_meet_the_same_state_are_walked_once(
    monkeypatch: pytest.MonkeyPatch,
):
    walked = {count: issues(monkeypatch, layers(count)) for count in (8, 80)}
    assert walked[8] == walked[80] > 0


def test_trips_cost_nothing(monkeypatch: pytest.MonkeyPatch):
    walked = {trips: issues(monkeypatch, program(trips)) for trips in (20, 10_000)}
    assert walked[20] == walked[10_000] > 0


def issues(monkeypatch: pytest.MonkeyPatch, module) -> int:
    """How many copies and launches an estimate of `@f` looks at."""
    seen: list[object] = []
    issue = Estimator.issue

    def counted(*args) -> None:
        seen.append(args[1])
        issue(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Estimator, "issue", counted)
        Simulator(module, toy(build=16)).estimate("f")
    return len(seen)


@pytest.mark.parametrize(
    ("numbers", "cycles", "resource"),
    [
        ({"build": 110}, 10 * 198, "unit.tlmm"),
        ({"width": 8}, 10 * 2 * COPY, "port.weights"),
        ({"issue": 200}, 20 * 200, "control"),
    ],
)
def test_the_bound_is_the_time_of_the_busiest_resource(
    numbers: dict[str, int], cycles: int, resource: str
):
    target = toy(**numbers)
    bound = bound_of(target, Simulator(program(10), target).call("f").counters)
    assert (bound.cycles, bound.resource) == (cycles, resource)


def test_nothing_takes_no_time():
    assert estimated(parse("func.func @f() {\nfunc.return\n}"), toy()) == (0, 0)
