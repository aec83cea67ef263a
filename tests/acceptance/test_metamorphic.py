"""
Programs on machines with other numbers: no faster part makes one slower, and all clocks are one.

The program stays as it was lowered; only the target changes.
"""

from collections.abc import Iterator, Mapping
from functools import cache

import pytest
from xdsl.dialects.builtin import IndexType

from dfc.api import asked, load
from dfc.listing import numbers
from dfc.program import Program
from dfc.runtime.machine import Target, list_targets, load_target
from dfc.runtime.simulator import CallTime, Simulator

pytestmark = pytest.mark.slow

MODELS = ("zoo:bitnet-tiny", "zoo:llama-tiny")
PREFILL, DECODE = 16, 8

FASTER_WHEN_LARGER = {
    *("gb_per_s", "bytes_per_cycle", "efficiency", "port_efficiency", "banks"),
    *("gmac_per_s", "gelement_per_s", "lanes", "outputs_per_step", "epilogue_lanes"),
}
FASTER_WHEN_SMALLER = {
    *("latency_ns", "overhead_ns", "row_cycle_ns", "launch_cycles", "copy_cycles"),
    *("overhead_cycles", "build_cycles", "step_cycles", "head_iteration_cycles"),
    *("update_cycles", "exponential_cycles", "key_fill_cycles", "value_fill_cycles"),
    *("cycles_per_step", "cycles_per_element", "cycles_per_beat"),
}
AT_MOST_ONE = {"efficiency", "port_efficiency"}
IN_THE_IR = {"latency_cycles", "interval_cycles", "lanes", "stages"}
"""Of a fabric these are written into the graph when it is lowered."""
REAL_RATES = {"gb_per_s", "gmac_per_s", "gelement_per_s"}
REAL_TIMES = {"latency_ns", "overhead_ns", "row_cycle_ns"}


@cache
def program(model: str, target: str) -> Program:
    """The model on the target, lowered; a prompt, and a cache for the decode steps."""
    found = load(model, target, asked(prefill=PREFILL, decode=DECODE))
    found.module("program")
    return found


def calls(model: str, name: str, target: Target) -> tuple[CallTime, CallTime]:
    """The prompt, and the last decode step, with these numbers."""
    simulator = Simulator(program(model, name).module("program"), target)
    last = PREFILL + DECODE - 1

    def call(entry: str, position: int) -> CallTime:
        arguments = simulator.planner.functions[entry].body.block.args
        indices = [arg.index for arg in arguments if isinstance(arg.type, IndexType)]
        return simulator.call(entry, dict.fromkeys(indices, position))

    return call("prefill", 0), call("decode", last)


def cycles(model: str, name: str, target: Target) -> tuple[int, int]:
    """Ticks of the prompt, and of the last decode step."""
    first, last = calls(model, name, target)
    return first.cycles, last.cycles


def faster(name: str) -> Iterator[tuple[str, float]]:
    """Each number of a target that makes something faster, with a better value; sockets do not count here."""
    target = load_target(name)
    for key, number in numbers(target, ""):
        parts = key.split(".")
        words, value = set(parts), number.value
        fabric = parts[0] == "unit" and target.unit[parts[1]].holds_graphs
        if parts[0] == "network" or (fabric and words & IN_THE_IR):
            continue
        if words & FASTER_WHEN_LARGER:
            better = min(1.0, value * 1.1) if words & AT_MOST_ONE else value * 2
            yield key, better
        elif words & FASTER_WHEN_SMALLER:
            yield key, value // 2 if isinstance(value, int) else value / 2


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", list_targets())
def test_a_faster_part_makes_no_program_slower(name: str, model: str):
    before = cycles(model, name, load_target(name))
    changed = 0
    for key, value in faster(name):
        if not value:
            continue
        after = cycles(model, name, load_target(name, {key: value}))
        assert after[0] <= before[0], (key, value)
        assert after[1] <= before[1], (key, value)
        changed += after != before
    # on a machine without limits of its own nothing is changed
    assert changed or name == "stream-abstract"


def scaled(name: str, factor: int) -> Mapping[str, float]:
    """Every clock times a factor, and with it what is stated in real time."""
    found: dict[str, float] = {}
    for key, number in numbers(load_target(name), ""):
        parts = key.split(".")
        if parts[0] in ("network", "power"):
            continue
        if parts[-1] in ("clock_mhz", "mhz") or parts[-1] in REAL_RATES:
            found[key] = number.value * factor
        elif parts[-1] in REAL_TIMES:
            found[key] = number.value / factor
    return found


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", list_targets())
def test_every_clock_and_rate_times_a_factor_gives_the_same_ticks(
    name: str, model: str
):
    before, after = load_target(name), load_target(name, scaled(name, 4))
    assert after.ticks_per_second == 4 * before.ticks_per_second
    assert cycles(model, name, after) == cycles(model, name, before)


def every_rate(name: str, factor: int) -> Mapping[str, float]:
    """Every rate times a factor, latencies and what is paid in cycles by it, with the clock as it is."""
    found: dict[str, float] = {}
    for key, number in numbers(load_target(name), ""):
        parts = key.split(".")
        words = set(parts)
        if parts[0] == "network":
            continue
        if parts[-1] in REAL_RATES | {"bytes_per_cycle"}:
            found[key] = number.value * factor
        elif words & (REAL_TIMES | {"launch_cycles", "copy_cycles", "overhead_cycles"}):
            found[key] = number.value / factor
    return found


@pytest.mark.parametrize("name", ["a100", "h200", "sn40l", "sg2042"])
def test_every_rate_times_a_factor_takes_a_part_of_the_time(name: str):
    factor, model = 2, MODELS[1]
    changed = {
        key: int(value) if "_cycles" in key else value
        for key, value in every_rate(name, factor).items()
    }
    before = calls(model, name, load_target(name))
    after = cycles(model, name, load_target(name, changed))
    for call, ticks in zip(before, after, strict=True):
        ops = sum(
            count
            for key, count in call.counters.items()
            if key.quantity in ("launches", "copies")
        )
        # rounded up once per op
        assert abs(ticks - call.cycles / factor) <= ops
