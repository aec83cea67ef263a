"""
A run as spans: op by op where it is new, one span per resource where it repeats.

It walks the program as the recorder does, with times instead of maps. The first rounds of a loop and
the first call of a kernel with its control values are told op by op; other calls are one span per
resource, and the other rounds are skipped by the power of their map, so the times stay exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfc.runtime.report.recording import CallSpan
from dfc.runtime.simulator.calls import Simulator
from dfc.runtime.simulator.engine import (
    CONTROL,
    END,
    Environment,
    choose,
    compute,
    resource_names,
    rounds_of,
)
from dfc.runtime.simulator.lifetimes import Buffer, Life, buffers_of
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
from dfc.runtime.simulator.told import Story, Stretch, Teller

ROUNDS = 3
"""Rounds of a loop that are told op by op."""


@dataclass(frozen=True)
class Event:
    """When an event happens, and the story of the copy that makes it."""

    at: int
    copy: Story | None = None


Events = dict[int, Event]


@dataclass(frozen=True)
class Frame:
    """Where a walk is: control values, events, and the story that ops become part of; none if each has its own."""

    environment: Environment
    events: Events
    story: Story | None


class History:
    """The spans, calls and live buffers of calls that follow each other, from tick 0."""

    def __init__(self, simulator: Simulator) -> None:
        self.engine = simulator.engine
        self.names = resource_names(simulator.target)
        self.teller = Teller()
        self.calls: list[CallSpan] = []
        self.lives: list[Life] = []
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
            self.function(plan, controls, {}, None)
        else:
            story = Story(name)
            self.skip(plan.body, controls, {}, story, 1, captured=False)
            self.teller.tell(story, self.offset)
        end = self.offset + max(self.control, self.end)
        self.calls.append(CallSpan(name, self.offset, end, recorded))

    def function(
        self, plan: Plan, controls: Values, events: Events, story: Story | None
    ) -> Stretch:
        """A function's steps; its buffers live from the first step that uses them to the last."""
        environment = dict(zip(plan.body.controls, controls, strict=True))
        stretches = self.run(plan.body.steps, Frame(environment, events, story))
        whole = Stretch()
        whole.include(stretches)
        if plan.name not in self.buffers:
            self.buffers[plan.name] = buffers_of(plan.body)
        for buffer in self.buffers[plan.name]:
            used = Stretch()
            last = None if buffer.last is None else buffer.last + 1
            used.include(stretches[buffer.first : last])
            if used.start is not None:
                start, end = self.offset + used.start, self.offset + used.end
                place = (buffer.tier, buffer.low, buffer.high)
                self.lives.append(Life(*place, start, end))
        return whole

    def run(self, steps: Sequence[Step], frame: Frame) -> list[Stretch]:
        """Instructions in program order, and when each of them ran."""
        return [self.step(step, frame) for step in steps]

    def step(self, step: Step, frame: Frame) -> Stretch:
        """One instruction."""
        match step:
            case Compute():
                compute(step, frame.environment)
            case Wait():
                times = (frame.events[event].at for event in step.events)
                self.control = max(self.control, *times)
            case Start():
                frame.events[step.event] = Event(NEVER)
            case Issue():
                return self.issue(step, frame)
            case Loop():
                return self.loop(step, frame)
            case Branch():
                return self.branch(step, frame)
            case Call():
                return self.call(step, frame)
        return Stretch()

    def issue(self, step: Issue, frame: Frame) -> Stretch:
        """A copy or launch, as the engine times it."""
        timing = step.timing(tuple(frame.environment[r] for r in step.controls))
        self.control += step.issue
        waits = [frame.events[event] for event in step.after]
        freed = (self.free[name] for name in timing.holds)
        start = max(self.control, *(event.at for event in waits), *freed, 0)
        free = start + timing.hold
        done = free + timing.tail
        self.free.update(dict.fromkeys(timing.holds, free))
        self.end = max(self.end, done)
        story = frame.story or Story(step.name)
        copies = [event.copy for event in waits if event.copy is not None]
        is_copy = story.add(timing, start, done, copies)
        if frame.story is None:
            self.teller.tell(story, self.offset)
        frame.events[step.event] = Event(done, story if is_copy else None)
        return Stretch(start, done)

    def call(self, step: Call, frame: Frame) -> Stretch:
        """A call: op by op the first time, then as one if it makes no calls itself."""
        callee = step.callee
        controls = tuple(frame.environment[r] for r in step.controls)
        given = (frame.events[r] for r in step.arguments)
        made = dict(zip(callee.body.events, given, strict=True))
        story = frame.story
        if story is None and is_leaf(callee.body) and self.is_known(callee, controls):
            story = Story(callee.label)
        ran = self.function(callee, controls, made, story)
        if story is not None and story is not frame.story:
            self.teller.tell(story, self.offset)
        for result, event in zip(step.results, callee.body.yields, strict=True):
            frame.events[result] = made[event]
        return ran

    def is_known(self, callee: Plan, controls: Values) -> bool:
        """Whether this call has been told op by op, or too much has; it counts as told from now on."""
        key = (callee.name, controls)
        seen = key in self.known or self.teller.is_full
        self.known.add(key)
        return seen

    def loop(self, step: Loop, frame: Frame) -> Stretch:
        """A loop: its first rounds one by one, the others at once behind one more that says when they start."""
        whole, told = Stretch(), 0
        rest = frame.story or Story("other rounds")
        events = frame.events
        for init, arg, _ in step.events:
            events[arg] = events[init]
        for controls, count in rounds_of(step, frame.environment):
            alone = 0 if frame.story else min(count, max(ROUNDS - told, 0))
            told += alone
            stories = [None] * alone + [rest] * min(count - alone, 1)
            whole.include(self.walk(step, controls, events, stories))
            left = count - len(stories)
            if left:
                whole.include([self.skip(step.body, controls, events, rest, left)])
        if rest is not frame.story:
            self.teller.tell(rest, self.offset)
        for _, arg, result in step.events:
            events[result] = events[arg]
        return whole

    def walk(
        self,
        step: Loop,
        controls: Values,
        events: Events,
        stories: Sequence[Story | None],
    ) -> list[Stretch]:
        """Rounds of a loop one by one, each as part of a story; what goes round is left in its arguments."""
        ran: list[Stretch] = []
        for story in stories:
            environment = dict(zip(step.body.controls, controls, strict=True))
            ran += self.run(step.body.steps, Frame(environment, events, story))
            given = [events[event] for event in step.body.yields]
            for (_, arg, _), event in zip(step.events, given, strict=True):
                events[arg] = event
        return ran

    def skip(
        self,
        body: Body,
        controls: Values,
        events: Events,
        story: Story,
        rounds: int,
        captured: bool = True,
    ) -> Stretch:
        """Rounds of a body at once; what it yields goes round."""
        made = self.engine.transform(body, controls, captured).power(rounds)
        before = [self.control, self.end, *self.free.values()]
        before += [events[event].at for event in body.events]
        after = np.maximum((made.values + np.array(before, np.int64)).max(1), NEVER)
        times = [int(time) for time in after]
        whole = Stretch()
        for name, time in zip(self.names, times[2 : self.engine.size], strict=True):
            if time != self.free[name]:
                story.take(name, self.free[name], time)
                whole.cover(time, time)
        if times[END] > self.end:
            story.done = max(story.done, times[END])
            whole.cover(times[END], times[END])
        self.control, self.end = times[CONTROL], times[END]
        self.free = dict(zip(self.names, times[2 : self.engine.size], strict=True))
        for event, time in zip(body.events, times[self.engine.size :], strict=True):
            events[event] = Event(time)
        story.count(made.counters)
        return whole

    def branch(self, step: Branch, frame: Frame) -> Stretch:
        """The body that the condition chooses."""
        body = choose(step, frame.environment)
        whole = Stretch()
        whole.include(self.run(body.steps, frame))
        for result, made in zip(step.events, body.yields, strict=True):
            frame.events[result] = frame.events[made]
        for result, made in zip(step.controls, body.control_yields, strict=True):
            frame.environment[result] = frame.environment[made]
        return whole


def is_leaf(body: Body) -> bool:
    """Whether a body makes no calls."""
    for step in body.steps:
        match step:
            case Call():
                return False
            case Loop():
                inner: tuple[Body, ...] = (step.body,)
            case Branch():
                inner = step.bodies
            case _:
                inner = ()
        if not all(is_leaf(each) for each in inner):
            return False
    return True
