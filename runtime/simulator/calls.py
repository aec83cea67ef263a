"""Calls of a module at program level on its target."""

from collections.abc import Iterator, Mapping

from xdsl.dialects.builtin import ModuleOp

from dfc.runtime.errors import ExecutionError
from dfc.runtime.graph import EdgeRun
from dfc.runtime.machine import Target, target_of
from dfc.runtime.simulator.engine import CallTime, Engine
from dfc.runtime.simulator.plan import Plan, Values, issues
from dfc.runtime.simulator.planner import Planner
from dfc.runtime.simulator.record import Recorder, Timeline

FifoName = tuple[str, str]
"""The kernel of a FIFO, and its name there."""

__all__ = ["CallTime", "Simulator", "simulate_call"]


class Simulator:
    """
    A module at program level on its target; what calls have in common is worked out once.

    `controls` are the values of a function's index arguments, by argument index.
    """

    def __init__(self, module: ModuleOp, target: Target | None = None) -> None:
        self.module = module
        self.target = target_of(module) if target is None else target
        self.planner = Planner(module, self.target)
        self.engine = Engine(self.target)

    def call(
        self, function: str, controls: Mapping[int, int] | None = None
    ) -> CallTime:
        """The time of a call on an idle machine, by max-plus maps: exact, and skipping what repeats."""
        plan = self.planner.plan(function)
        return self.engine.call(plan, values_of_call(plan, controls or {}))

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
        for plan in self.planner.plans.values():
            for issue in issues(plan.body.steps):
                for timing in issue.known.values():
                    yield from ((issue.kernel, fifo) for fifo in timing.fifos)

    def origins(self) -> Mapping[str, str]:
        """Where each kernel comes from, for the functions called so far."""
        return {plan.label: plan.origin for plan in self.planner.plans.values()}


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
