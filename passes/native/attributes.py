"""Types and attributes of code, each made once: making one costs more than making an op that has it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    AnyFloat,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    VectorType,
    i8,
    i32,
    i64,
)
from xdsl.ir import Attribute

MOST = 4096
"""Attributes of a kind that are kept."""

POINTER = llvm.LLVMPointerType()

UNALIGNED: Mapping[str, Attribute] = {
    "ordering": IntegerAttr(0, i64),
    "alignment": IntegerAttr(1, i64),
}
"""Of loads and stores: an address need not be aligned."""

Dense = DenseIntOrFPElementsAttr[AnyFloat] | DenseIntOrFPElementsAttr[IntegerType]
"""Numbers in the lanes of a vector."""

Number = Dense | IntegerAttr[IntegerType] | FloatAttr[AnyFloat]
"""What a constant op holds."""


@lru_cache(MOST)
def lanes_of(kind: Attribute, count: int) -> VectorType[Attribute]:
    """A vector of so many of a kind."""
    return VectorType(kind, [count])


@lru_cache(MOST)
def moved_by(offset: int) -> Mapping[str, Attribute]:
    """Of a pointer moved by bytes; `GEP_USE_SSA_VAL` where a value says by how many."""
    return {
        "rawConstantIndices": DenseArrayBase.from_list(i32, [offset]),
        "elem_type": i8,
        "noWrapFlags": IntegerAttr(0, 32),
    }


def number(value: float, type_: Attribute) -> Number:
    """A number, or a vector that holds it in every lane; an unsigned byte as the signed one."""
    return number_of(repr(value), value, type_)


@lru_cache(MOST)
def number_of(_: str, value: float, type_: Attribute) -> Number:
    """A number by its text, as 0 is not -0 and 1 not 1.0."""
    if (vector_type := as_vector(type_)) is not None:
        return filled(vector_type, (value,))
    if isinstance(type_, IntegerType):
        return IntegerAttr(int(value), cast("IntegerType", type_))
    assert isinstance(type_, AnyFloat)
    return FloatAttr(value, type_)


def filled(type_: VectorType[Attribute], values: Sequence[float]) -> Dense:
    """A vector of these numbers, or of one in every lane."""
    kind = type_.element_type
    lanes = type_.get_shape()
    if isinstance(kind, AnyFloat):
        floats = VectorType[AnyFloat](kind, lanes)
        return DenseIntOrFPElementsAttr.from_list(floats, list(values))
    assert isinstance(kind, IntegerType)
    integer = cast("IntegerType", kind)
    half = 1 << (integer.width.data - 1)
    signed = [int(v) - 2 * half if v >= half else int(v) for v in values]
    return DenseIntOrFPElementsAttr.from_list(VectorType(integer, lanes), signed)


def as_vector(type_: Attribute) -> VectorType[Attribute] | None:
    """A type as that of a vector, None where it is none."""
    if isinstance(type_, VectorType):
        return cast("VectorType[Attribute]", type_)
    return None


@lru_cache(MOST)
def called(name: str, count: int) -> Mapping[str, Attribute]:
    """Of a call of an intrinsic with so many arguments."""
    return {
        "intrin": StringAttr(name),
        "op_bundle_sizes": DenseArrayBase.from_list(i32, ()),
        "operandSegmentSizes": DenseArrayBase.from_list(i32, (count, 0)),
    }


@lru_cache(MOST)
def predicate(number: int) -> Mapping[str, Attribute]:
    """Of a comparison."""
    return {"predicate": IntegerAttr(number, i64)}
