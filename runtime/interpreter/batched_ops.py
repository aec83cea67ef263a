"""Ops of bodies in many firings at once: each value has a leading axis, or is the same in all of them."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, cast

import numpy as np
from xdsl.dialects import arith, linalg, tensor
from xdsl.ir import Operation

from dfc.runtime.interpreter.dtypes import Array, dtype_of, shape_of, typed
from dfc.runtime.interpreter.elementwise import ARITHMETIC, CASTS
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.linalg import STRUCTURED
from dfc.runtime.interpreter.nest import run_structured

Args = Sequence[Any]
Own = Sequence[bool]
"""Which operands have a leading axis."""


def firings(args: Args, own: Own) -> int:
    """How many firings there are."""
    return next(len(arg) for arg, each in zip(args, own, strict=True) if each)


def spread(value: Any, count: int, kind: Any) -> Array:
    """A value that is the same in every firing, once for each."""
    return np.broadcast_to(np.asarray(value), (count, *shape_of(kind)))


def over_elements(value: Array, rank: int) -> Array:
    """A scalar of each firing against tensors of a rank."""
    return value.reshape(-1, *[1] * rank)


def elementwise(evaluator: Evaluator, op: Operation, args: Args, own: Own) -> Args:
    """As without firings: the shapes of the operands differ in nothing but the leading axis."""
    return evaluator.run_op(op, tuple(args))


def select(evaluator: Evaluator, op: arith.SelectOp, args: Args, own: Own) -> Args:
    """Firing by firing, or element by element, as the condition has it."""
    condition, kind = np.asarray(args[0]), op.result.type
    if own[0] and condition.ndim == 1:
        condition = over_elements(condition, len(shape_of(kind)))
    chosen = cast("Array", np.where(condition, args[1], args[2]))
    full = (firings(args, own), *shape_of(kind))
    return (typed(np.ascontiguousarray(np.broadcast_to(chosen, full)), kind),)


def structured(evaluator: Evaluator, op: Any, args: Args, own: Own) -> Args | None:
    """
    One more parallel loop.

    Sums are formed in f64 and rounded once, so that they do not depend on the other firings;
    sums of f64 itself would.
    """
    if any(np.asarray(arg).dtype == np.float64 for arg in args):
        return None
    inputs, count = len(op.inputs), firings(args, own)
    outputs = [
        arg if each else spread(arg, count, operand.type)
        for arg, each, operand in zip(
            args[inputs:], own[inputs:], op.outputs, strict=True
        )
    ]
    flags = (*own[:inputs], *[True] * len(outputs))
    return run_structured(evaluator, op, (*args[:inputs], *outputs), flags)


def fill(evaluator: Evaluator, op: Any, args: Args, own: Own) -> Args:
    """A tensor of one value in each firing."""
    kind = op.outputs[0].type
    if not own[0]:
        return (
            spread(
                np.full(shape_of(kind), args[0], dtype_of(kind)),
                firings(args, own),
                kind,
            ),
        )
    return (spread_elements(args[0], kind),)


def spread_elements(value: Array, kind: Any) -> Array:
    """A tensor of one scalar, another one in each firing."""
    shape = shape_of(kind)
    full = np.broadcast_to(over_elements(value, len(shape)), (len(value), *shape))
    return full.astype(dtype_of(kind))


def splat(
    evaluator: Evaluator, op: tensor.SplatOp, args: Args, own: Own
) -> Args | None:
    """A tensor of one scalar in each firing; not with dynamic sizes."""
    return (spread_elements(args[0], op.result.type),) if len(args) == 1 else None


def transpose(evaluator: Evaluator, op: Any, args: Args, own: Own) -> Args | None:
    """Permuted axes behind the first."""
    if not own[0]:
        return None
    axes = [0, *(axis + 1 for axis in op.permutation.get_values())]
    return (np.ascontiguousarray(np.transpose(args[0], axes)),)


def reshape(evaluator: Evaluator, op: Operation, args: Args, own: Own) -> Args | None:
    """Other dimensions of the same elements; not with dynamic sizes."""
    shape = shape_of(op.results[0].type)
    if len(args) > 1 or prod(np.shape(args[0])[1:]) != prod(shape):
        return None
    return (np.reshape(args[0], (len(args[0]), *shape)),)


def extract(
    evaluator: Evaluator, op: tensor.ExtractOp, args: Args, own: Own
) -> Args | None:
    """An element at the same place in every firing."""
    source, at = args[0], args[1:]
    if not own[0] or any(own[1:]):
        return None
    inside = zip(at, source.shape[1:], strict=True)
    if not all(0 <= i < size for i, size in inside):
        return None  # the error is the one of a single firing
    return (source[(slice(None), *at)],)


def from_elements(
    evaluator: Evaluator, op: tensor.FromElementsOp, args: Args, own: Own
) -> Args:
    """A tensor of scalars."""
    kind, count = op.result.type, firings(args, own)
    columns = [np.broadcast_to(np.asarray(arg), (count,)) for arg in args]
    return (
        np.stack(columns, 1).astype(dtype_of(kind)).reshape(count, *shape_of(kind)),
    )


def extract_slice(
    evaluator: Evaluator, op: tensor.ExtractSliceOp, args: Args, own: Own
) -> Args | None:
    """The same part in every firing; not at offsets that are values."""
    if len(args) > 1:
        return None
    parts = [
        op.static_offsets.get_values(),
        op.static_sizes.get_values(),
        op.static_strides.get_values(),
    ]
    index = [
        slice(a, a + (n - 1) * step + 1 if n else a, step)
        for a, n, step in zip(*parts, strict=True)
    ]
    part = args[0][(slice(None), *index)]
    return (part.reshape(len(part), *shape_of(op.result.type)),)


Form = Callable[[Evaluator, Any, Args, Own], Args | None]

FORMS: dict[type[Operation], Form] = {
    **dict.fromkeys((*ARITHMETIC, *CASTS, arith.CmpiOp, arith.CmpfOp), elementwise),
    **dict.fromkeys(STRUCTURED, structured),
    arith.SelectOp: select,
    linalg.ops.FillOp: fill,
    linalg.ops.TransposeOp: transpose,
    tensor.SplatOp: splat,
    tensor.ExpandShapeOp: reshape,
    tensor.CollapseShapeOp: reshape,
    tensor.ExtractOp: extract,
    tensor.FromElementsOp: from_elements,
    tensor.ExtractSliceOp: extract_slice,
}
"""How an op runs for many firings at once; None where this one has to run firing by firing."""
