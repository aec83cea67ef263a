"""
The time of a program in closed form: for searches, which ask for many programs and need no parts.

The rule and the plans are the simulator's, but times are numbers instead of maps, and of a loop only the
rounds that fill it and those that drain it are walked:

    fill + (trips - walked) x period + drain

The period is what a round adds once rounds repeat: the larger of the busiest resource's time per round and
of the slowest cycle of dependencies through the slots. It is found once for a body, from rest, over as
many rounds as it takes each slot to come back, and whole turns of the slots are skipped by it. Loops of
few rounds are walked whole. A function that is called again in the state it met before takes what it
took then, as layers do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

from dfc.runtime.machine import Target
from dfc.runtime.simulator.engine import (
    CONTROL,
    END,
    CallTime,
    Environment,
    choose,
    compute,
    resource_names,
    rounds_of,
)
from dfc.runtime.simulator.estimate_sums import Sums
from dfc.runtime.simulator.maxplus import NEVER
from dfc.runtime.simulator.plan import (
    Body,
    Branch,
    Call,
    Compute,
    Issue,
    Loop,
    Plan,
    Start,
    Step,
    Values,
    Wait,
)

MOST_SLOTS = 12
"""Rounds after which the slots of a loop count as repeated, whatever their numbers."""


@dataclass
class Times:
    """Of the control processor, the latest event and the resources, and by register those of events; in ticks."""

    fixed: list[int]
    events: dict[int, int]


class Estimator:
    """Estimated times of functions on a target; the periods of loop bodies are remembered by control values."""

    def __init__(self, target: Target) -> None:
        names = resource_names(target)
        self.places = {name: 2 + index for index, name in enumerate(names)}
        self.size = 2 + len(names)
        self.sums = Sums()
        self._calls: dict[tuple[Body, Values, tuple[int, ...]], list[int]] = {}
        self._whole: dict[tuple[Body, Values], int] = {}
        self._periods: dict[tuple[Body, Values], list[int]] = {}

    def call(self, plan: Plan, controls: Values) -> CallTime:
        """The time of a function called on an idle machine, without what it is made of; its quantities are exact."""
        after = self.walked(plan.body, controls, [0] * self.size)
        cycles = max(after[CONTROL], after[END])
        return CallTime(cycles, {}, self.sums.of(plan.body, controls))

    def run(
        self, steps: Sequence[Step], environment: Environment, times: Times
    ) -> None:
        """Instructions in program order."""
        events = times.events
        for step in steps:
            match step:
                case Issue():
                    self.issue(step, environment, times)
                case Compute():
                    compute(step, environment)
                case Wait():
                    waited = (events[event] for event in step.events)
                    times.fixed[CONTROL] = max(times.fixed[CONTROL], *waited)
                case Start():
                    events[step.event] = NEVER
                case Loop():
                    self.loop(step, environment, times)
                case Branch():
                    self.branch(step, environment, times)
                case Call():
                    self.enter(step, environment, times)

    def issue(self, step: Issue, environment: Environment, times: Times) -> None:
        """A copy or launch: it starts once issued, its events have happened and its resources are free."""
        timing = step.timing(tuple(environment[r] for r in step.controls))
        fixed, events = times.fixed, times.events
        fixed[CONTROL] += step.issue
        places = [self.places[name] for name in timing.holds]
        start = fixed[CONTROL]
        for event in step.after:
            start = max(start, events[event])
        for place in places:
            start = max(start, fixed[place])
        free = start + timing.hold
        for place in places:
            fixed[place] = free
        events[step.event] = free + timing.tail
        fixed[END] = max(fixed[END], free + timing.tail)

    def enter(self, step: Call, environment: Environment, times: Times) -> None:
        """
        A call: walked once for each state that it meets, relative to the latest time of the state.

        A time earlier than that by all that the function takes sets nothing after it, so it counts as
        just that early; what has not caught up with the latest time goes on from where it was.
        """
        body = step.callee.body
        controls = tuple(environment[r] for r in step.controls)
        events = [times.events[r] for r in step.arguments]
        latest = max(*times.fixed, *events)
        earliest = -self.whole(body, controls)
        before = [max(time - latest, earliest) for time in (*times.fixed, *events)]
        key = (body, controls, tuple(before))
        if key not in self._calls:
            self._calls[key] = self.walked(body, controls, before)
        after = self._calls[key]
        for place in range(self.size):
            if after[place] > 0:
                times.fixed[place] = latest + after[place]
            else:
                times.fixed[place] += after[place] - before[place]
        made = (latest + time for time in after[self.size :])
        times.events.update(zip(step.results, made, strict=True))

    def walked(self, body: Body, controls: Values, before: Sequence[int]) -> list[int]:
        """The fixed times and the events yielded after a function's body, from the times before it."""
        given = zip(body.events, before[self.size :], strict=True)
        times = Times([*before[: self.size]], dict(given))
        environment = dict(zip(body.controls, controls, strict=True))
        self.run(body.steps, environment, times)
        return [*times.fixed, *(times.events[event] for event in body.yields)]

    def whole(self, body: Body, controls: Values) -> int:
        """What a function takes from rest: the longest path through it, so what is earlier by that sets nothing."""
        key = (body, controls)
        if key not in self._whole:
            rest = [0] * (self.size + len(body.events))
            self._whole[key] = max(self.walked(body, controls, rest))
        return self._whole[key]

    def branch(self, step: Branch, environment: Environment, times: Times) -> None:
        """The body that the condition chooses."""
        body = choose(step, environment)
        self.run(body.steps, environment, times)
        for result, made in zip(step.events, body.yields, strict=True):
            times.events[result] = times.events[made]
        for result, made in zip(step.controls, body.control_yields, strict=True):
            environment[result] = environment[made]

    def loop(self, step: Loop, environment: Environment, times: Times) -> None:
        """A loop; rounds whose control values are equal are filled, skipped by their period, and drained."""
        body, slots = step.body, slots_of(step)
        for init, argument, _ in step.events:
            times.events[argument] = times.events[init]
        for controls, rounds in rounds_of(step, environment):
            turns = (rounds - 1) // slots - 2
            if turns <= 0:
                self.rounds(body, controls, rounds, times)
                continue
            self.rounds(body, controls, 1, times)
            grown = self.growth(body, controls, slots, times)
            period = self.period(body, controls, slots)
            least = [min(g, p) for g, p in zip(grown, period, strict=True)]
            add(body, times, [turns * more for more in least])
            self.rounds(body, controls, rounds - 1 - (turns + 1) * slots, times)
        for _, argument, result in step.events:
            times.events[result] = times.events[argument]

    def rounds(self, body: Body, controls: Values, count: int, times: Times) -> None:
        """Rounds of a loop; what they yield goes round."""
        for _ in range(count):
            environment = dict(zip(body.controls, controls, strict=True))
            self.run(body.steps, environment, times)
            made = [times.events[event] for event in body.yields]
            times.events.update(zip(body.events, made, strict=False))

    def growth(
        self, body: Body, controls: Values, slots: int, times: Times
    ) -> list[int]:
        """What as many rounds as there are slots add to each time; they are walked."""
        before = all_times(body, times)
        self.rounds(body, controls, slots, times)
        after = all_times(body, times)
        return [new - old for old, new in zip(before, after, strict=True)]

    def period(self, body: Body, controls: Values, slots: int) -> list[int]:
        """
        What as many rounds as there are slots add to each time in the end, found once from rest.

        From where a loop really starts, a time may grow by more while it catches up, and by less while
        what it depends on is far behind it: the smaller of both is skipped by, and the drain, in which
        all wait for each other again, makes up for what that leaves out.
        """
        key = (body, controls)
        if key not in self._periods:
            rest = Times([0] * self.size, dict.fromkeys(body.events, 0))
            self.rounds(body, controls, slots + 1, rest)
            self._periods[key] = self.growth(body, controls, slots, rest)
        return self._periods[key]


def all_times(body: Body, times: Times) -> list[int]:
    """The fixed times, and those of the events that a body is given."""
    return [*times.fixed, *(times.events[event] for event in body.events)]


def add(body: Body, times: Times, more: Sequence[int]) -> None:
    """Add to the fixed times, and to those of the events that a body is given."""
    now = [
        time + ticks for time, ticks in zip(all_times(body, times), more, strict=True)
    ]
    size = len(times.fixed)
    times.fixed[:] = now[:size]
    times.events.update(zip(body.events, now[size:], strict=True))


def slots_of(step: Loop) -> int:
    """After how many rounds each event that goes round has come back to its place."""
    arguments = [argument for _, argument, _ in step.events]
    handed = dict(zip(arguments, step.body.yields, strict=True))
    found = 1
    for argument in arguments:
        length, at = 1, handed[argument]
        while at in handed and at != argument and length < MOST_SLOTS:
            length, at = length + 1, handed[at]
        found = lcm(found, length)
    return min(found, MOST_SLOTS)
