"""Recordings: the history of the calls of a run, its live memory and its graph of kernels."""

from collections.abc import Sequence
from dataclasses import dataclass

from dfc.runtime.report.recording import CallSpan, Recording
from dfc.runtime.simulator.calls import Simulator, values_of_call
from dfc.runtime.simulator.footprint import given_bytes
from dfc.runtime.simulator.history import History
from dfc.runtime.simulator.kernel_flows import kernel_flows
from dfc.runtime.simulator.lifetimes import Life, occupancy
from dfc.runtime.simulator.power_curve import power_curve

Controls = dict[int, int]


@dataclass(frozen=True)
class Asked:
    """A call of a run: the function, its index arguments by argument index, and what to call it."""

    function: str
    controls: Controls
    name: str


def record(simulator: Simulator, asked: Sequence[Asked]) -> Recording:
    """
    The recording of calls that follow each other.

    Of each function the first and the last call are recorded; of those between them it says how
    long each resource was busy.
    """
    history = History(simulator)
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for at, call in enumerate(asked):
        first.setdefault(call.function, at)
        last[call.function] = at
    ends = {*first.values(), *last.values()}
    for at, call in enumerate(asked):
        plan = simulator.planner.plan(call.function)
        controls = values_of_call(plan, call.controls)
        history.add(plan, controls, call.name, at in ends)
    functions = simulator.planner.functions
    target = simulator.target
    end = history.calls[-1].end
    labels = {
        name: simulator.planner.plan(name).label
        for name in functions
        if name in simulator.planner.plans
    }
    return Recording(
        ticks_per_second=float(target.ticks_per_second),
        cycles=end,
        calls=tuple(history.calls),
        spans=tuple(history.teller.spans),
        occupancy=occupancy(
            [*history.lives, *between(history.calls, history.lives)],
            given_bytes(functions, tuple(first)),
            tuple(target.tier),
            end,
        ),
        power=power_curve(history.teller.spans, target, end),
        flows=kernel_flows(functions, labels, tuple(first)),
    )


def between(calls: Sequence[CallSpan], lives: Sequence[Life]) -> list[Life]:
    """For calls that are not recorded, every buffer that lived in a recorded one, all the time."""
    buffers = {(life.tier, life.low, life.high) for life in lives}
    return [
        Life(*buffer, call.start, call.end)
        for call in calls
        if not call.recorded
        for buffer in buffers
    ]
