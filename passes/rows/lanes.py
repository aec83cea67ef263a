"""Values of rows in lanes: read and written in their own kind, computed in one that has all ops."""

from collections.abc import Callable, Sequence

from xdsl.dialects import arith, llvm
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    IntegerAttr,
    f16,
    i16,
    i32,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue

from dfc.passes.native.code import Code
from dfc.passes.native.result import kind_like
from dfc.passes.rows.functions import FUNCTIONS
from dfc.passes.rows.graph import Apply
from dfc.passes.rows.masks import choose, compare
from dfc.passes.rows.math import Floats
from dfc.passes.rows.ops import EXACT, NARROW, working

NAN = 0x7FC00000
"""The bits of the NaN that a rounded NaN becomes."""

CONVERSIONS: dict[type[Operation], Callable[[SSAValue, Attribute], Operation]] = {
    arith.ExtSIOp: llvm.SExtOp,
    arith.ExtUIOp: llvm.ZExtOp,
    arith.TruncIOp: llvm.TruncOp,
    arith.SIToFPOp: llvm.SIToFPOp,
}
"""Conversions of integers, by an op that takes vectors too."""

TO_INTEGER: dict[type[Operation], str] = {
    arith.FPToSIOp: "llvm.fptosi.sat",
    arith.FPToUIOp: "llvm.fptoui.sat",
}
"""Conversions toward zero; what does not fit becomes the nearest that does, NaN becomes 0."""


def read(code: Code, pointer: SSAValue, kind: Attribute, like: Attribute) -> SSAValue:
    """What stands at a pointer, as many as `like` has; bf16 by its bits, which are the upper ones of f32."""
    wide = kind_like(like, working(kind))
    if isinstance(kind, BFloat16Type):
        half = code.load(pointer, kind_like(like, i16))
        bits = code.make(llvm.ZExtOp, (half,), kind_like(like, i32))
        bits = code.two(arith.ShLIOp, bits, 16)
        return code.make(arith.BitcastOp, (bits,), wide)
    value = code.load(pointer, kind_like(like, kind))
    if isinstance(kind, NARROW):
        return code.make(arith.ExtFOp, (value,), wide)
    return value


def write(code: Code, value: SSAValue, pointer: SSAValue, kind: Attribute) -> None:
    """Store a value, which is one of its kind."""
    if isinstance(kind, BFloat16Type):
        bits = code.make(arith.BitcastOp, (value,), kind_like(value.type, i32))
        half = code.shifted(bits, 16)
        value = code.add(llvm.TruncOp(half, kind_like(value.type, i16)))
    elif isinstance(kind, Float16Type):
        value = code.make(arith.TruncFOp, (value,), kind_like(value.type, f16))
    code.store(value, pointer)


def rounded(code: Code, value: SSAValue, kind: Attribute) -> SSAValue:
    """An f32 value rounded half to even to a narrow kind, in f32."""
    if isinstance(kind, Float16Type):
        narrow = code.make(arith.TruncFOp, (value,), kind_like(value.type, f16))
        return code.make(arith.ExtFOp, (narrow,), value.type)
    f = Floats(code, value.type)
    bits = f.bits(value)
    odd = code.bits(code.shifted(bits, 16), 1)
    bits = code.plus(code.plus(bits, 0x7FFF), odd)
    upper = code.bits(bits, -0x10000)
    nan = code.constant(NAN, bits.type)
    return f.floats(choose(code, f.test(value, "uno", value), nan, upper))


def computed(code: Code, node: Apply, operands: Sequence[SSAValue]) -> SSAValue:
    """The value of an op on values of its inputs, rounded to its kind."""
    type_ = kind_like(operands[-1].type, working(node.kind))
    value = exactly(code, node, operands, type_)
    narrow = isinstance(node.kind, NARROW) and node.op not in EXACT
    return rounded(code, value, node.kind) if narrow else value


def exactly(
    code: Code, node: Apply, operands: Sequence[SSAValue], type_: Attribute
) -> SSAValue:
    """The value of an op in the kind that is computed in."""
    first = operands[0]
    if node.op in FUNCTIONS:
        return FUNCTIONS[node.op](Floats(code, type_), first)
    if node.op in CONVERSIONS:
        return code.add(CONVERSIONS[node.op](first, type_))
    if node.op in (arith.ExtFOp, arith.TruncFOp) and type_ == first.type:
        return first
    if node.op is arith.SelectOp:
        return choose(code, *operands)
    if node.op in (arith.CmpfOp, arith.CmpiOp):
        return compared(code, node, operands)
    if node.op is arith.UIToFPOp:
        return code.make(llvm.SIToFPOp, (widened(code, first),), type_)
    if node.op in TO_INTEGER:
        return code.intrinsic(TO_INTEGER[node.op], [first], type_)
    return code.make(node.op, operands, type_, node.properties)


def compared(code: Code, node: Apply, operands: Sequence[SSAValue]) -> SSAValue:
    """A comparison by the predicate of an op, whose numbers are those of LLVM's ops."""
    a, b = operands
    predicate = node.properties["predicate"]
    assert isinstance(predicate, IntegerAttr)
    if node.op is arith.CmpfOp:
        return compare(code, a, predicate.value.data, b)
    return code.add(llvm.ICmpOp(a, b, IntegerAttr(predicate.value.data, i64)))


def widened(code: Code, value: SSAValue) -> SSAValue:
    """An unsigned integer as a signed one that holds it."""
    wide = i64 if kind_like(value.type, i32) == value.type else i32
    return code.make(llvm.ZExtOp, (value,), kind_like(value.type, wide))
