"""`linalg` on whole arrays: bodies run once over the loops, reductions by ufunc or BLAS."""

from typing import Any, cast

import numpy as np
from xdsl.dialects import linalg
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
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
from xdsl.ir import Operation
from xdsl.ir.affine import AffineExpr, AffineMap

from dfc.runtime.interpreter.affine import in_loops
from dfc.runtime.interpreter.dtypes import dtype_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.nest import Nest, run_nest, run_structured

STRUCTURED: tuple[type[LinalgStructuredOperation], ...] = tuple(
    kind
    for kind in linalg.Linalg.operations
    if issubclass(kind, LinalgStructuredOperation)
    and kind not in (linalg.ops.TransposeOp, linalg.ops.FillOp)
)


@register_impls
class LinalgFunctions(InterpreterFunctions):
    """The ops of `linalg` that need no loops, and what stands in bodies."""

    @impl(linalg.ops.FillOp)
    def fill(
        self, interpreter: Interpreter, op: linalg.ops.FillOp, args: PythonValues
    ) -> PythonValues:
        """A tensor of one value."""
        kind = op.outputs[0].type
        return (np.full(np.shape(args[1]), args[0], dtype_of(kind)),)

    @impl(linalg.ops.TransposeOp)
    def transpose(
        self, interpreter: Interpreter, op: linalg.ops.TransposeOp, args: PythonValues
    ) -> PythonValues:
        """Permuted axes."""
        permutation = op.permutation.get_values()
        return (np.ascontiguousarray(np.transpose(args[0], permutation)),)

    @impl(linalg.ops.BroadcastOp)
    def broadcast(
        self, interpreter: Interpreter, op: linalg.ops.BroadcastOp, args: PythonValues
    ) -> PythonValues:
        """New axes at `dimensions`."""
        dimensions = op.dimensions.get_values()
        expanded = np.expand_dims(args[0], dimensions)
        return (np.ascontiguousarray(np.broadcast_to(expanded, np.shape(args[1]))),)

    @impl(linalg.ops.ReduceOp)
    def reduce(
        self, interpreter: Interpreter, op: linalg.ops.ReduceOp, args: PythonValues
    ) -> PythonValues:
        """Folds the `dimensions` of one operand."""
        dimensions = op.dimensions.get_values()
        rank = np.ndim(args[0])
        kept = [d for d in range(rank) if d not in dimensions]
        out = AffineMap(rank, 0, tuple(AffineExpr.dimension(d) for d in kept))
        sizes = np.shape(args[0])
        nest = Nest(
            op.region.block, sizes, frozenset(dimensions),
            [args[0], in_loops(args[1], out, sizes)],
            [out], [np.shape(args[1])], [op.init.type],
        )  # fmt: skip
        assert isinstance(interpreter, Evaluator)
        return nest.results(run_nest(interpreter, nest))

    @impl(linalg.ops.IndexOp)
    def index(
        self, interpreter: Interpreter, op: linalg.ops.IndexOp, args: PythonValues
    ) -> PythonValues:
        """Where a loop is, for all its trips at once."""
        assert isinstance(interpreter, Evaluator)
        loops = interpreter.loops[-1]
        d = op.dim.value.data + loops.firings
        shape = [1] * len(loops.sizes)
        if d in loops.fixed:
            return (np.full(shape, loops.fixed[d], np.int64),)
        shape[d] = loops.sizes[d]
        return (np.arange(loops.sizes[d]).reshape(shape),)

    @impl_terminator(linalg.ops.YieldOp)
    def yielded(
        self, interpreter: Interpreter, op: linalg.ops.YieldOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        """Ends a body."""
        return ReturnedValues(args), ()


def _structured(
    functions: Any, interpreter: Interpreter, op: Operation, args: PythonValues
) -> PythonValues:
    assert isinstance(interpreter, Evaluator)
    assert isinstance(op, LinalgStructuredOperation)
    return run_structured(interpreter, op, args)


StructuredFunctions = cast(
    "type[InterpreterFunctions]",
    register_impls(
        type(
            "StructuredFunctions",
            (InterpreterFunctions,),
            {kind.name: impl(kind)(_structured) for kind in STRUCTURED},
        )
    ),
)
"""One implementation for `linalg.generic` and every named op that has a body."""
