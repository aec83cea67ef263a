"""
A run as spans: op by op where it is new, one span per resource where it repeats.

It walks the program as the recorder does, with times instead of maps. The first rounds of a loop and
the first call of a kernel with its control values are told op by op; other calls are one span per
resource, and the other rounds are skipped by the power of their map, so the times stay exact.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dfc.runtime.report.recording import CallSpan, Span
from dfc.runtime.simulator.calls import Simulator
from dfc.runtime.simulator.engine import (
    CONTROL,
    END,
    Engine,
    Environment,
    choose,
    compute,
    resource_names,
    rounds_of,
)
from dfc.runtime.simulator.lifetimes import Buffer, Life, buffers_of
from dfc.runtime.simulator.maxplus import NEVER, Transform
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
from dfc.runtime.simulator.timing import Counter as Quantity

ROUNDS = 3
"""Rounds of a loop that are told op by op."""
MOST_OPS = 20_000
"""Spans of single ops; after that many, kernels are one span per resource."""


@dataclass(frozen=True)
class Event:
    """When an event happens, and the span of the copy that makes it, if that is told."""

    at: int
    span: int | None = None


Events = dict[int, Event]


@dataclass
class Stretch:
    """A time that something takes: its first start and its last end."""

    start: int | None = None
    end: int = 0

    def cover(self, start: int, end: int) -> None:
        """Make it hold this one too."""
        self.start = start if self.start is None else min(self.start, start)
        self.end = max(self.end, end)

    def include(self, other: "Stretch") -> None:
        """Make it hold another, if that holds anything."""
        if other.start is not None:
            self.cover(other.start, other.end)


@dataclass
class Merged:
    """Ops that are not told apart: when each resource was first taken and last freed, and their quantities."""

    name: str
    taken: dict[str, Stretch] = field(default_factory=dict[str, Stretch])
    counters: Counter[Quantity] = field(default_factory=Counter[Quantity])
    done: int = 0

    def take(self, resource: str, start: int, end: int) -> None:
        """A resource was taken from start to end."""
        self.taken.setdefault(resource, Stretch()).cover(start, end)


class History:
    """The spans, calls and live buffers of calls that follow each other, from tick 0."""

    def __init__(self, simulator: Simulator) -> None:
        self.engine: Engine = simulator.engine
        self.planner = simulator.planner
        self.names = resource_names(simulator.target)
        self.spans: list[Span] = []
        self.calls: list[CallSpan] = []
        self.lives: list[Life] = []
        self.told = 0
        self.known: set[tuple[str, Values]] = set()
        self.buffers: dict[str, tuple[Buffer, ...]] = {}
        self.offset = self.control = self.end = 0
        self.free: dict[str, int] = {}

    def add(self, plan: Plan, controls: Values, name: str, recorded: bool) -> None:
        """A call on an idle machine, after those before it; its kernels are told apart if it is `recorded`."""
        self.offset = self.calls[-1].end if self.calls else 0
        self.control = self.end = 0
        self.free = dict.fromkeys(self.names, 0)
        if recorded:
            self.run_function(plan, controls, {}, None)
        else:
            merged = Merged(name)
            self.skip(plan.body, controls, 1, {}, merged)
            for resource, at in self.free.items():
                if at:
                    merged.take(resource, 0, at)
            self.flush(merged)
        end = self.offset + max(self.control, self.end)
        self.calls.append(CallSpan(name, self.offset, end, recorded))

    def run_function(
        self, plan: Plan, controls: Values, events: Events, merged: Merged | None
    ) -> Stretch:
        """A function's steps; its buffers live from the first step that uses them to the last."""
        environment = dict(zip(plan.body.controls, controls, strict=True))
        stretches = self.run(plan.body.steps, environment, events, merged)
        whole = Stretch()
        for stretch in stretches:
            whole.include(stretch)
        if plan.name not in self.buffers:
            self.buffers[plan.name] = buffers_of(plan.body)
        for buffer in self.buffers[plan.name]:
            self.live(buffer, stretches, whole)
        return whole

    def live(self, buffer: Buffer, stretches: list[Stretch], whole: Stretch) -> None:
        """A buffer's life in one call of its function."""
        last = len(stretches) - 1 if buffer.last is None else buffer.last
        found = Stretch()
        for stretch in stretches[buffer.first : last + 1]:
            found.include(stretch)
        if found.start is not None:
            end = whole.end if buffer.last is None else found.end
            start = self.offset + found.start
            self.lives.append(
                Life(buffer.tier, buffer.low, buffer.high, start, self.offset + end)
            )

    def run(
        self,
        steps: Sequence[Step],
        environment: Environment,
        events: Events,
        merged: Merged | None,
    ) -> list[Stretch]:
        """Instructions in program order, and when each of them ran."""
        return [self.step(step, environment, events, merged) for step in steps]

    def step(
        self,
        step: Step,
        environment: Environment,
        events: Events,
        merged: Merged | None,
    ) -> Stretch:
        """One instruction."""
        match step:
            case Compute():
                compute(step, environment)
            case Wait():
                self.control = max(self.control, *(events[e].at for e in step.events))
            case Start():
                events[step.event] = Event(NEVER)
            case Issue():
                return self.issue(step, environment, events, merged)
            case Loop():
                return self.loop(step, environment, events, merged)
            case Branch():
                return self.branch(step, environment, events, merged)
            case Call():
                return self.enter(step, environment, events, merged)
        return Stretch()

    def issue(
        self,
        step: Issue,
        environment: Environment,
        events: Events,
        merged: Merged | None,
    ) -> Stretch:
        """A copy or launch, as the engine times it."""
        timing = step.timing(tuple(environment[r] for r in step.controls))
        self.control += step.issue
        waits = [events[event] for event in step.after]
        freed = (self.free[name] for name in timing.holds)
        start = max(self.control, *(event.at for event in waits), *freed, 0)
        free = start + timing.hold
        done = free + timing.tail
        for name in timing.holds:
            self.free[name] = free
        self.end = max(self.end, done)
        place = None
        if merged is None:
            one = Merged(step.name, done=done, counters=Counter(timing.counters))
            for name in timing.holds:
                one.take(name, start, free)
            copies = [event.span for event in waits if event.span is not None]
            place = self.flush(one, step.kernel, copies)
        else:
            for name in timing.holds:
                merged.take(name, start, free)
            add(merged.counters, timing.counters)
            merged.done = max(merged.done, done)
        is_copy = any(key.quantity == "copies" for key in timing.counters)
        events[step.event] = Event(done, place if is_copy else None)
        return Stretch(start, done)

    def enter(
        self,
        step: Call,
        environment: Environment,
        events: Events,
        merged: Merged | None,
    ) -> Stretch:
        """A call: op by op the first time, then as one if it makes no calls itself."""
        callee = step.callee
        controls = tuple(environment[r] for r in step.controls)
        given = (events[r] for r in step.arguments)
        made = dict(zip(callee.body.events, given, strict=True))
        own = merged
        if merged is None and is_leaf(callee.body) and self.is_known(callee, controls):
            own = Merged(callee.label)
        ran = self.run_function(callee, controls, made, own)
        if own is not merged and own is not None:
            self.flush(own)
        for result, event in zip(step.results, callee.body.yields, strict=True):
            events[result] = made[event]
        return ran

    def is_known(self, callee: Plan, controls: Values) -> bool:
        """Whether this call has been told op by op, or too much has; it counts as told from now on."""
        key = (callee.name, controls)
        seen = key in self.known or self.told >= MOST_OPS
        self.known.add(key)
        return seen

    def loop(
        self,
        step: Loop,
        environment: Environment,
        events: Events,
        merged: Merged | None,
    ) -> Stretch:
        """A loop: its first rounds one by one, the others at once."""
        whole = Stretch()
        carried = [events[init] for init, _, _ in step.events]
        arguments = [arg for _, arg, _ in step.events]
        told = 0
        rest = Merged("other rounds") if merged is None else merged
        for controls, count in rounds_of(step, environment):
            walked = min(count, 1 if merged is not None else max(ROUNDS - told, 0))
            quiet = int(merged is None and walked < count)
            for index in range(walked + quiet):
                inside = dict(zip(step.body.controls, controls, strict=True))
                events |= dict(zip(arguments, carried, strict=True))
                sink = merged if index < walked else rest
                for ran in self.run(step.body.steps, inside, events, sink):
                    whole.include(ran)
                carried = [events[r] for r in step.body.yields]
            told += walked
            left = count - walked - quiet
            if left:
                events |= dict(zip(arguments, carried, strict=True))
                before = dict(self.free)
                self.skip(step.body, controls, left, events, rest)
                carried = [events[r] for r in arguments]
                for name, at in self.free.items():
                    if at != before[name]:
                        rest.take(name, before[name], at)
                        whole.cover(at, at)
                whole.cover(rest.done, rest.done)
        if merged is None:
            self.flush(rest)
        for (_, _, result), event in zip(step.events, carried, strict=True):
            events[result] = event
        return whole

    def skip(
        self,
        body: Body,
        controls: Values,
        rounds: int,
        events: Events,
        merged: Merged,
    ) -> None:
        """Rounds of a body at once; what it yields goes round."""
        made: Transform = self.engine.transform(body, controls, captured=rounds > 0)
        made = made.power(rounds)
        before = [self.control, self.end, *self.free.values()]
        before += [events[event].at for event in body.events]
        after = (made.values + np.array(before, np.int64)).max(1)
        after = np.maximum(after, NEVER)
        self.control, end = int(after[CONTROL]), int(after[END])
        if end > self.end:
            self.end = merged.done = max(end, merged.done)
        size = self.engine.size
        self.free = {n: int(v) for n, v in zip(self.names, after[2:size], strict=True)}
        for event, at in zip(body.events, after[size:], strict=True):
            events[event] = Event(int(at))
        add(merged.counters, made.counters)

    def branch(
        self,
        step: Branch,
        environment: Environment,
        events: Events,
        merged: Merged | None,
    ) -> Stretch:
        """The body that the condition chooses."""
        body = choose(step, environment)
        whole = Stretch()
        for ran in self.run(body.steps, environment, events, merged):
            whole.include(ran)
        for result, made in zip(step.events, body.yields, strict=True):
            events[result] = events[made]
        for result, made in zip(step.controls, body.control_yields, strict=True):
            environment[result] = environment[made]
        return whole

    def flush(
        self, merged: Merged, kernel: str | None = None, waits: Sequence[int] = ()
    ) -> int | None:
        """Write spans, one per resource that was taken; the place of the first."""
        if not merged.taken:
            return None
        place = len(self.spans)
        busy, moved, ops, kernels = quantities(merged.counters)
        several = kernels.pop() if len(kernels) == 1 else ""
        homes = {tier: home(tier, merged.taken) for tier in moved}
        self.told += int(ops == 1)
        for resource, stretch in merged.taken.items():
            start = self.offset + (stretch.start or 0)
            own = {tier: moved[tier] for tier in moved if homes[tier] == resource}
            end = self.offset + stretch.end
            self.spans.append(
                Span(
                    resource,
                    several if kernel is None else kernel,
                    merged.name,
                    start,
                    end,
                    max(self.offset + merged.done, end),
                    busy.get(resource, 0),
                    ops,
                    {tier: read for tier, (read, _) in own.items() if read},
                    {tier: written for tier, (_, written) in own.items() if written},
                    tuple(waits) if len(self.spans) == place else (),
                )
            )
        return place


def is_leaf(body: Body) -> bool:
    """Whether a body makes no calls."""
    for step in body.steps:
        match step:
            case Call():
                return False
            case Loop():
                inner = (step.body,)
            case Branch():
                inner = step.bodies
            case _:
                inner = ()
        if not all(is_leaf(each) for each in inner):
            return False
    return True


def add(total: Counter[Quantity], more: Mapping[Quantity, float]) -> None:
    """Add quantities."""
    for key, amount in more.items():
        total[key] += amount  # pyright: ignore[reportArgumentType]


def quantities(
    counters: Mapping[Quantity, float],
) -> tuple[dict[str, int], dict[str, tuple[int, int]], int, set[str]]:
    """Busy ticks by resource, bytes read and written by tier, ops, and the kernels they are of."""
    busy: Counter[str] = Counter()
    read: Counter[str] = Counter()
    written: Counter[str] = Counter()
    ops = 0
    kernels: set[str] = set()
    for key, amount in counters.items():
        match key.quantity:
            case "busy":
                busy[key.where] += int(amount)
            case "read":
                read[key.where] += int(amount)
            case "written":
                written[key.where] += int(amount)
            case "launches" | "copies":
                ops += int(amount)
                kernels.add(key.kernel)
            case _:
                pass
    moved = {tier: (read[tier], written[tier]) for tier in (*read, *written)}
    return busy, moved, max(ops, 1), kernels


def home(tier: str, taken: Mapping[str, Stretch]) -> str:
    """The resource whose span shows a tier's bytes: its channel, else the first that was taken."""
    channel = f"tier.{tier}"
    for resource in taken:
        if resource == channel or resource.startswith(f"{channel}."):
            return resource
    return next(iter(taken))
