"""`memref`: views of buffers; none of these ops moves a byte."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any, cast

from xdsl.dialects import memref
from xdsl.dialects.builtin import DYNAMIC_INDEX
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.memory import View
from dfc.runtime.interpreter.naming import describe
from dfc.runtime.interpreter.order import Step
from dfc.runtime.interpreter.tensor import filled_in, window


def without_units(view: View, shape: Sequence[int]) -> View:
    """A view without the dimensions of size 1 that its type drops."""
    if len(shape) == len(view.shape):
        return view
    kept: list[int] = []
    for d, size in enumerate(view.shape):
        if len(kept) < len(shape) and shape[len(kept)] in (size, DYNAMIC_INDEX):
            kept.append(d)
        elif size != 1:
            raise ExecutionError(f"a view of {view.buffer} drops a dimension of {size}")
    sizes = tuple(view.shape[d] for d in kept)
    return view.at(0, shape=sizes, strides=tuple(view.strides[d] for d in kept))


def groups(op: Any) -> list[list[int]]:
    """A reassociation as lists of dimensions."""
    return [[d.value.data for d in group] for group in op.reassociation]


def expand(view: View, reassociation: list[list[int]], shape: Sequence[int]) -> View:
    """Dimensions split, each row-major over the stride it had."""
    strides: list[int] = []
    for d, group in enumerate(reassociation):
        sizes = [shape[i] for i in group]
        strides += [view.strides[d] * prod(sizes[i + 1 :]) for i in range(len(sizes))]
    return view.at(0, shape=tuple(shape), strides=tuple(strides))


def collapse(view: View, reassociation: list[list[int]]) -> View:
    """Dimensions joined, where one continues the other."""
    shape: list[int] = []
    strides: list[int] = []
    for group in reassociation:
        real = [d for d in group if view.shape[d] != 1]
        for outer, inner in pairwise(real):
            if view.strides[outer] != view.strides[inner] * view.shape[inner]:
                raise ExecutionError(
                    f"a view of {view.buffer} joins dimensions {outer} and {inner}, which lie apart"
                )
        shape.append(prod(view.shape[d] for d in group))
        strides.append(view.strides[real[-1]] if real else 1)
    return view.at(0, shape=tuple(shape), strides=tuple(strides))


@register_impls
class MemrefFunctions(InterpreterFunctions):
    """One method per op."""

    @impl(memref.SubviewOp)
    def subview(
        self, interpreter: Interpreter, op: memref.SubviewOp, args: PythonValues
    ) -> PythonValues:
        """A part of a view, perhaps of lower rank."""
        view = cast("View", args[0])
        offsets, sizes, steps = window(op, args[1:], len(view.shape))
        for d, (at, size, step) in enumerate(zip(offsets, sizes, steps, strict=True)):
            end = at + (size - 1) * step + 1
            if at < 0 or end > view.shape[d]:
                raise ExecutionError(
                    f"{describe(op)} takes elements {at} to {end} of dimension {d} of"
                    f" {view.buffer}, which has {view.shape[d]}"
                )
        part = view.part(offsets, sizes, steps)
        return (without_units(part, shape_of(op.result.type)),)

    @impl(memref.LoadOp)
    def load(
        self, interpreter: Interpreter, op: memref.LoadOp, args: PythonValues
    ) -> PythonValues:
        """One element, read by the function itself: behind what it has waited for."""
        assert isinstance(interpreter, Evaluator)
        view = cast("View", args[0])
        ones = [1] * len(view.shape)
        part = view.part(list(args[1:]), ones, ones)
        machine, place = interpreter.machine, interpreter.place
        step = machine.order.now(op, place) if interpreter.ordered else Step(op, place)
        return (machine.read(part, step).reshape(())[()],)

    @impl(memref.ExpandShapeOp)
    def expand(
        self, interpreter: Interpreter, op: memref.ExpandShapeOp, args: PythonValues
    ) -> PythonValues:
        """More dimensions."""
        shape = filled_in(op.static_output_shape, args[1:])
        return (expand(args[0], groups(op), shape),)

    @impl(memref.CollapseShapeOp)
    def collapse(
        self, interpreter: Interpreter, op: memref.CollapseShapeOp, args: PythonValues
    ) -> PythonValues:
        """Fewer dimensions."""
        return (collapse(args[0], groups(op)),)

    @impl(memref.ReinterpretCastOp)
    def reinterpret(
        self, interpreter: Interpreter, op: memref.ReinterpretCastOp, args: PythonValues
    ) -> PythonValues:
        """Any view of the whole buffer."""
        view = cast("View", args[0])
        (offset,), shape, strides = window(op, args[1:], 1)
        base = (view.buffer.offset - view.offset) // view.dtype.itemsize
        moved = view.at(base + offset, shape=tuple(shape), strides=tuple(strides))
        return (moved,)

    @impl(memref.CastOp)
    def cast(
        self, interpreter: Interpreter, op: memref.CastOp, args: PythonValues
    ) -> PythonValues:
        """The same view under a type that knows more or less of its layout."""
        return args

    @impl(memref.DimOp)
    def dim(
        self, interpreter: Interpreter, op: memref.DimOp, args: PythonValues
    ) -> PythonValues:
        """The size of a dimension."""
        view = cast("View", args[0])
        return (view.shape[int(args[1])],)
