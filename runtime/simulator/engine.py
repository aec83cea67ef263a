"""The time of a program by max-plus maps: each function and loop body is made into one, once per control values."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from dfc.runtime.machine import Target
from dfc.runtime.machine.access import channel_names
from dfc.runtime.simulator.maxplus import (
    Composition,
    Input,
    Later,
    Latest,
    Never,
    Row,
    Transform,
    add_counters,
)
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

CONTROL, END = 0, 1
"""Places of the control processor's time and of the latest event's in a state."""


def resource_names(target: Target) -> tuple[str, ...]:
    """Everything that serves one op at a time, besides the control processor."""
    return (
        *(f"unit.{name}" for name in target.unit),
        *(f"port.{name}" for name in target.port),
        *(channel for name in target.tier for channel in channel_names(target, name)),
        *(() if target.network is None else ("network",)),
    )


Environment = dict[int, int]
"""Values of control registers."""


@dataclass
class State:
    """The times an op can wait for: of the control processor, the latest event, the resources, and events by register."""

    fixed: list[Row]
    events: dict[int, Row]
    counters: Counter[Quantity] = field(default_factory=Counter[Quantity])


@dataclass(frozen=True)
class CallTime:
    """A call from rest: its ticks, what they are made of (the parts add up to them), and its quantities."""

    cycles: int
    composition: Composition
    counters: Mapping[Quantity, float]


class Engine:
    """Max-plus maps of function and loop bodies, remembered by their control values."""

    def __init__(self, target: Target) -> None:
        names = resource_names(target)
        self.places = {name: 2 + index for index, name in enumerate(names)}
        self.size = 2 + len(names)
        self._known: dict[tuple[Body, Values], Transform] = {}

    def call(self, plan: Plan, controls: Values) -> CallTime:
        """The time of a function called on an idle machine."""
        made = self.transform(plan.body, controls, captured=False)
        started = made.values[[CONTROL, END], : self.size]
        index, column = divmod(int(started.argmax()), self.size)
        row = (CONTROL, END)[index]
        return CallTime(
            int(started.max()), made.explain(row, column), dict(made.counters)
        )

    def transform(self, body: Body, controls: Values, captured: bool) -> Transform:
        """A body's map: from the state and the events it takes to the state and those it yields."""
        key = (body, controls)
        if key not in self._known:
            columns = self.size + len(body.events)
            rows: list[Row] = [Input(index, columns) for index in range(columns)]
            state = State(
                fixed=rows[: self.size],
                events=dict(zip(body.events, rows[self.size :], strict=True)),
            )
            environment = dict(zip(body.controls, controls, strict=True))
            self.run(body.steps, environment, state)
            made = [*state.fixed, *(state.events[event] for event in body.yields)]
            if captured:
                made += rows[len(made) :]
            self._known[key] = Transform(made, columns, state.counters)
        return self._known[key]

    def run(
        self, steps: Sequence[Step], environment: Environment, state: State
    ) -> None:
        """Instructions on a state."""
        for step in steps:
            match step:
                case Compute():
                    compute(step, environment)
                case Issue():
                    self.issue(step, environment, state)
                case Wait():
                    waited = [state.events[event] for event in step.events]
                    state.fixed[CONTROL] = Latest([state.fixed[CONTROL], *waited])
                case Start():
                    state.events[step.event] = Never(len(state.fixed[0].values))
                case Loop():
                    self.loop(step, environment, state)
                case Branch():
                    self.branch(step, environment, state)
                case Call():
                    self.enter(step, environment, state)

    def issue(self, step: Issue, environment: Environment, state: State) -> None:
        """A copy or launch: it starts once issued, its events have happened and its resources are free."""
        timing = step.timing(tuple(environment[r] for r in step.controls))
        fixed = state.fixed
        if step.issue:
            fixed[CONTROL] = Later(fixed[CONTROL], ((step.issued, step.issue),))
        places = [self.places[name] for name in timing.holds]
        after = [state.events[event] for event in step.after]
        start = Latest([fixed[CONTROL], *after, *(fixed[place] for place in places)])
        free = Later(start, timing.spent)
        for place in places:
            fixed[place] = free
        event = Later(free, timing.tail_spent) if timing.tail_spent else free
        state.events[step.event] = event
        fixed[END] = Latest([fixed[END], event])
        add_counters(state.counters, timing.counters, 1)

    def enter(self, step: Call, environment: Environment, state: State) -> None:
        """A call: its map applied to the state it meets."""
        controls = tuple(environment[r] for r in step.controls)
        made = self.transform(step.callee.body, controls, captured=False)
        rows = [*state.fixed, *(state.events[r] for r in step.arguments)]
        after = made.apply(rows)
        state.fixed = after[: self.size]
        state.events.update(zip(step.results, after[self.size :], strict=True))
        add_counters(state.counters, made.counters, 1)
        state.counters[Quantity("calls", step.callee.label, "")] += 1

    def loop(self, step: Loop, environment: Environment, state: State) -> None:
        """A loop: rounds whose control values are equal are one power of the body's map."""
        initial = {arg: init for init, arg, _ in step.events}
        rows = [
            *state.fixed,
            *(state.events[initial.get(r, r)] for r in step.body.events),
        ]
        for controls, rounds in rounds_of(step, environment):
            made = self.transform(step.body, controls, captured=True).power(rounds)
            rows = made.apply(rows)
            add_counters(state.counters, made.counters, 1)
        state.fixed = rows[: self.size]
        for place, (_, _, result) in enumerate(step.events):
            state.events[result] = rows[self.size + place]

    def branch(self, step: Branch, environment: Environment, state: State) -> None:
        """The body that the condition chooses."""
        body = choose(step, environment)
        self.run(body.steps, environment, state)
        for result, made in zip(step.events, body.yields, strict=True):
            state.events[result] = state.events[made]
        for result, made in zip(step.controls, body.control_yields, strict=True):
            environment[result] = environment[made]


def compute(step: Compute, environment: Environment) -> None:
    """A control register from others."""
    environment[step.out] = step.function(*(environment[r] for r in step.inputs))


def choose(step: Branch, environment: Environment) -> Body:
    """The body of a branch that its condition chooses."""
    return step.bodies[0 if environment[step.condition] else 1]


def trips_of(step: Loop, environment: Environment) -> range:
    """The values of a loop's induction variable."""
    low, high, by = (environment[r] for r in step.bounds)
    return range(low, high, by)


def rounds_of(step: Loop, environment: Environment) -> Iterator[tuple[Values, int]]:
    """The control values that a loop's rounds take, and how many in a row take the same; sets its control results."""
    trips = trips_of(step, environment)
    if not step.controls and step.induction not in step.body.controls:
        values = tuple(environment[r] for r in step.body.controls)
        if trips:
            yield values, len(trips)
        return
    for values, same in groupby(values_of(step, environment, trips)):
        yield values, sum(1 for _ in same)


def values_of(step: Loop, environment: Environment, trips: range) -> Iterator[Values]:
    """The control values of each round."""
    carried = [environment[init] for init, _, _ in step.controls]
    for trip in trips:
        inside = dict(environment)
        inside[step.induction] = trip
        inside.update(zip((arg for _, arg, _ in step.controls), carried, strict=True))
        yield tuple(inside[r] for r in step.body.controls)
        if step.controls:
            run_controls(step.body.steps, inside)
            carried = [inside[r] for r in step.body.control_yields]
    for (_, _, result), value in zip(step.controls, carried, strict=True):
        environment[result] = value


def run_controls(steps: Sequence[Step], environment: Environment) -> None:
    """Only the control values of instructions."""
    for step in steps:
        match step:
            case Compute():
                compute(step, environment)
            case Loop() if step.controls:
                for _ in values_of(step, environment, trips_of(step, environment)):
                    pass
            case Branch() if step.controls:
                body = choose(step, environment)
                run_controls(body.steps, environment)
                for result, made in zip(
                    step.controls, body.control_yields, strict=True
                ):
                    environment[result] = environment[made]
            case _:
                pass
