"""Ops on the tokens of a node's body, put where an `ImplicitBuilder` is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from xdsl.builder import ImplicitBuilder
from xdsl.dialects import arith, linalg, math
from xdsl.dialects.builtin import (
    AffineMapAttr,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    TensorType,
    f32,
)
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.ir.affine import AffineMap

from dfc.dialects import stream
from dfc.dialects.utils import element, shape

Values = Sequence[SSAValue]
Make = Callable[..., SSAValue | Values]
"""Makes a body: from states, tokens and control values what it yields."""


def region(types: Sequence[Attribute], make: Make) -> Region:
    """A body whose arguments have these types and that yields what `make` gives for them."""
    block = Block(arg_types=types)
    with ImplicitBuilder(block):
        made = make(*block.args)
        stream.YieldOp(*([made] if isinstance(made, SSAValue) else made))
    return Region(block)


def full(value: float | Sequence[int], like: SSAValue) -> SSAValue:
    """A constant tensor of one number, or of these, of the type of another value."""
    kind = cast("TensorType[Any]", like.type)
    numbers = value if isinstance(value, Sequence) else [value]
    return arith.ConstantOp(DenseIntOrFPElementsAttr.from_list(kind, numbers)).result


def number(value: int) -> SSAValue:
    """A constant index."""
    return arith.ConstantOp(IntegerAttr(value, IndexType())).result


def scalar(value: float) -> SSAValue:
    """A constant f32."""
    return arith.ConstantOp(FloatAttr(value, f32)).result


def wide(value: SSAValue) -> SSAValue:
    """A token in f32."""
    if element(value) == f32:
        return value
    return arith.ExtFOp(value, TensorType(f32, shape(value))).result


def narrow(value: SSAValue, kind: Attribute) -> SSAValue:
    """A token in the dtype of the result, rounded once."""
    if element(value) == kind:
        return value
    return arith.TruncFOp(value, TensorType(kind, shape(value))).result


def generic(
    inputs: Sequence[tuple[SSAValue, AffineMap]],
    output: tuple[SSAValue, AffineMap],
    reduced: int,
    make: Callable[..., SSAValue],
) -> SSAValue:
    """A `linalg.generic` into one value; its last `reduced` loops reduce."""
    operands = [*inputs, output]
    block = Block(arg_types=[element(value) for value, _ in operands])
    with ImplicitBuilder(block):
        linalg.ops.YieldOp(make(*block.args))
    loops = output[1].num_dims
    kinds = [linalg.attrs.IteratorTypeAttr.parallel()] * (loops - reduced)
    kinds += [linalg.attrs.IteratorTypeAttr.reduction()] * reduced
    return linalg.ops.GenericOp(
        [value for value, _ in inputs],
        [output[0]],
        Region(block),
        [AffineMapAttr(indexing) for _, indexing in operands],
        kinds,
        [output[0].type],
    ).results[0]


def add(a: SSAValue, b: SSAValue) -> SSAValue:
    """a + b."""
    return arith.AddfOp(a, b).result


def multiply_add(a: SSAValue, b: SSAValue, total: SSAValue) -> SSAValue:
    """total + a * b."""
    return add(total, multiply(a, b))


def subtract(a: SSAValue, b: SSAValue) -> SSAValue:
    """a - b."""
    return arith.SubfOp(a, b).result


def multiply(a: SSAValue, b: SSAValue) -> SSAValue:
    """a * b."""
    return arith.MulfOp(a, b).result


def divide(a: SSAValue, b: SSAValue) -> SSAValue:
    """a / b."""
    return arith.DivfOp(a, b).result


def larger(a: SSAValue, b: SSAValue) -> SSAValue:
    """The larger one, NaN if one is."""
    return arith.MaximumfOp(a, b).result


def exp(a: SSAValue) -> SSAValue:
    """e to the power of a."""
    return math.ExpOp(a).result
