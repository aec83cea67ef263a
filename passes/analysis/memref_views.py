"""`tensor` views as views of memrefs: the same part or shape of the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import memref, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    DenseArrayBase,
    MemRefType,
    NoneAttr,
    StridedLayoutAttr,
    i64,
)
from xdsl.dialects.utils.reshape_ops_utils import ArrayOfIntArrayAttr
from xdsl.ir import Attribute, SSAValue

from dfc.dialects.utils import shape
from dfc.passes.analysis.memory_views import Index

MemRef = MemRefType[Attribute]


def sliced(op: tensor.ExtractSliceOp, source: SSAValue, builder: Builder) -> SSAValue:
    """The memref of a slice of a tensor that stands in `source`."""
    offsets = _indices(op.static_offsets.get_values(), op.offsets)
    sizes = list(op.static_sizes.get_values())
    strides = list(op.static_strides.get_values())
    kind = memref.SubviewOp.infer_result_type(
        cast("MemRef", source.type), offsets, sizes, strides
    )
    kind = _of_rank(kind, shape(op.result))
    view = memref.SubviewOp.get(source, offsets, sizes, strides, kind)
    return builder.insert(view).result


def _indices(static: Sequence[int], dynamic: Sequence[SSAValue]) -> list[Index]:
    """Numbers where they are known, else the next of the values."""
    values = iter(dynamic)
    return [next(values) if number == DYNAMIC_INDEX else number for number in static]


def _of_rank(kind: MemRef, sizes: Sequence[int]) -> MemRef:
    """A subview's type without the dimensions of size 1 that the result lacks."""
    strides = layout_of(kind)[0]
    kept: list[int] = []
    wanted = list(sizes)
    for dim, size in enumerate(kind.get_shape()):
        spare = len(kind.get_shape()) - dim - len(wanted)
        if wanted and wanted[0] == size and not (size == 1 and spare > 0):
            kept.append(dim)
            wanted.pop(0)
    layout = kind.layout
    assert isinstance(layout, StridedLayoutAttr)
    return MemRefType(
        kind.element_type,
        list(sizes),
        StridedLayoutAttr([strides[dim] for dim in kept], layout.offset),
        kind.memory_space,
    )


def layout_of(kind: MemRef) -> tuple[list[int], int | None]:
    """The strides of a memref, in elements, and its offset where that is known."""
    strides = [cast("int", stride) for stride in kind.get_strides() or ()]
    return strides, kind.get_offset()


def expanded(
    source: SSAValue,
    groups: ArrayOfIntArrayAttr,
    sizes: Sequence[int],
    builder: Builder,
) -> SSAValue:
    """A memref with each dimension split into those of its group."""
    kind = cast("MemRef", source.type)
    outer, _ = layout_of(kind)
    strides: list[int] = []
    for group, stride in zip(groups, outer, strict=True):
        inner: list[int] = []
        for dim in reversed([index.value.data for index in group]):
            inner.insert(0, stride)
            stride *= sizes[dim]
        strides += inner
    made = memref.ExpandShapeOp.build(
        operands=[source, []],
        result_types=[_reshaped(kind, sizes, strides)],
        properties={
            "reassociation": groups,
            "static_output_shape": DenseArrayBase.from_list(i64, list(sizes)),
        },
    )
    return builder.insert(made).result


def collapsed(
    source: SSAValue,
    groups: ArrayOfIntArrayAttr,
    sizes: Sequence[int],
    builder: Builder,
) -> SSAValue:
    """A memref with the dimensions of each group, which follow each other in memory, joined."""
    kind = cast("MemRef", source.type)
    inner, _ = layout_of(kind)
    strides: list[int] = []
    for group in groups:
        dims = [index.value.data for index in group]
        wide = [dim for dim in dims if shape(source)[dim] > 1] or dims[-1:]
        strides.append(inner[wide[-1]] if wide else 1)
    made = memref.CollapseShapeOp.build(
        operands=[source],
        result_types=[_reshaped(kind, sizes, strides)],
        properties={"reassociation": groups},
    )
    return builder.insert(made).result


def _reshaped(kind: MemRef, sizes: Sequence[int], strides: Sequence[int]) -> MemRef:
    """The type of the same bytes in another shape; without a layout when the source has none."""
    if not isinstance(kind.layout, StridedLayoutAttr):
        return MemRefType(kind.element_type, list(sizes), NoneAttr(), kind.memory_space)
    layout = StridedLayoutAttr(list(strides), kind.layout.offset)
    return MemRefType(kind.element_type, list(sizes), layout, kind.memory_space)


def reshaped(
    op: tensor.ExpandShapeOp | tensor.CollapseShapeOp,
    source: SSAValue,
    builder: Builder,
) -> SSAValue:
    """The memref of a reshaped tensor that stands in `source`."""
    groups = op.reassociation
    sizes = shape(op.result)
    if isinstance(op, tensor.ExpandShapeOp):
        return expanded(source, groups, sizes, builder)
    return collapsed(source, groups, sizes, builder)


def unreshaped(
    op: tensor.ExpandShapeOp | tensor.CollapseShapeOp,
    result: SSAValue,
    builder: Builder,
) -> SSAValue:
    """The memref of the tensor before it was reshaped to what stands in `result`."""
    groups = op.reassociation
    if isinstance(op, tensor.ExpandShapeOp):
        return collapsed(result, groups, shape(op.src), builder)
    return expanded(result, groups, shape(op.src), builder)
