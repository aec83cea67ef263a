"""`func`, `scf` and `cf`: calls with their names, loops, branches and assertions."""

import numpy as np
from xdsl.dialects import cf, func, scf
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    ReturnedValues,
    TerminatorValue,
    impl,
    impl_terminator,
    register_impls,
)

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.accel import call_kernel
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.naming import describe, origins, strings


def call_name(op: func.CallOp) -> str:
    """What a call is called in paths: its origin, or `@callee` where it has none."""
    return next(iter(origins(op)), f"@{op.callee.root_reference.data}")


@register_impls
class ControlFunctions(InterpreterFunctions):
    """Calls keep the path that led to them; everything else is as in xDSL."""

    @impl(func.CallOp)
    def call(
        self, interpreter: Interpreter, op: func.CallOp, args: PythonValues
    ) -> PythonValues:
        """Runs the callee."""
        assert isinstance(interpreter, Evaluator)
        callee = interpreter.get_op_for_symbol(op.callee)
        if not isinstance(callee, func.FuncOp) or callee.is_declaration:
            raise ExecutionError(f"{describe(op)} calls a function without a body")
        kernel = strings(callee.attributes.get("accel.kernel"))
        if kernel:
            return call_kernel(interpreter, callee, kernel[0], args)
        interpreter.path.append(call_name(op))
        results = interpreter.run_block(callee.body.block, args)
        interpreter.path.pop()
        return results

    @impl_terminator(func.ReturnOp)
    def returned(
        self, interpreter: Interpreter, op: func.ReturnOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        """Ends a function."""
        return ReturnedValues(args), ()

    @impl(scf.ForOp)
    def loop(
        self, interpreter: Interpreter, op: scf.ForOp, args: PythonValues
    ) -> PythonValues:
        """Runs the body once per trip."""
        assert isinstance(interpreter, Evaluator)
        start, stop, step, *carried = args
        for i in range(start, stop, step):
            carried = interpreter.run_block(op.body.block, (i, *carried))
        return tuple(carried)

    @impl(scf.IfOp)
    def branch(
        self, interpreter: Interpreter, op: scf.IfOp, args: PythonValues
    ) -> PythonValues:
        """Runs one of the regions."""
        assert isinstance(interpreter, Evaluator)
        region = op.true_region if args[0] else op.false_region
        return interpreter.run_block(region.block, ()) if region.blocks else ()

    @impl(scf.WhileOp)
    def while_loop(
        self, interpreter: Interpreter, op: scf.WhileOp, args: PythonValues
    ) -> PythonValues:
        """Runs `before` and `after` in turn until the condition fails."""
        assert isinstance(interpreter, Evaluator)
        carried = args
        while True:
            going, *values = interpreter.run_block(op.before_region.block, carried)
            if not going:
                return tuple(values)
            carried = interpreter.run_block(op.after_region.block, values)

    @impl_terminator(scf.YieldOp)
    def yielded(
        self, interpreter: Interpreter, op: scf.YieldOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        """Ends a body."""
        return ReturnedValues(args), ()

    @impl_terminator(scf.ConditionOp)
    def condition(
        self, interpreter: Interpreter, op: scf.ConditionOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        """Ends the first region of a while."""
        return ReturnedValues(args), ()

    @impl(cf.AssertOp)
    def check(
        self, interpreter: Interpreter, op: cf.AssertOp, args: PythonValues
    ) -> PythonValues:
        """An error unless true, everywhere."""
        if not np.all(args[0]):
            message = op.msg.data
            raise ExecutionError(f"{describe(op)} does not hold: {message}")
        return ()
