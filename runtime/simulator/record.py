"""The time of a program op by op: every event with what it waited for, nothing skipped."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dfc.runtime.machine import Target
from dfc.runtime.simulator.engine import (
    Environment,
    choose,
    compute,
    resource_names,
    trips_of,
)
from dfc.runtime.simulator.maxplus import Composition, add_counters
from dfc.runtime.simulator.plan import (
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
from dfc.runtime.simulator.timing import Category, Spent
from dfc.runtime.simulator.timing import Counter as Quantity


@dataclass(frozen=True)
class Record:
    """
    One op on its resource, from `start` to `end`, in ticks.

    `waited_for` is the record whose end, or whose freeing of a resource at `free`, let it start;
    `None` when nothing did. What it spent adds up to `end - start`; up to `free` it held its
    resources.
    """

    name: str
    kernel: str
    resource: str
    start: int
    free: int
    end: int
    waited_for: int | None
    spent: Spent


@dataclass(frozen=True)
class Timeline:
    """All records of a call in program order, and its latency: the end of the last of them."""

    records: tuple[Record, ...]
    counters: dict[Quantity, float]

    @property
    def cycles(self) -> int:
        """The end of the last event."""
        return max((record.end for record in self.records), default=0)

    def critical_path(self) -> list[tuple[Record, Spent]]:
        """
        The records that set the latency, first to last, with the part of each that counts.

        A record waited for by a resource counts up to `free`, one waited for by its event up to
        `end`. The parts add up to the latency.
        """
        if not self.records:
            return []
        path: list[tuple[Record, Spent]] = []
        at = max(range(len(self.records)), key=lambda i: self.records[i].end)
        until = self.records[at].end
        while True:
            record = self.records[at]
            path.append((record, _until(record, until)))
            if record.waited_for is None:
                return path[::-1]
            at, until = record.waited_for, record.start

    def composition(self) -> Composition:
        """What the latency is made of."""
        found: Counter[Category] = Counter()
        for _, spent in self.critical_path():
            for category, ticks in spent:
                found[category] += ticks
        return found


def _until(record: Record, until: int) -> Spent:
    """What a record spent up to the moment at which the next one could start."""
    left = until - record.start
    found: list[tuple[Category, int]] = []
    for category, ticks in record.spent:
        found.append((category, min(ticks, left)))
        left -= min(ticks, left)
    return tuple(found)


@dataclass(frozen=True)
class Moment:
    """A time and the record that made it."""

    at: int = 0
    record: int | None = None


NEVER = Moment(-1)


def latest(moments: Sequence[Moment]) -> Moment:
    """The latest of moments; of equal ones the first."""
    return max(moments, key=lambda moment: moment.at)


@dataclass
class Recorder:
    """A machine that runs instructions one by one."""

    target: Target
    records: list[Record] = field(default_factory=list[Record])
    counters: Counter[Quantity] = field(default_factory=Counter[Quantity])
    control: Moment = Moment()
    free: dict[str, Moment] = field(default_factory=dict[str, Moment])

    def call(self, plan: Plan, controls: Values) -> Timeline:
        """A function called on an idle machine."""
        self.free = dict.fromkeys(resource_names(self.target), Moment())
        environment = dict(zip(plan.body.controls, controls, strict=True))
        self.run(plan.body.steps, environment, {})
        return Timeline(tuple(self.records), dict(self.counters))

    def run(
        self,
        steps: Sequence[Step],
        environment: Environment,
        events: dict[int, Moment],
    ) -> None:
        """Instructions in program order."""
        for step in steps:
            match step:
                case Compute():
                    compute(step, environment)
                case Issue():
                    self.issue(step, environment, events)
                case Wait():
                    waited = [events[event] for event in step.events]
                    self.control = latest([self.control, *waited])
                case Start():
                    events[step.event] = NEVER
                case Loop():
                    self.loop(step, environment, events)
                case Branch():
                    self.branch(step, environment, events)
                case Call():
                    self.enter(step, environment, events)

    def record(self, record: Record) -> int:
        """Keep a record; its place in the list."""
        self.records.append(record)
        return len(self.records) - 1

    def issue(
        self, step: Issue, environment: Environment, events: dict[int, Moment]
    ) -> None:
        """A copy or launch, after the control processor has issued it."""
        timing = step.timing(tuple(environment[r] for r in step.controls))
        issued = self.control.at + step.issue
        if step.issue:
            record = Record(
                name=f"issue {step.name}",
                kernel=step.kernel,
                resource="control",
                start=self.control.at,
                free=issued,
                end=issued,
                waited_for=self.control.record,
                spent=((step.issued, step.issue),),
            )
            self.control = Moment(issued, self.record(record))
        start = latest(
            [
                self.control,
                *(events[event] for event in step.after),
                *(self.free[name] for name in timing.holds),
            ]
        )
        free = start.at + timing.hold
        record = Record(
            name=step.name,
            kernel=step.kernel,
            resource=timing.holds[0] if timing.holds else "",
            start=start.at,
            free=free,
            end=free + timing.tail,
            waited_for=start.record,
            spent=(*timing.spent, *timing.tail_spent),
        )
        place = self.record(record)
        for name in timing.holds:
            self.free[name] = Moment(free, place)
        events[step.event] = Moment(record.end, place)
        add_counters(self.counters, timing.counters, 1)

    def enter(
        self, step: Call, environment: Environment, events: dict[int, Moment]
    ) -> None:
        """A call: the callee's registers are its own."""
        callee = step.callee
        controls = (environment[r] for r in step.controls)
        inside = dict(zip(callee.body.controls, controls, strict=True))
        given = (events[r] for r in step.arguments)
        made = dict(zip(callee.body.events, given, strict=True))
        self.run(callee.body.steps, inside, made)
        for result, event in zip(step.results, callee.body.yields, strict=True):
            events[result] = made[event]
        self.counters[Quantity("calls", callee.label, "")] += 1

    def loop(
        self, step: Loop, environment: Environment, events: dict[int, Moment]
    ) -> None:
        """A loop, round by round."""
        carried = [events[init] for init, _, _ in step.events]
        values = [environment[init] for init, _, _ in step.controls]
        for trip in trips_of(step, environment):
            environment[step.induction] = trip
            for (_, arg, _), value in zip(step.controls, values, strict=True):
                environment[arg] = value
            for (_, arg, _), event in zip(step.events, carried, strict=True):
                events[arg] = event
            self.run(step.body.steps, environment, events)
            carried = [events[r] for r in step.body.yields]
            values = [environment[r] for r in step.body.control_yields]
        for (_, _, result), event in zip(step.events, carried, strict=True):
            events[result] = event
        for (_, _, result), value in zip(step.controls, values, strict=True):
            environment[result] = value

    def branch(
        self, step: Branch, environment: Environment, events: dict[int, Moment]
    ) -> None:
        """The body that the condition chooses."""
        body = choose(step, environment)
        self.run(body.steps, environment, events)
        for result, made in zip(step.events, body.yields, strict=True):
            events[result] = events[made]
        for result, made in zip(step.controls, body.control_yields, strict=True):
            environment[result] = environment[made]
