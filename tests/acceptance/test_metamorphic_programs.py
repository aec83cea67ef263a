"""Random programs with other numbers: faster parts, all clocks, all rates."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from machine_testing import parse
from metamorphic_testing import every_clock, every_rate, ops, speeds, times_faster
from random_program_testing import Writer, programs

from dfc.runtime.machine import Target, load_target
from dfc.runtime.simulator import CallTime, Simulator

NAME = "tiny-npu"
USED = ("control.", "unit.vector.", "unit.host.", "tier.", "port.")
"""What random programs use of the machine; the rest of its numbers changes nothing."""
KEYS = [key for key, _ in speeds(NAME) if key.startswith(USED)]
FACTORS = st.sampled_from([0.125, 0.5, 0.8, 1.25, 2, 8])
ITEMS = st.lists(programs, min_size=1, max_size=6)


def run(text: str, target: Target) -> CallTime:
    """The call of the program's function with loops of three rounds where they are an argument."""
    return Simulator(parse(text), target).call("f", {3: 3})


@settings(max_examples=60, deadline=None)
@given(
    ITEMS,
    st.dictionaries(st.sampled_from(KEYS), st.tuples(FACTORS, FACTORS), max_size=6),
    st.data(),
)
def test_faster_parts_make_no_program_slower(
    items: list, factors: Mapping[str, tuple[float, float]], data: st.DataObject
):
    text = Writer(data).text(items)
    slow = times_faster(NAME, {key: min(pair) for key, pair in factors.items()})
    fast = times_faster(NAME, {key: max(pair) for key, pair in factors.items()})
    assert run(text, fast).cycles <= run(text, slow).cycles


@settings(max_examples=25, deadline=None)
@given(ITEMS, st.sampled_from([0.25, 2, 16]), st.data())
def test_every_clock_times_a_factor_gives_the_same_ticks(
    items: list, factor: float, data: st.DataObject
):
    text = Writer(data).text(items)
    before = run(text, load_target(NAME)).cycles
    assert run(text, every_clock(NAME, factor)).cycles == before


@settings(max_examples=25, deadline=None)
@given(ITEMS, st.sampled_from([2, 4]), st.data())
def test_every_rate_times_a_factor_takes_a_part_of_the_time(
    items: list, factor: int, data: st.DataObject
):
    text = Writer(data).text(items)
    call = run(text, load_target(NAME))
    after = run(text, every_rate(NAME, factor)).cycles
    assert abs(after - call.cycles / factor) <= ops(call)
