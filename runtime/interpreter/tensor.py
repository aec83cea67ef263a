"""`tensor`: shapes, slices and elements of arrays."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects import tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX, DenseArrayBase, IntegerType
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
from dfc.runtime.interpreter.dtypes import Array, dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator, Loops
from dfc.runtime.interpreter.naming import describe


def filled_in(
    static: "DenseArrayBase[IntegerType]", dynamic: Sequence[int]
) -> list[int]:
    """A list of sizes, its dynamic entries replaced by values in their order."""
    values = iter(dynamic)
    given = static.get_values()
    return [int(next(values)) if n == DYNAMIC_INDEX else n for n in given]


def static_shape(kind: Any, dynamic: Sequence[int] = ()) -> tuple[int, ...]:
    """A type's shape, its dynamic sizes replaced by values."""
    values = iter(dynamic)
    return tuple(int(next(values)) if n == DYNAMIC_INDEX else n for n in shape_of(kind))


def window(
    op: Any, args: PythonValues, rank: int
) -> tuple[list[int], list[int], list[int]]:
    """The offsets, sizes and strides of a slice; `args` are its dynamic ones."""
    counts = (len(op.offsets), len(op.sizes), len(op.strides))
    ends = (counts[0], counts[0] + counts[1])
    offsets = filled_in(op.static_offsets, args[: ends[0]])
    sizes = filled_in(op.static_sizes, args[ends[0] : ends[1]])
    strides = filled_in(op.static_strides, args[ends[1] :])
    assert len(offsets) == rank
    return offsets, sizes, strides


def slices(op: Any, args: PythonValues, shape: Sequence[int]) -> tuple[slice, ...]:
    """The numpy index of a slice op, checked to lie within the tensor."""
    index: list[slice] = []
    for d, (at, size, step) in enumerate(
        zip(*window(op, args, len(shape)), strict=True)
    ):
        end = at + (size - 1) * step + 1 if size else at
        if at < 0 or end > shape[d]:
            raise ExecutionError(
                f"{describe(op)} takes elements {at} to {end} of dimension {d}, which has {shape[d]}"
            )
        index.append(slice(at, end, step))
    return tuple(index)


@register_impls
class TensorFunctions(InterpreterFunctions):
    """One method per op."""

    @impl(tensor.EmptyOp)
    def empty(
        self, interpreter: Interpreter, op: tensor.EmptyOp, args: PythonValues
    ) -> PythonValues:
        """A tensor whose contents nothing may depend on: zeros."""
        shape = static_shape(op.tensor.type, args)
        return (np.zeros(shape, dtype_of(op.tensor.type)),)

    @impl(tensor.CastOp)
    def cast(
        self, interpreter: Interpreter, op: tensor.CastOp, args: PythonValues
    ) -> PythonValues:
        """The same value under a type that knows more or less of its shape."""
        return args

    @impl(tensor.DimOp)
    def dim(
        self, interpreter: Interpreter, op: tensor.DimOp, args: PythonValues
    ) -> PythonValues:
        """The size of a dimension."""
        return (int(np.shape(args[0])[args[1]]),)

    @impl(tensor.ExpandShapeOp)
    def expand(
        self, interpreter: Interpreter, op: tensor.ExpandShapeOp, args: PythonValues
    ) -> PythonValues:
        """More dimensions."""
        return (np.reshape(args[0], filled_in(op.static_output_shape, args[1:])),)

    @impl(tensor.CollapseShapeOp)
    def collapse(
        self, interpreter: Interpreter, op: tensor.CollapseShapeOp, args: PythonValues
    ) -> PythonValues:
        """Fewer dimensions."""
        groups = cast("Any", op.reassociation)
        source = np.shape(args[0])
        sizes = [int(np.prod([source[d.value.data] for d in g])) for g in groups]
        return (np.reshape(args[0], sizes),)

    @impl(tensor.ReshapeOp)
    def reshape(
        self, interpreter: Interpreter, op: tensor.ReshapeOp, args: PythonValues
    ) -> PythonValues:
        """The shape is a tensor."""
        return (np.reshape(args[0], [int(n) for n in args[1]]),)

    @impl(tensor.ExtractSliceOp)
    def extract_slice(
        self, interpreter: Interpreter, op: tensor.ExtractSliceOp, args: PythonValues
    ) -> PythonValues:
        """A part; dimensions of size 1 may be dropped."""
        part = cast("Array", args[0][slices(op, args[1:], np.shape(args[0]))])
        return (shaped(part, op.result.type),)

    @impl(tensor.InsertSliceOp)
    def insert_slice(
        self, interpreter: Interpreter, op: tensor.InsertSliceOp, args: PythonValues
    ) -> PythonValues:
        """A copy with a part replaced."""
        result = np.array(args[1])
        index = slices(op, args[2:], result.shape)
        result[index] = np.reshape(args[0], result[index].shape)
        return (result,)

    @impl(tensor.ConcatOp)
    def concat(
        self, interpreter: Interpreter, op: tensor.ConcatOp, args: PythonValues
    ) -> PythonValues:
        """Tensors joined along `dim`."""
        return (np.concatenate(args, op.dim.value.data),)

    @impl(tensor.PadOp)
    def pad(
        self, interpreter: Interpreter, op: tensor.PadOp, args: PythonValues
    ) -> PythonValues:
        """Padded with what the region gives, as a rule one constant."""
        assert isinstance(interpreter, Evaluator)
        count = len(op.low)
        low = filled_in(op.static_low, args[1 : 1 + count])
        high = filled_in(op.static_high, args[1 + count :])
        source = cast("Array", args[0])
        sizes = tuple(
            n + a + b for n, a, b in zip(source.shape, low, high, strict=True)
        )
        grid = np.ogrid[tuple(slice(n) for n in sizes)]
        with interpreter.loop_space(Loops(sizes)):
            (value,) = interpreter.run_block(op.region.block, list(grid))
        result = np.empty(sizes, source.dtype)
        result[...] = value
        inside = tuple(slice(a, a + n) for a, n in zip(low, source.shape, strict=True))
        result[inside] = source
        return (result,)

    @impl(tensor.ExtractOp)
    def extract(
        self, interpreter: Interpreter, op: tensor.ExtractOp, args: PythonValues
    ) -> PythonValues:
        """An element, or in a body of `linalg` one for each trip."""
        source, indices = cast("Array", args[0]), args[1:]
        for d, index in enumerate(indices):
            if np.size(index) and (
                np.min(index) < 0 or np.max(index) >= source.shape[d]
            ):
                raise ExecutionError(
                    f"{describe(op)} takes element {np.max(index)} of dimension {d}, which has {source.shape[d]}"
                )
        return (source[tuple(indices)],)

    @impl(tensor.InsertOp)
    def insert(
        self, interpreter: Interpreter, op: tensor.InsertOp, args: PythonValues
    ) -> PythonValues:
        """A copy with one element replaced."""
        result = np.array(args[1])
        result[tuple(args[2:])] = args[0]
        return (result,)

    @impl(tensor.FromElementsOp)
    def from_elements(
        self, interpreter: Interpreter, op: tensor.FromElementsOp, args: PythonValues
    ) -> PythonValues:
        """A tensor of scalars in row-major order."""
        kind = op.result.type
        return (np.array(args, dtype_of(kind)).reshape(shape_of(kind)),)

    @impl(tensor.SplatOp)
    def splat(
        self, interpreter: Interpreter, op: tensor.SplatOp, args: PythonValues
    ) -> PythonValues:
        """A tensor of one scalar."""
        kind = op.result.type
        return (np.full(static_shape(kind, args[1:]), args[0], dtype_of(kind)),)

    @impl_terminator(tensor.YieldOp)
    def yielded(
        self, interpreter: Interpreter, op: tensor.YieldOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        """Ends the region of a pad."""
        return ReturnedValues(args), ()


def shaped(part: Array, kind: Any) -> Array:
    """A slice in the shape of its (perhaps rank-reduced) type."""
    shape = shape_of(kind)
    return part if DYNAMIC_INDEX in shape else part.reshape(shape)
