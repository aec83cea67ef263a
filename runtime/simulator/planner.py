"""Plans of a module's functions, from its IR."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from xdsl.dialects import func, scf
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.ir import Block, Operation, SSAValue

from dfc.dialects import accel, socket, tier
from dfc.runtime.errors import ExecutionError
from dfc.runtime.machine import Target
from dfc.runtime.simulator.control import function_of, is_control
from dfc.runtime.simulator.exchange import exchange_timing
from dfc.runtime.simulator.needs import Needs, launch_needs, reads_data
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
    made_by,
    outside,
)
from dfc.runtime.simulator.timing import (
    Category,
    Timing,
    configure_timing,
    copy_timing,
    issue_ticks,
    launch_timing,
)

Issued = accel.LaunchOp | tier.CopyOp | socket.ExchangeOp | accel.ConfigureOp
"""What the control processor issues."""

IGNORED = ("memref.", "tier.alloc", "arith.", "builtin.", "affine.")
TIMED_MEMREF = ("memref.store", "memref.copy")


class Planner:
    """Plans of a module's functions, each made once."""

    def __init__(
        self, module: ModuleOp, target: Target, fallback: bool = False
    ) -> None:
        self.target = target
        self.fallback = fallback
        """Whether branches on data are taken."""
        self.data_branches = 0
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
        pairs = [(step, op) for op in block.ops for step in self.steps(op)]
        steps = [step for step, _ in pairs]
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
            sources=tuple(op for _, op in pairs),
        )

    def steps(self, op: Operation) -> Iterator[Step]:
        """The instructions of one op."""
        if isinstance(op, Issued):
            yield self.issue(op)
        elif isinstance(op, accel.WaitOp):
            yield Wait(self.registers(op.events))
        elif isinstance(op, accel.StartOp):
            yield Start(self.register(op.event))
        elif isinstance(op, scf.ForOp):
            yield self.loop(op)
        elif isinstance(op, scf.IfOp):
            if reads_data(op.cond):
                yield self.assumption(op)
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

    def issue(self, op: Issued) -> Issue:
        """A copy, launch, collective or configure."""
        target = self.planner.target
        kernel = op.kind.data if isinstance(op, socket.ExchangeOp) else self.label
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

    def assumption(self, op: scf.IfOp) -> Compute:
        """What is taken for the condition of a branch on data."""
        self.planner.data_branches += 1
        taken = int(self.planner.fallback)
        return Compute(self.register(op.cond), lambda: taken, ())

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
    elif isinstance(op, socket.ExchangeOp):
        what = op.kind.data
    elif isinstance(op, accel.LaunchOp | accel.ConfigureOp):
        what = f"{op.name.removeprefix('accel.')} {op.unit.data}"
    else:
        what = op.name
    origin = text_of(op.attributes.get("dfc.origin"))
    return f"{what} ({origin})" if origin else what


def _model(
    target: Target,
    kernel: str,
    op: Issued,
    arguments: Sequence[SSAValue],
) -> Callable[[Values], Timing]:
    """The time of an op as a function of the values of the body arguments it depends on."""
    if isinstance(op, tier.CopyOp):
        return lambda _: copy_timing(target, kernel, op)
    if isinstance(op, socket.ExchangeOp):
        return lambda _: exchange_timing(target, kernel, op)
    if isinstance(op, accel.ConfigureOp):
        return lambda _: configure_timing(target, kernel, op)

    def model(values: Values) -> Timing:
        known = dict(zip(arguments, values, strict=True))
        return launch_timing(target, kernel, op, known.get)

    return model
