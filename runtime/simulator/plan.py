"""Functions as short instruction lists over registers, so that simulating them touches no IR."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from xdsl.ir import Operation

from dfc.runtime.simulator.control import Function
from dfc.runtime.simulator.timing import Category, Timing

Values = tuple[int, ...]


@dataclass
class Compute:
    """A control register from others."""

    out: int
    function: Function
    inputs: tuple[int, ...]


@dataclass
class Issue:
    """A copy, launch, collective or configure: its time for the control values it depends on, remembered."""

    name: str
    kernel: str
    issue: int
    issued: Category
    after: tuple[int, ...]
    event: int
    controls: tuple[int, ...]
    model: Callable[[Values], Timing]
    known: dict[Values, Timing] = field(default_factory=dict[Values, Timing])

    def timing(self, values: Values) -> Timing:
        """The op's time for these values of its control operands."""
        found = self.known.get(values)
        if found is None:
            found = self.known[values] = self.model(values)
        return found


@dataclass
class Wait:
    """The control processor stops until the events have happened."""

    events: tuple[int, ...]


@dataclass
class Start:
    """An event that has happened."""

    event: int


@dataclass(eq=False)
class Body:
    """
    The instructions of a block.

    `controls` and `events` are the registers that come from outside of it, the block's own
    arguments first. `sources` are the ops the instructions stand for, one each.
    """

    steps: list["Step"]
    controls: tuple[int, ...]
    events: tuple[int, ...]
    yields: tuple[int, ...] = ()
    control_yields: tuple[int, ...] = ()
    sources: tuple[Operation, ...] = ()


@dataclass
class Loop:
    """`scf.for`: registers of the bounds, of what goes round, and of the results."""

    bounds: tuple[int, int, int]
    induction: int
    body: Body
    events: tuple[tuple[int, int, int], ...]
    controls: tuple[tuple[int, int, int], ...]


@dataclass
class Branch:
    """`scf.if`: a condition, two bodies, and the registers of its results."""

    condition: int
    bodies: tuple[Body, Body]
    events: tuple[int, ...]
    controls: tuple[int, ...]


@dataclass
class Call:
    """`func.call`: the control and event registers given, and those of the events returned."""

    callee: "Plan"
    controls: tuple[int, ...]
    arguments: tuple[int, ...]
    results: tuple[int, ...]


Step = Compute | Issue | Wait | Start | Loop | Branch | Call


@dataclass
class Plan:
    """
    A function: its body, and the argument indices of its control registers and events.

    `label` is the name of the kernel it is, or its own.
    """

    name: str
    label: str
    origin: str
    body: Body
    control_arguments: tuple[int, ...]
    event_arguments: tuple[int, ...]


def made_by(steps: Sequence[Step]) -> set[int]:
    """Registers that instructions write."""
    found: set[int] = set()
    for step in steps:
        match step:
            case Compute():
                found.add(step.out)
            case Issue() | Start():
                found.add(step.event)
            case Loop():
                found |= {result for _, _, result in (*step.events, *step.controls)}
            case Branch():
                found |= {*step.events, *step.controls}
            case Call():
                found |= set(step.results)
            case Wait():
                pass
    return found


def issues(steps: Iterable[Step]) -> Iterator[Issue]:
    """The copies and launches among instructions and in the loops and branches there."""
    for step in steps:
        match step:
            case Issue():
                yield step
            case Loop():
                yield from issues(step.body.steps)
            case Branch():
                for body in step.bodies:
                    yield from issues(body.steps)
            case _:
                pass


Registers = dict[int, None]


def outside(steps: Sequence[Step]) -> tuple[Registers, Registers]:
    """The control and the event registers that instructions read before they are written."""
    controls: Registers = {}
    events: Registers = {}
    for index, step in enumerate(steps):
        made = made_by(steps[:index])
        read_controls, read_events = read_by(step)
        controls |= dict.fromkeys(r for r in read_controls if r not in made)
        events |= dict.fromkeys(r for r in read_events if r not in made)
    return controls, events


def read_by(step: Step) -> tuple[Sequence[int], Sequence[int]]:
    """The control and the event registers that an instruction reads."""
    match step:
        case Compute():
            return step.inputs, ()
        case Issue():
            return step.controls, step.after
        case Wait():
            return (), step.events
        case Start():
            return (), ()
        case Loop():
            return _read_by_loop(step)
        case Branch():
            bodies = step.bodies
            return (
                (step.condition, *(r for body in bodies for r in body.controls)),
                [r for body in bodies for r in body.events],
            )
        case Call():
            return step.controls, step.arguments


def _read_by_loop(step: Loop) -> tuple[Sequence[int], Sequence[int]]:
    """What comes into a loop: bounds, starting values, and what its body takes from around it."""
    inner = {step.induction} | {arg for _, arg, _ in (*step.events, *step.controls)}
    return (
        (
            *step.bounds,
            *(init for init, _, _ in step.controls),
            *(r for r in step.body.controls if r not in inner),
        ),
        (
            *(init for init, _, _ in step.events),
            *(r for r in step.body.events if r not in inner),
        ),
    )
