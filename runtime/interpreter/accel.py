"""`accel`: kernels, launches on values read from memory, and events as vector clocks."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects import func
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

from dfc.dialects import accel
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.hook import KernelCall, Value
from dfc.runtime.interpreter.memory import View
from dfc.runtime.interpreter.naming import strings


def padded(names: Sequence[str], count: int) -> tuple[str, ...]:
    """As many names as values; "" where none is given."""
    return (*names, *[""] * (count - len(names)))


def seen(evaluator: Evaluator, value: Any) -> Value:
    """A value as a hook sees it: the contents of a view."""
    return evaluator.machine.peek(value) if isinstance(value, View) else value


def replaced(
    evaluator: Evaluator, values: Sequence[Any], new: Sequence[Value | None] | None
) -> list[Any]:
    """Values with a hook's replacements; those of views are put into memory."""
    result = list(values)
    for index, value in enumerate(new or ()):
        if value is None:
            continue
        if isinstance(result[index], View):
            evaluator.machine.poke(result[index], np.asarray(value))
        else:
            result[index] = value
    return result


@register_impls
class AccelFunctions(InterpreterFunctions):
    """One method per op."""

    @impl(accel.KernelOp)
    def kernel(
        self, interpreter: Interpreter, op: accel.KernelOp, args: PythonValues
    ) -> PythonValues:
        """The body on the operands; what it does to memory at *placed*."""
        assert isinstance(interpreter, Evaluator)
        count, made = len(op.inputs), len(op.outputs) or len(op.outs)
        call = KernelCall(
            op.sym.data,
            tuple(interpreter.path),
            padded(strings(op.operand_values), count),
            padded(strings(op.result_values), made),
        )
        with interpreter.in_kernel(op.sym.data):
            inputs = enter(interpreter, call, args[:count])
            outs = args[count:]
            results = interpreter.run_block(op.body.block, [*inputs, *outs])
            leaving = leave(interpreter, call, outs or results)
        return () if outs else tuple(leaving)

    @impl(accel.LaunchOp)
    def launch(
        self, interpreter: Interpreter, op: accel.LaunchOp, args: PythonValues
    ) -> PythonValues:
        """The body on values read from memory; what it yields goes back there."""
        assert isinstance(interpreter, Evaluator)
        events, inputs = len(op.after), len(op.inputs)
        outs = cast("tuple[View, ...]", args[events + inputs :])
        step = interpreter.step(op, [f"unit.{op.unit.data}"], args[:events])
        machine = interpreter.machine
        values = [
            machine.read(value, step) if isinstance(value, View) else value
            for value in args[events : events + inputs]
        ]
        olds = [machine.read_old(view, step) for view in outs]
        results = interpreter.run_block(op.body.block, [*values, *olds])
        for view, value in zip(outs, results, strict=True):
            machine.write(view, value, step)
        return (step.clock,)

    @impl(accel.WaitOp)
    def wait(
        self, interpreter: Interpreter, op: accel.WaitOp, args: PythonValues
    ) -> PythonValues:
        """What is issued from here on starts after the events."""
        assert isinstance(interpreter, Evaluator)
        interpreter.machine.order.wait(args)
        return ()

    @impl(accel.StartOp)
    def start(
        self, interpreter: Interpreter, op: accel.StartOp, args: PythonValues
    ) -> PythonValues:
        """An event that says nothing."""
        return ({},)

    @impl(accel.ConfigureOp)
    def configure(
        self, interpreter: Interpreter, op: accel.ConfigureOp, args: PythonValues
    ) -> PythonValues:
        """Takes its turn on the unit."""
        assert isinstance(interpreter, Evaluator)
        return (interpreter.step(op, [f"unit.{op.unit.data}"], args).clock,)

    @impl_terminator(accel.YieldOp)
    def yielded(
        self, interpreter: Interpreter, op: accel.YieldOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        """Ends a body."""
        return ReturnedValues(args), ()


def enter(evaluator: Evaluator, call: KernelCall, inputs: Sequence[Any]) -> list[Any]:
    """A kernel's operands, after the hook has seen and perhaps replaced them."""
    if not evaluator.watched:
        return list(inputs)
    new = evaluator.hook.operands(call, [seen(evaluator, value) for value in inputs])
    return replaced(evaluator, inputs, new)


def leave(evaluator: Evaluator, call: KernelCall, results: Sequence[Any]) -> list[Any]:
    """A kernel's results, after the hook has seen and perhaps replaced them."""
    if not evaluator.watched:
        return list(results)
    new = evaluator.hook.results(call, [seen(evaluator, value) for value in results])
    return replaced(evaluator, results, new)


def call_kernel(
    evaluator: Evaluator, function: func.FuncOp, name: str, args: Sequence[Any]
) -> PythonValues:
    """A kernel at *program*: a function; what it writes are its results."""
    events = [isinstance(value.type, accel.EventType) for value in function.args]
    written = evaluator.written_arguments(function)
    inputs = [i for i, event in enumerate(events) if not event and i not in written]
    outs = [i for i in sorted(written) if not events[i]]
    names = value_names(function)
    call = KernelCall(
        name,
        tuple(evaluator.path),
        tuple(names[i] for i in inputs),
        tuple(names[i] for i in outs),
    )
    values = list(args)
    with evaluator.in_kernel(name):
        entered = enter(evaluator, call, [values[i] for i in inputs])
        for i, value in zip(inputs, entered, strict=True):
            values[i] = value
        results = evaluator.run_block(function.body.block, values)
        leave(evaluator, call, [values[i] for i in outs])
    return results


def value_names(function: func.FuncOp) -> list[str]:
    """The tensor-level value that each argument is."""
    if function.arg_attrs is None:
        return [""] * len(function.args)
    found = [strings(each.data.get("dfc.value")) for each in function.arg_attrs]
    return [next(iter(names), "") for names in found]
