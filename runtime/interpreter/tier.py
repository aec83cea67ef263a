"""`tier`: buffers in modelled memories, and copies of their bytes."""

from typing import cast

from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)

from dfc.dialects import tier
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.memory import View
from dfc.runtime.interpreter.naming import describe


@register_impls
class TierFunctions(InterpreterFunctions):
    """One method per op."""

    @impl(tier.AllocOp)
    def allocate(
        self, interpreter: Interpreter, op: tier.AllocOp, args: PythonValues
    ) -> PythonValues:
        """A buffer at its offset."""
        assert isinstance(interpreter, Evaluator)
        if op.offset_bytes is None:
            raise ExecutionError(f"{describe(op)} has no offset yet: run place-buffers")
        kind, hint = op.buffer.type, op.buffer.name_hint
        name = f"{describe(op)} %{hint}" if hint else describe(op)
        view = interpreter.machine.allocate(
            f"{name}{interpreter.place}",
            tier.tier_of(op.buffer),
            op.offset_bytes.value.data,
            shape_of(kind),
            dtype_of(kind),
        )
        return (view,)

    @impl(tier.CopyOp)
    def copy(
        self, interpreter: Interpreter, op: tier.CopyOp, args: PythonValues
    ) -> PythonValues:
        """Bytes moved through a port of each tier."""
        assert isinstance(interpreter, Evaluator)
        source, target = cast("View", args[0]), cast("View", args[1])
        if source.shape != target.shape:
            raise ExecutionError(
                f"{describe(op)} copies {source.shape} of {source.buffer} to {target.shape} of {target.buffer}"
            )
        ports = interpreter.ports(source.buffer.tier, target.buffer.tier)
        step = interpreter.step(op, ports, args[2:])
        machine = interpreter.machine
        machine.write(target, machine.read(source, step), step)
        return (step.clock,)
