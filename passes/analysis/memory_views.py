"""Memrefs of the lower levels: their types, bytes, and views of parts of them."""

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import (
    IndexType,
    IntegerAttr,
    MemRefType,
    StridedLayoutAttr,
    StringAttr,
    TensorType,
    i1,
    i8,
)
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from dfc.dialects import tier
from dfc.dialects.utils import shape
from dfc.runtime.machine.structure import element_bytes

ALIGNMENT = 64
"""Bytes that the offset of every buffer is a multiple of."""

Index = SSAValue | int
"""An index known only when the program runs, or a number."""


def stored_type(kind: Attribute) -> Attribute:
    """The element type in memory: whole bytes, so i1 is kept as i8."""
    return i8 if kind == i1 else kind


@cache
def memref_type(
    value_type: TensorType[Attribute] | MemRefType[Attribute],
    where: str,
    slots: int = 1,
) -> MemRefType[Attribute]:
    """A contiguous buffer in a tier for a tensor; with `slots` above 1, for that many of them."""
    sizes = [*([slots] if slots > 1 else []), *value_type.get_shape()]
    kind = stored_type(value_type.element_type)
    return MemRefType(kind, sizes, memory_space=StringAttr(where))


def buffer_bytes(kind: TensorType[Attribute] | MemRefType[Attribute]) -> int:
    """Bytes of a buffer of this type, without what it leaves out between its rows."""
    return prod(kind.get_shape()) * element_bytes(stored_type(kind.element_type))


def aligned(size: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def root_of(value: SSAValue) -> SSAValue:
    """The buffer a memref is a view of: an allocation's or a block argument."""
    while isinstance(owner := value.owner, Operation) and isinstance(
        owner,
        memref.SubviewOp
        | memref.ExpandShapeOp
        | memref.CollapseShapeOp
        | memref.CastOp,
    ):
        value = owner.operands[0]
    if not isinstance(value, BlockArgument):
        assert isinstance(value.owner, tier.AllocOp), "a buffer that nothing allocates"
    return value


class Indices:
    """Builds index arithmetic and views; what is known is computed, the rest becomes ops."""

    def __init__(self, builder: Builder, constants: Builder) -> None:
        self.builder = builder
        self._constants = constants
        self._known: dict[int, SSAValue] = {}

    def constant(self, number: int) -> SSAValue:
        """A number as a value, made once."""
        if number not in self._known:
            made = arith.ConstantOp(IntegerAttr(number, IndexType()))
            self._known[number] = self._constants.insert(made).result
            made.result.name_hint = f"c{number}"
        return self._known[number]

    def value(self, index: Index) -> SSAValue:
        """An index as a value."""
        return self.constant(index) if isinstance(index, int) else index

    def add(self, a: Index, b: Index) -> Index:
        """`a + b`."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if 0 in (a, b):
            return b if a == 0 else a
        return self.builder.insert(arith.AddiOp(self.value(a), self.value(b))).result

    def times(self, a: Index, factor: int) -> Index:
        """`a * factor`."""
        if isinstance(a, int):
            return a * factor
        if factor in (0, 1):
            return a if factor else 0
        return self.builder.insert(arith.MuliOp(a, self.constant(factor))).result

    def modulo(self, a: Index, divisor: int) -> Index:
        """`a mod divisor`."""
        if isinstance(a, int):
            return a % divisor
        return self.builder.insert(arith.RemUIOp(a, self.constant(divisor))).result

    def part(
        self, source: SSAValue, offsets: Sequence[Index], sizes: Sequence[int]
    ) -> SSAValue:
        """The part of a buffer at `offsets`, of the same rank; the buffer itself when that is all of it."""
        if tuple(sizes) == shape(source):
            return source
        steps = [1] * len(sizes)
        kind = memref.SubviewOp.infer_result_type(
            cast("MemRefType[Attribute]", source.type), offsets, sizes, steps
        )
        view = memref.SubviewOp.get(source, offsets, sizes, steps, kind)
        return self.builder.insert(view).result

    def slot(self, slots: SSAValue, index: Index, sizes: Sequence[int]) -> SSAValue:
        """Slot `index` of a buffer of slots, or its first `sizes` elements."""
        offsets = [index, *(0 for _ in sizes)]
        whole = [1, *sizes]
        kind = memref.SubviewOp.infer_result_type(
            cast("MemRefType[Attribute]", slots.type), offsets, whole, [1] * len(whole)
        )
        view = memref.SubviewOp.get(
            slots, offsets, whole, [1] * len(whole), without_first_dim(kind)
        )
        return self.builder.insert(view).result


def without_first_dim(kind: MemRefType[Attribute]) -> MemRefType[Attribute]:
    """The type of a view that drops its first dimension, of size 1."""
    layout = kind.layout
    assert isinstance(layout, StridedLayoutAttr)
    less = StridedLayoutAttr(list(layout.strides.data[1:]), layout.offset)
    sizes = list(kind.get_shape())[1:]
    return MemRefType(kind.element_type, sizes, less, kind.memory_space)
