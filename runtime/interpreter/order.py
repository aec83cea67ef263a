"""Which op is ordered behind which: vector clocks over units and ports, never over time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from xdsl.ir import Operation

from dfc.runtime.interpreter.naming import describe

Clock = dict[int, int]
"""By resource: how many of its ops are known to be done. The value of an `!accel.event`."""


def joined(clocks: Iterable[Clock]) -> Clock:
    """What is done when all of these are."""
    result: Clock = {}
    for clock in clocks:
        for resource, number in clock.items():
            if number > result.get(resource, 0):
                result[resource] = number
    return result


@dataclass(frozen=True)
class Place:
    """Where a program is: the calls that are running, outermost first, and the kernel."""

    path: tuple[str, ...] = ()
    kernel: str = ""

    def __str__(self) -> str:
        kernel = f" of kernel `{self.kernel}`" if self.kernel else ""
        return kernel + (f" in {' / '.join(self.path)}" if self.path else "")


@dataclass(eq=False)
class Step:
    """One run of a copy or a launch (number 0: of an op that runs when nothing else does)."""

    op: Operation
    place: Place
    resource: int = 0
    number: int = 0
    clock: Clock = field(default_factory=dict[int, int])

    def after(self, other: "Step") -> bool:
        """Whether the other is done before this starts (or is this)."""
        if not self.number or not other.number:
            return True
        return self.clock.get(other.resource, 0) >= other.number

    def __str__(self) -> str:
        return f"{describe(self.op)}{self.place}"


HOST = -1
"""The resource of the issuing function's own accesses."""


class Order:
    """The order that events, waits, units and ports give to the ops of a program."""

    def __init__(self) -> None:
        self.resources: dict[str, int] = {}
        self.steps: dict[int, list[Step]] = {}
        self._last: dict[int, Clock] = {}
        self.issued: Clock = {}
        """What the issuing function has waited for."""

    def start(
        self,
        op: Operation,
        place: Place,
        resources: Sequence[str],
        events: Sequence[Clock],
    ) -> Step:
        """
        An op that holds these resources (the first is its own) and starts after these events.

        Its clock is what is done when it is done.
        """
        held = [self.resource(name) for name in resources]
        clock = joined([self.issued, *events, *(self._last[r] for r in held)])
        steps = self.steps[held[0]]
        clock[held[0]] = len(steps) + 1
        step = Step(op, place, held[0], len(steps) + 1, clock)
        steps.append(step)
        for resource in held:
            self._last[resource] = clock
        return step

    def now(self, op: Operation, place: Place) -> Step:
        """An access by the issuing function itself, at this point of it."""
        return Step(op, place, HOST, 1, self.issued)

    def reader(self, resource: int, number: int) -> Step:
        """An op of a resource by its number."""
        return self.steps[resource][number - 1]

    def wait(self, events: Sequence[Clock]) -> None:
        """The issuing function goes on once these have happened."""
        self.issued = joined([self.issued, *events])

    def resource(self, name: str) -> int:
        if name not in self.resources:
            number = len(self.resources) + 1
            self.resources[name] = number
            self.steps[number] = []
            self._last[number] = {}
        return self.resources[name]
