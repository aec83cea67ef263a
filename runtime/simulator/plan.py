"""Functions as short instruction lists over registers, so that simulating them touches no IR."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from xdsl.dialects import func, scf
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.ir import Block, Operation, SSAValue

from dfc.dialects import accel, tier
from dfc.runtime.errors import ExecutionError
from dfc.runtime.machine import Target
from dfc.runtime.simulator.control import Function, function_of, is_control
from dfc.runtime.simulator.needs import Needs, launch_needs
from dfc.runtime.simulator.timing import (
    Category,
    Timing,
    configure_timing,
    copy_timing,
    issue_ticks,
    launch_timing,
)

Values = tuple[int, ...]


@dataclass
class Compute:
    """A control register from others."""

    out: int
    function: Function
    inputs: tuple[int, ...]


@dataclass
class Issue:
    """A copy, launch or configure: its time for the control values it depends on, remembered."""

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
    arguments first.
    """

    steps: list["Step"]
    controls: tuple[int, ...]
    events: tuple[int, ...]
    yields: tuple[int, ...] = ()
    control_yields: tuple[int, ...] = ()


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


IGNORED = ("memref.", "tier.alloc", "arith.", "builtin.", "affine.")
TIMED_MEMREF = ("memref.load", "memref.store", "memref.copy")


class Planner:
    """Plans of a module's functions, each made once."""

    def __init__(self, module: ModuleOp, target: Target) -> None:
        self.target = target
        self.functions = {
            op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp)
        }
        self.needs = Needs(self.functions)
        self.plans: dict[str, Plan] = {}

    def plan(self, name: str) -> Plan:
        """The plan of a function."""
        if name not in self.functions:
            raise ExecutionError(
                f"expected a function `{name}`, the module has {', '.join(self.functions)}"
            )
        if name not in self.plans:
            self.plans[name] = _FunctionPlanner(self, name).plan()
        return self.plans[name]


def text_of(attr: object) -> str:
    """A string attribute's text, or the texts of an array joined."""
    if isinstance(attr, StringAttr):
        return attr.data
    if isinstance(attr, ArrayAttr):
        return ", ".join(text_of(item) for item in cast("ArrayAttr[Any]", attr).data)
    return ""


class _FunctionPlanner:
    """Registers and instructions of one function."""

    def __init__(self, planner: Planner, name: str) -> None:
        self.planner, self.name = planner, name
        self.function = planner.functions[name]
        self.needed = planner.needs.of(name)
        self.label = text_of(self.function.attributes.get("accel.kernel")) or name
        self._registers: dict[SSAValue, int] = {}

    def plan(self) -> Plan:
        block = self.function.body.block
        needed = self.planner.needs.arguments(self.name)
        return Plan(
            name=self.name,
            label=self.label,
            origin=text_of(self.function.attributes.get("dfc.origin")),
            body=self.body(block),
            control_arguments=needed,
            event_arguments=tuple(
                arg.index for arg in block.args if isinstance(arg.type, accel.EventType)
            ),
        )

    def register(self, value: SSAValue) -> int:
        """The register of a control value or an event."""
        return self._registers.setdefault(value, len(self._registers))

    def registers(self, values: Sequence[SSAValue]) -> tuple[int, ...]:
        """The registers of values."""
        return tuple(self.register(value) for value in values)

    def events(self, values: Sequence[SSAValue]) -> tuple[int, ...]:
        """The registers of those values that are events."""
        return self.registers(
            [value for value in values if isinstance(value.type, accel.EventType)]
        )

    def body(self, block: Block) -> Body:
        """The instructions of a block, and what they take from outside."""
        steps = [step for op in block.ops for step in self.steps(op)]
        last = block.last_op
        given = list(last.operands) if last is not None else []
        yields = self.events(given)
        control_yields = self.registers([v for v in given if v in self.needed])
        controls, events = outside(steps)
        made = made_by(steps)
        controls |= dict.fromkeys(r for r in control_yields if r not in made)
        events |= dict.fromkeys(r for r in yields if r not in made)
        arguments = [arg for arg in block.args if arg in self.needed]
        return Body(
            steps=steps,
            controls=tuple(dict.fromkeys((*self.registers(arguments), *controls))),
            events=tuple(dict.fromkeys((*self.events(block.args), *events))),
            yields=yields,
            control_yields=control_yields,
        )

    def steps(self, op: Operation) -> Iterator[Step]:
        """The instructions of one op."""
        if isinstance(op, accel.LaunchOp | tier.CopyOp | accel.ConfigureOp):
            yield self.issue(op)
        elif isinstance(op, accel.WaitOp):
            yield Wait(self.registers(op.events))
        elif isinstance(op, accel.StartOp):
            yield Start(self.register(op.event))
        elif isinstance(op, scf.ForOp):
            yield self.loop(op)
        elif isinstance(op, scf.IfOp):
            yield self.branch(op)
        elif isinstance(op, func.CallOp):
            yield self.call(op)
        elif any(result in self.needed for result in op.results):
            inputs = [v for v in op.operands if is_control(v.type)]
            yield Compute(
                self.register(op.results[0]), function_of(op), self.registers(inputs)
            )
        elif not self.is_ignored(op):
            raise ExecutionError(
                f"expected a module at program level, got `{op.name}` in `@{self.name}`,"
                " which has no time of its own; lower it to `accel.launch` and `tier.copy` first"
            )

    def is_ignored(self, op: Operation) -> bool:
        """Whether an op takes no time: views, buffers and index arithmetic."""
        if op.name in ("func.return", "scf.yield"):
            return True
        return op.name.startswith(IGNORED) and op.name not in TIMED_MEMREF

    def issue(self, op: accel.LaunchOp | tier.CopyOp | accel.ConfigureOp) -> Issue:
        """A copy, launch or configure."""
        target, kernel = self.planner.target, self.label
        ticks, evidence = issue_ticks(target, op)
        needs = list(launch_needs(op)) if isinstance(op, accel.LaunchOp) else []
        return Issue(
            name=_name(op),
            kernel=kernel,
            issue=ticks,
            issued=Category(kernel, "control", "issue", evidence),
            after=self.registers(op.after),
            event=self.register(op.event),
            controls=self.registers([value for _, value in needs]),
            model=_model(target, kernel, op, [argument for argument, _ in needs]),
        )

    def loop(self, op: scf.ForOp) -> Loop:
        """A loop; events and needed control values go round."""
        body = self.body(op.body.block)
        inner = op.body.block.args[1:]
        carried = list(zip(op.iter_args, inner, op.results, strict=True))
        return Loop(
            bounds=(
                self.register(op.lb),
                self.register(op.ub),
                self.register(op.step),
            ),
            induction=self.register(op.body.block.args[0]),
            body=body,
            events=tuple(
                (self.register(init), self.register(arg), self.register(result))
                for init, arg, result in carried
                if isinstance(arg.type, accel.EventType)
            ),
            controls=tuple(
                (self.register(init), self.register(arg), self.register(result))
                for init, arg, result in carried
                if arg in self.needed or result in self.needed
            ),
        )

    def branch(self, op: scf.IfOp) -> Branch:
        """A branch; one without an else has an empty body there."""
        empty = Body([], (), ())
        regions = (op.true_region, op.false_region)
        true, false = (
            self.body(region.block) if region.blocks else empty for region in regions
        )
        return Branch(
            condition=self.register(op.cond),
            bodies=(true, false),
            events=self.events(op.results),
            controls=self.registers([r for r in op.results if r in self.needed]),
        )

    def call(self, op: func.CallOp) -> Call:
        """A call; its control arguments are those the callee's time depends on."""
        callee = self.planner.plan(op.callee.root_reference.data)
        return Call(
            callee=callee,
            controls=self.registers(
                [op.arguments[i] for i in callee.control_arguments]
            ),
            arguments=self.registers([op.arguments[i] for i in callee.event_arguments]),
            results=self.events(op.res),
        )


def _name(op: Operation) -> str:
    """What to call an op in a record: its unit or its tiers, and its origin where it has one."""
    if isinstance(op, tier.CopyOp):
        what = f"copy {tier.tier_of(op.source)} to {tier.tier_of(op.target)}"
    elif isinstance(op, accel.LaunchOp | accel.ConfigureOp):
        what = f"{op.name.removeprefix('accel.')} {op.unit.data}"
    else:
        what = op.name
    origin = text_of(op.attributes.get("dfc.origin"))
    return f"{what} ({origin})" if origin else what


def _model(
    target: Target,
    kernel: str,
    op: accel.LaunchOp | tier.CopyOp | accel.ConfigureOp,
    arguments: Sequence[SSAValue],
) -> Callable[[Values], Timing]:
    """The time of an op as a function of the values of the body arguments it depends on."""
    if isinstance(op, tier.CopyOp):
        return lambda _: copy_timing(target, kernel, op)
    if isinstance(op, accel.ConfigureOp):
        return lambda _: configure_timing(target, kernel, op)

    def model(values: Values) -> Timing:
        known = dict(zip(arguments, values, strict=True))
        return launch_timing(target, kernel, op, known.get)

    return model


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
