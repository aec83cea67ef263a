"""`arith` and `math`: every op works on scalars and on whole arrays."""

from typing import Any, cast

import numpy as np
from xdsl.dialects import arith
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.ir import Operation

from dfc.runtime.interpreter.dtypes import constant, typed
from dfc.runtime.interpreter.elementwise import (
    ARITHMETIC,
    CASTS,
    cast_value,
    compare_floats,
    compare_integers,
)


@register_impls
class ArithFunctions(InterpreterFunctions):
    """The ops of `arith` that are more than a function of their operands."""

    @impl(arith.ConstantOp)
    def constant(
        self, interpreter: Interpreter, op: arith.ConstantOp, args: PythonValues
    ) -> PythonValues:
        """The constant's value."""
        return (constant(op.value),)

    @impl(arith.CmpiOp)
    def compare_integers(
        self, interpreter: Interpreter, op: arith.CmpiOp, args: PythonValues
    ) -> PythonValues:
        """An i1 per element."""
        value = compare_integers(op.predicate.value.data, *args)
        return (typed(value, op.result.type),)

    @impl(arith.CmpfOp)
    def compare_floats(
        self, interpreter: Interpreter, op: arith.CmpfOp, args: PythonValues
    ) -> PythonValues:
        """An i1 per element."""
        value = compare_floats(op.predicate.value.data, *args)
        return (typed(value, op.result.type),)

    @impl(arith.SelectOp)
    def select(
        self, interpreter: Interpreter, op: arith.SelectOp, args: PythonValues
    ) -> PythonValues:
        """One of two values; by element where the condition is an array."""
        condition, yes, no = args
        if np.ndim(condition) == 0:
            return (yes if condition else no,)
        return (typed(np.where(condition, yes, no), op.result.type),)


def _arithmetic(
    functions: Any, interpreter: Interpreter, op: Operation, args: PythonValues
) -> PythonValues:
    """Any op of the table of elementwise functions."""
    return (typed(ARITHMETIC[type(op)](*args), op.results[0].type),)


def _cast(
    functions: Any, interpreter: Interpreter, op: Operation, args: PythonValues
) -> PythonValues:
    """Any conversion between element types."""
    return (typed(cast_value(op, args[0]), op.results[0].type),)


ElementwiseFunctions = cast(
    "type[InterpreterFunctions]",
    register_impls(
        type(
            "ElementwiseFunctions",
            (InterpreterFunctions,),
            {kind.name: impl(kind)(_arithmetic) for kind in ARITHMETIC}
            | {kind.name: impl(kind)(_cast) for kind in CASTS},
        )
    ),
)
"""One implementation per op of the tables."""
