"""
Programs on machines with other numbers: no faster part makes one slower, and all clocks are one.

The program stays as it was lowered; only the target changes.
"""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metamorphic_testing import (
    MODELS,
    calls,
    cycles,
    every_clock,
    every_rate,
    holds_graphs,
    ops,
    speeds,
    times_faster,
)

from dfc.runtime.machine import list_targets, load_target

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("model", MODELS),
    pytest.mark.parametrize("name", list_targets()),
]

FACTORS = (0.125, 0.5, 0.8, 1.25, 2, 8)


@cache
def as_stated(model: str, name: str) -> tuple[int, int]:
    """Ticks with the numbers of the target's file."""
    return cycles(model, name, load_target(name))


def test_a_faster_part_makes_no_program_slower(name: str, model: str):
    before, changed = as_stated(model, name), 0
    for key, _ in speeds(name):
        after = cycles(model, name, times_faster(name, {key: 2}))
        assert after[0] <= before[0], key
        assert after[1] <= before[1], key
        changed += after != before
    # on a machine without limits of its own nothing is changed
    assert changed or name == "stream-abstract"


@settings(max_examples=10, deadline=None, derandomize=True)
@given(data=st.data())
def test_faster_parts_together_make_no_program_slower(
    name: str, model: str, data: st.DataObject
):
    keys = [key for key, _ in speeds(name)]
    if not keys:
        return
    some = data.draw(st.lists(st.sampled_from(keys), unique=True, max_size=8))
    pairs = {
        key: sorted(data.draw(st.tuples(*[st.sampled_from(FACTORS)] * 2)))
        for key in some
    }
    slow = times_faster(name, {key: low for key, (low, _) in pairs.items()})
    fast = times_faster(name, {key: high for key, (_, high) in pairs.items()})
    before, after = cycles(model, name, slow), cycles(model, name, fast)
    assert after[0] <= before[0], pairs
    assert after[1] <= before[1], pairs


@pytest.mark.parametrize("factor", [1.1, 2, 3.7])
def test_a_faster_clock_costs_at_most_a_tick_per_op(
    name: str, model: str, factor: float
):
    target = load_target(name)
    clock = target.clock_mhz.value * factor
    before = calls(model, name, target)
    after = cycles(model, name, load_target(name, {"clock_mhz": clock}))
    for call, ticks in zip(before, after, strict=True):
        assert ticks / factor <= call.cycles + ops(call)


@pytest.mark.parametrize("factor", [0.25, 2, 4, 16])
def test_every_clock_times_a_factor_gives_the_same_ticks(
    name: str, model: str, factor: float
):
    target = every_clock(name, factor)
    assert target.ticks_per_second == factor * load_target(name).ticks_per_second
    assert cycles(model, name, target) == as_stated(model, name)


def test_every_rate_times_a_factor_takes_a_part_of_the_time(name: str, model: str):
    if holds_graphs(name):
        return  # a firing takes whole ticks, written into the graph: docs/machines/timing.md
    factor = 2
    before = calls(model, name, load_target(name))
    after = cycles(model, name, every_rate(name, factor))
    for call, ticks in zip(before, after, strict=True):
        assert abs(ticks - call.cycles / factor) <= ops(call)
