"""Calls of a module at program level on its target."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from xdsl.dialects.builtin import ModuleOp

from dfc.runtime.errors import ExecutionError
from dfc.runtime.graph import EdgeRun
from dfc.runtime.machine import Target, target_of
from dfc.runtime.simulator.engine import CallTime, Engine
from dfc.runtime.simulator.estimate import Estimator
from dfc.runtime.simulator.plan import Plan, Values, issues
from dfc.runtime.simulator.planner import Planner
from dfc.runtime.simulator.record import Recorder, Timeline

Key = TypeVar("Key")

FifoName = tuple[str, str]
"""The kernel of a FIFO, and its name there."""

__all__ = ["CallTime", "Simulator", "simulate_call"]


class Simulator:
    """
    A module at program level on its target; what calls have in common is worked out once.

    `controls` are the values of a function's index arguments, by argument index. Branches on data
    are taken in `fallback_rate` of the calls: a time is that share of the time with all of them
    taken, and the rest of the time with none.
    """

    def __init__(
        self,
        module: ModuleOp,
        target: Target | None = None,
        fallback_rate: float = 0.0,
    ) -> None:
        self.module = module
        self.target = target_of(module) if target is None else target
        self.fallback_rate = fallback_rate
        self.planner = Planner(module, self.target, fallback_rate == 1)
        self.fallen = Planner(module, self.target, True)
        self.engine = Engine(self.target)
        self.estimator = Estimator(self.target)

    def call(
        self, function: str, controls: Mapping[int, int] | None = None
    ) -> CallTime:
        """The time of a call on an idle machine, by max-plus maps: exact, and skipping what repeats."""
        return self._mean(self.engine.call, function, controls or {})

    def estimate(
        self, function: str, controls: Mapping[int, int] | None = None
    ) -> CallTime:
        """About the time of that call, in closed form: a few rounds of each loop, and no parts."""
        return self._mean(self.estimator.call, function, controls or {})

    def _mean(
        self,
        timed: Callable[[Plan, Values], CallTime],
        function: str,
        controls: Mapping[int, int],
    ) -> CallTime:
        """The time of a call, with branches on data taken in their share of the calls."""
        plan = self.planner.plan(function)
        found = timed(plan, values_of_call(plan, controls))
        if self.fallback_rate in (0, 1) or not self.planner.data_branches:
            return found
        fallen = self.fallen.plan(function)
        other = timed(fallen, values_of_call(fallen, controls))
        return blended(found, other, self.fallback_rate)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the calls so far rest on that the module does not say."""
        count = self.planner.data_branches
        if not count:
            return ()
        branches = (
            "1 branch on data is" if count == 1 else f"{count} branches on data are"
        )
        return (f"{branches} taken in {self.fallback_rate:.4g} of the calls (assumed)",)

    def record(
        self, function: str, controls: Mapping[int, int] | None = None
    ) -> Timeline:
        """The same call op by op, with every event kept."""
        plan = self.planner.plan(function)
        return Recorder(self.target).call(plan, values_of_call(plan, controls or {}))

    def fifos(self) -> Mapping[FifoName, EdgeRun]:
        """By kernel and name, each FIFO of the graphs launched so far: of several runs, the one that held most."""
        found: dict[FifoName, EdgeRun] = {}
        for kernel, fifo in self._fifo_runs():
            known = found.setdefault((kernel, fifo.name), fifo)
            if fifo.peak_occupancy > known.peak_occupancy:
                found[kernel, fifo.name] = fifo
        return found

    def _fifo_runs(self) -> Iterator[tuple[str, EdgeRun]]:
        """Every FIFO of every launch that was timed, with its kernel."""
        plans = (*self.planner.plans.values(), *self.fallen.plans.values())
        for plan in plans:
            for issue in issues(plan.body.steps):
                for timing in issue.known.values():
                    yield from ((issue.kernel, fifo) for fifo in timing.fifos)

    def origins(self) -> Mapping[str, str]:
        """Where each kernel comes from, for the functions called so far."""
        plans = (*self.fallen.plans.values(), *self.planner.plans.values())
        return {plan.label: plan.origin for plan in plans}


def blended(first: CallTime, second: CallTime, rate: float) -> CallTime:
    """The mean of two times, of which the second has the weight `rate`; its parts add up to it."""
    cycles = round(first.cycles + rate * (second.cycles - first.cycles))
    composition = mixed(first.composition, second.composition, rate)
    parts = {key: round(ticks) for key, ticks in composition.items()}
    if parts:
        largest = max(parts, key=lambda key: parts[key])
        parts[largest] += cycles - sum(parts.values())
    counters = mixed(first.counters, second.counters, rate)
    return CallTime(cycles, Counter(parts), counters)


def mixed(
    first: Mapping[Key, float], second: Mapping[Key, float], rate: float
) -> dict[Key, float]:
    """Two tables as one, the second with the weight `rate`."""
    keys = dict.fromkeys((*first, *second))
    return {
        key: (1 - rate) * first.get(key, 0) + rate * second.get(key, 0) for key in keys
    }


def values_of_call(plan: Plan, controls: Mapping[int, int]) -> Values:
    """The values of a function's control registers."""
    missing = [index for index in plan.control_arguments if index not in controls]
    if missing:
        raise ExecutionError(
            f"the time of `@{plan.name}` depends on its arguments"
            f" {', '.join(map(str, missing))}, whose values were not given"
        )
    return tuple(controls[index] for index in plan.control_arguments)


def simulate_call(
    module: ModuleOp,
    function: str,
    controls: Mapping[int, int] | None = None,
    record: bool = False,
) -> CallTime | Timeline:
    """The time of one call of a function at program level; with `record`, all of its events."""
    simulator = Simulator(module)
    if record:
        return simulator.record(function, controls)
    return simulator.call(function, controls)
