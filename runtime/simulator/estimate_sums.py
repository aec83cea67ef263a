"""What adds up over a program (busy ticks, bytes, operations, energy): trips times the sums of a round."""

from collections import Counter
from collections.abc import Mapping, Sequence

from dfc.runtime.simulator.engine import Environment, choose, compute, rounds_of
from dfc.runtime.simulator.maxplus import add_counters
from dfc.runtime.simulator.plan import (
    Body,
    Branch,
    Call,
    Compute,
    Issue,
    Loop,
    Step,
    Values,
)
from dfc.runtime.simulator.timing import Counter as Quantity


class Sums:
    """Quantities of bodies, remembered by their control values."""

    def __init__(self) -> None:
        self._known: dict[tuple[Body, Values], Counter[Quantity]] = {}

    def of(self, body: Body, controls: Values) -> Mapping[Quantity, float]:
        """The quantities of a body run once with these control values."""
        key = (body, controls)
        if key not in self._known:
            total = Counter[Quantity]()
            environment = dict(zip(body.controls, controls, strict=True))
            self.add(body.steps, environment, total)
            self._known[key] = total
        return self._known[key]

    def add(
        self,
        steps: Sequence[Step],
        environment: Environment,
        total: Counter[Quantity],
    ) -> None:
        """Add the quantities of instructions."""
        for step in steps:
            match step:
                case Compute():
                    compute(step, environment)
                case Issue():
                    timing = step.timing(tuple(environment[r] for r in step.controls))
                    add_counters(total, timing.counters, 1)
                case Loop():
                    for controls, rounds in rounds_of(step, environment):
                        add_counters(total, self.of(step.body, controls), rounds)
                case Branch():
                    body = choose(step, environment)
                    self.add(body.steps, environment, total)
                    for result, made in zip(
                        step.controls, body.control_yields, strict=True
                    ):
                        environment[result] = environment[made]
                case Call():
                    controls = tuple(environment[r] for r in step.controls)
                    add_counters(total, self.of(step.callee.body, controls), 1)
                    add_counters(
                        total, {Quantity("calls", step.callee.label, ""): 1}, 1
                    )
                case _:
                    pass
