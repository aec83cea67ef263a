"""
Ops on smaller tensors: what a kernel's ops become on tokens, and a token's on the rest at an edge.

    %a = ternary.matmul %q, %w : (tensor<64x256xi8>, tensor<128x256x!ternary.trit>) -> tensor<64x128xi32>
  with 8 of 64 rows and 32 of 128 columns is
    %a = ternary.matmul %q, %w : (tensor<8x256xi8>, tensor<32x256x!ternary.trit>) -> tensor<8x32xi32>
"""

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any, cast

from xdsl.builder import Builder
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    I64,
    BytesAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import stream, ternary
from dfc.dialects.utils import shape
from dfc.passes.analysis.dimension_classes import Classes, analyse

Shapes = Callable[[SSAValue], tuple[int, ...]]
"""The new shape of a tensor value."""


def resized_type(value: SSAValue, shapes: Shapes) -> Attribute:
    """The type of a value with its new shape; that of a value without a shape stays."""
    kind = value.type
    if not isinstance(kind, TensorType):
        return kind
    kind = cast("TensorType[Attribute]", kind)
    return TensorType(kind.element_type, shapes(value), kind.encoding)


def copy_ops(
    ops: Iterable[Operation],
    values: dict[SSAValue, SSAValue],
    shapes: Shapes,
    builder: Builder,
) -> None:
    """Copy ops with new shapes; `values` gives the copies of their operands and takes those of their results."""
    for op in ops:
        if isinstance(op, ternary.UnpackOp):
            values[op.w] = _unpacked(op, values, shapes, builder)
            continue
        regions = [_copied(region, values) for region in op.regions]
        made = type(op).create(
            operands=[values.get(operand, operand) for operand in op.operands],
            result_types=[resized_type(result, shapes) for result in op.results],
            properties={**op.properties, **_properties(op, shapes)},
            attributes=dict(op.attributes),
            regions=regions,
        )
        builder.insert(made)
        for old, new in zip(op.results, made.results, strict=True):
            new.name_hint = old.name_hint
            values[old] = new


def _copied(region: Region, values: dict[SSAValue, SSAValue]) -> Region:
    copy = Region()
    region.clone_into(copy, value_mapper=values)
    return copy


def _properties(op: Operation, shapes: Shapes) -> Mapping[str, Attribute]:
    """The properties that repeat a shape."""
    if isinstance(op, tensor.ExpandShapeOp):
        return {"static_output_shape": _array(shapes(op.result))}
    if isinstance(op, tensor.ExtractSliceOp):
        return {"static_sizes": _slice_sizes(op.source, op.static_sizes, shapes)}
    if isinstance(op, tensor.InsertSliceOp):
        return {"static_sizes": _slice_sizes(op.dest, op.static_sizes, shapes)}
    if isinstance(op, arith.ConstantOp) and shape(op.result) != shapes_of(op, shapes):
        return {"value": _resized_splat(op, shapes)}
    return {}


def shapes_of(op: arith.ConstantOp, shapes: Shapes) -> tuple[int, ...]:
    """The new shape of a constant; `()` for a scalar."""
    return shapes(op.result) if isinstance(op.result.type, TensorType) else ()


def _array(sizes: Iterable[int]) -> DenseArrayBase:
    return DenseArrayBase.from_list(i64, list(sizes))


def _slice_sizes(
    source: SSAValue, sizes: DenseArrayBase[I64], shapes: Shapes
) -> DenseArrayBase:
    """Sizes of a slice: a dimension taken in full stays taken in full."""
    old = sizes.get_values()
    dims = zip(old, shape(source), shapes(source), strict=True)
    return _array(new if size == full else size for size, full, new in dims)


def is_splat(op: arith.ConstantOp) -> bool:
    """Whether a constant is a scalar or the same everywhere, so that it can be cut."""
    value = op.value
    return not isinstance(value, DenseIntOrFPElementsAttr) or value.is_splat()


def _resized_splat(op: arith.ConstantOp, shapes: Shapes) -> Attribute:
    value = op.value
    assert isinstance(value, DenseIntOrFPElementsAttr)
    if not value.is_splat():
        message = "expected a constant that is the same everywhere where it is tiled"
        op.emit_error(message, PassFailedException(message))
    size = len(value.data.data) // len(value)
    data = value.data.data[:size] * prod(shapes(op.result))
    kind = cast("TensorType[Any]", resized_type(op.result, shapes))
    return DenseIntOrFPElementsAttr(kind, BytesAttr(data))


def _unpacked(
    op: ternary.UnpackOp,
    values: Mapping[SSAValue, SSAValue],
    shapes: Shapes,
    builder: Builder,
) -> SSAValue:
    """The part of a packed tile that is used; the bytes of a tile are always whole."""
    made = builder.insert(ternary.UnpackOp(values[op.packed], op.packing, op.w.type))
    made.attributes |= op.attributes
    return corner(made.w, shapes(op.w), builder)


def corner(value: SSAValue, sizes: tuple[int, ...], builder: Builder) -> SSAValue:
    """The first `sizes` elements of each dimension of a tensor; the tensor itself when that is all."""
    if sizes == shape(value):
        return value
    ones, zeros = [1] * len(sizes), [0] * len(sizes)
    kind = cast("TensorType[Attribute]", value.type)
    result = TensorType(kind.element_type, sizes)
    cut = tensor.ExtractSliceOp(value, zeros, sizes, ones, result)
    return builder.insert(cut).result


def fit(block: Block, sizes: Mapping[SSAValue, tuple[int, ...]]) -> Shapes:
    """The shapes of all values of a body when some of its arguments and results get the shapes in `sizes`."""
    opaque = ternary.UnpackOp | stream.IndexOp | stream.YieldOp
    classes = analyse(op for op in block.ops if not isinstance(op, opaque))
    points: dict[int, int] = {}
    for value, new in sizes.items():
        for dim, (old, size) in enumerate(zip(shape(value), new, strict=True)):
            index, scale = _slot(classes, value, dim, cut=old != size)
            if (
                index is not None
                and points.setdefault(index, size // scale) * scale != size
            ):
                raise PassFailedException(
                    f"expected tiles that end at the same edge, got {size} of {old} in one"
                    f" and {points[index] * scale} in another"
                )
    return lambda value: sizes.get(value) or _shape(classes, value, points)


def _slot(
    classes: Classes, value: SSAValue, dim: int, cut: bool
) -> tuple[int | None, int]:
    """The class and scale of a dimension; no class when it is whole, which is an error if it is to be cut."""
    try:
        index, scale = classes.class_of(value, dim)
    except KeyError:  # packed bytes, which no op but an unpack reads
        return None, 1
    found = classes.classes[index]
    if found.kind != "whole":
        return index, scale
    if cut:
        message = (
            f"dimension {dim} of a token of {value.type} cannot be cut: {found.reason}"
        )
        raise PassFailedException(message)
    return None, 1


def _shape(
    classes: Classes, value: SSAValue, points: dict[int, int]
) -> tuple[int, ...]:
    if not isinstance(value.type, TensorType):
        return ()
    try:
        return classes.tile_shape(value, points)
    except KeyError:  # packed bytes
        return shape(value)
