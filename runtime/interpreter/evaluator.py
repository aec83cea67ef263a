"""xDSL's interpreter with numpy values, errors that name the op, and a machine."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    OpImplResult,
    PythonValues,
    ReturnedValues,
)
from xdsl.ir import Block, Operation
from xdsl.utils.exceptions import InterpretationError

from dfc.dialects import accel
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array, is_array
from dfc.runtime.interpreter.hook import KernelHook
from dfc.runtime.interpreter.machine import Machine
from dfc.runtime.interpreter.meeting import Meeting
from dfc.runtime.interpreter.naming import describe, identities, layer
from dfc.runtime.interpreter.order import Clock, Place, Step
from dfc.runtime.interpreter.quantize import quantize
from dfc.runtime.interpreter.trips import Rows
from dfc.runtime.interpreter.written import written_arguments
from dfc.runtime.machine import Target, lanes_of


@dataclass
class Loops:
    """The iteration space of the `linalg` op whose body runs."""

    sizes: tuple[int, ...]
    fixed: dict[int, int] = field(default_factory=dict[int, int])
    """Loops that are run one by one, with where they are."""
    firings: int = 0
    """How many of the first loops are not the op's own, but run over firings of a body."""


class Evaluator(Interpreter):
    """Runs ops on numpy values; subclasses of `InterpreterFunctions` say how, by dialect."""

    def __init__(
        self,
        module: ModuleOp,
        functions: Sequence[InterpreterFunctions],
        hook: KernelHook | None = None,
        target: Target | None = None,
        meeting: Meeting | None = None,
        socket: int = 0,
    ) -> None:
        super().__init__(module)
        self.meeting = meeting or Meeting(1)
        self.socket = socket
        """Which socket of the meeting this is."""
        self.hook = hook or KernelHook()
        self.watched = hook is not None
        self.target = target
        tiers = {} if target is None else target.tier
        self.machine = Machine({name: t.capacity_bytes for name, t in tiers.items()})
        self.loops: list[Loops] = []
        self.trips: list[tuple[int, ...]] = []
        """Where the stream nodes are whose bodies run."""
        self.rows: list[Rows | None] = []
        """How far the innermost trips go in the graphs that run."""
        self.path: list[str] = []
        """The calls that are running, outermost first."""
        self.kernel = ""
        self.ordered = any(isinstance(op, accel.LaunchOp) for op in module.walk())
        """Whether events order the ops (at *program*), rather than the text."""
        self._written: dict[func.FuncOp, frozenset[int]] = {}
        for each in functions:
            self.register_implementations(each)

    def _run_op(self, op: Operation, inputs: PythonValues) -> OpImplResult:
        # not `_impls.run`: on an error it prints the whole module at every nesting
        known = self._impls._impl_dict  # pyright: ignore[reportPrivateUsage]
        if type(op) not in known:
            raise ExecutionError(f"no way is known to execute {describe(op)}")
        functions, implementation = known[type(op)]
        try:
            result = implementation(functions, self, op, inputs)
        except (ValueError, TypeError, IndexError, InterpretationError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise ExecutionError(
                f"{describe(op)} cannot be executed: {reason}"
            ) from error
        for listener in self.listeners:
            listener.did_interpret_op(op, result.values)
        return result

    @property
    def place(self) -> Place:
        """Where the program is."""
        return Place(tuple(self.path), self.kernel)

    def meet(self, op: Operation, value: Array) -> tuple[Array, ...]:
        """The values that all sockets hand in at a collective, in their order."""
        return self.meeting.values(self.socket, op, value)

    def quantize(self, op: Operation, x: Array) -> tuple[Array, Array]:
        """int8 rows and scales of x (rows x columns), seen by the hook."""
        q, s = quantize(x)
        new_q, new_s = self.hook.quantized(layer(op), tuple(self.path), x, q, s)
        rest = slice(len(new_q), None)
        return np.concatenate([new_q, q[rest]]), np.concatenate([new_s, s[rest]])

    def run_block(self, block: Block, args: Sequence[Any]) -> PythonValues:
        """The values a straight block yields or returns for these arguments."""
        self.push_scope()
        self.set_values(zip(block.args, args, strict=True))
        watched = self.watched and isinstance(block.parent_op(), func.FuncOp)
        values: PythonValues = ()
        for op in block.ops:
            result = self._run_op(op, self.get_values(op.operands))
            made = self._shown(op, result.values) if watched else result.values
            self.set_values(zip(op.results, made, strict=True))
            if isinstance(result.terminator_value, ReturnedValues):
                values = result.terminator_value.values
        self.pop_scope()
        return values

    def _shown(self, op: Operation, values: PythonValues) -> PythonValues:
        """The values of an op outside kernels, as the hook would have them."""
        names = identities(op)
        if not names or isinstance(op, accel.KernelOp):
            return values
        path = tuple(self.path)
        return tuple(
            self.hook.value(name, path, value) if is_array(value) else value
            for name, value in zip(names, values, strict=True)
        )

    def written_arguments(self, function: func.FuncOp) -> frozenset[int]:
        """The arguments of a function that it writes to, by index."""
        if function not in self._written:
            self._written[function] = written_arguments(function)
        return self._written[function]

    def step(
        self, op: Operation, resources: Sequence[str], events: Sequence[Clock]
    ) -> Step:
        """One run of an op on the machine, in the order its level gives it."""
        if not self.ordered:
            return Step(op, self.place)
        return self.machine.order.start(op, self.place, resources, events)

    def ports(self, source: str, target: str) -> tuple[str, ...]:
        """The ports a copy between two tiers holds; one per tier and direction where none is named."""
        return (
            *self._ports_of(source, "read", target),
            *self._ports_of(target, "write", source),
        )

    def _ports_of(self, tier: str, direction: Any, peer: str) -> tuple[str, ...]:
        lanes = (
            ()
            if self.target is None
            else lanes_of(self.target, tier, direction, (peer,))
        )
        ports = [lane.resource for lane in lanes if lane.resource.startswith("port.")]
        return tuple(ports) or (f"port.{tier}.{direction}",)

    @contextmanager
    def unwatched(self) -> Generator[None]:
        """Runs that the hook does not see."""
        hook, watched = self.hook, self.watched
        self.hook, self.watched = KernelHook(), False
        yield
        self.hook, self.watched = hook, watched

    @contextmanager
    def in_kernel(self, name: str) -> Generator[None]:
        """The kernel that runs."""
        outer, self.kernel = self.kernel, name
        yield
        self.kernel = outer

    @contextmanager
    def loop_space(self, loops: Loops) -> Generator[None]:
        """The loops that `linalg.index` speaks of."""
        self.loops.append(loops)
        yield
        self.loops.pop()
