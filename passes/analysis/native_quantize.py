"""Code for the quantisation of activations, token by token, 16 columns at once."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil

from xdsl.dialects import arith, llvm, math
from xdsl.dialects.builtin import AnyFloat, VectorType, f32, i8, i32
from xdsl.dialects.vector import CombiningKindFlag
from xdsl.ir import Attribute, SSAValue

from dfc.dialects import ternary
from dfc.dialects.utils import element, shape
from dfc.passes.analysis.native_blocks import Range
from dfc.passes.analysis.native_code import Code, size_bytes
from dfc.passes.analysis.native_result import BLOCK, kind_like, spread
from dfc.passes.analysis.native_rows import reduced

SMALLEST = 1e-5
"""The smallest maximum that a row is scaled by."""

ROUNDING = 1.5 * 2**23
"""
What a float of at most 2^22 is added to so that the sum has its nearest integer in the low bits.

The sum has no bits below 1, so the addition itself rounds, half to even.
"""


class Quantization:
    """Tokens to rows of int8, padded with zeros to a multiple of 16, and a scale each."""

    def __init__(
        self, op: ternary.QuantizeOp, places: Mapping[SSAValue, SSAValue]
    ) -> None:
        self.x, self.q, self.s = (places[each] for each in (op.x, op.q, op.s))
        _, self.columns = shape(op.x)
        self.width = ceil(self.columns / BLOCK) * BLOCK
        kind = element(op.x)
        assert isinstance(kind, AnyFloat)
        self.kind = kind

    def write(self, code: Code, part: Range) -> None:
        """Every token of the part."""

        def body(
            inner: Code, token: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            self.token(inner, token)
            return ()

        code.loop((part.first, part.end), 1, (), body)

    def token(self, code: Code, token: SSAValue) -> None:
        """One row."""
        bytes_ = self.columns * size_bytes(self.kind)
        x = code.at(self.x, code.times(token, bytes_))
        q = code.at(self.q, code.times(token, self.width))
        least = code.constant(SMALLEST, f32)
        largest = code.add(arith.MaximumfOp(self.largest(code, x), least))
        s = code.add(arith.DivfOp(code.constant(127, f32), largest))
        code.store(s, code.at(self.s, code.times(token, 4)))
        for bounds, step, type_ in self.pieces():
            self.round(code, (x, q, s), (bounds, step), type_)
        for at in range(self.columns, self.width):
            code.store(code.constant(0, i8), code.at(q, at))

    def pieces(self) -> list[tuple[tuple[int, int], int, Attribute]]:
        """Whole vectors of columns, then each that is left: bounds, step and type in f32."""
        whole = self.columns // BLOCK * BLOCK
        several = ((0, whole), BLOCK, VectorType(f32, [BLOCK]))
        return [several, ((whole, self.columns), 1, f32)]

    def largest(self, code: Code, x: SSAValue) -> SSAValue:
        """The largest absolute value of a row."""
        found = code.constant(0, f32)
        for bounds, step, type_ in self.pieces():
            start = spread(code, found, type_)
            compare = self.larger(x, type_)
            limits = (code.word(bounds[0]), code.word(bounds[1]))
            (found,) = code.loop(limits, step, [start], compare)
            if isinstance(type_, VectorType):
                found = reduced(code, found, CombiningKindFlag.MAXIMUMF)
        return found

    def larger(
        self, x: SSAValue, type_: Attribute
    ) -> Callable[[Code, SSAValue, Sequence[SSAValue]], Sequence[SSAValue]]:
        """The step that keeps the larger of what is kept and what stands at a column."""

        def body(
            inner: Code, at: SSAValue, kept: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            size = inner.add(math.AbsFOp(self.read(inner, x, at, type_)))
            return [inner.add(arith.MaximumfOp(kept[0], size))]

        return body

    def round(
        self,
        code: Code,
        places: tuple[SSAValue, SSAValue, SSAValue],
        over: tuple[tuple[int, int], int],
        type_: Attribute,
    ) -> None:
        """`round_half_even(clamp(x * s, -128, 127))` of some columns: both bounds are integers, so the order is free."""
        x, q, s = places
        bounds, step = over

        def body(
            inner: Code, at: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            value = self.read(inner, x, at, type_)
            y = inner.add(arith.MulfOp(value, spread(inner, s, type_)))
            y = inner.add(arith.MaximumfOp(y, inner.constant(-128, type_)))
            y = inner.add(arith.MinimumfOp(y, inner.constant(127, type_)))
            y = inner.add(arith.AddfOp(y, inner.constant(ROUNDING, type_)))
            bits = inner.add(arith.BitcastOp(y, kind_like(type_, i32)))
            byte = inner.add(llvm.TruncOp(bits, kind_like(type_, i8)))
            inner.store(byte, inner.at(q, at))
            return ()

        code.loop((code.word(bounds[0]), code.word(bounds[1])), step, (), body)

    def read(self, code: Code, x: SSAValue, at: SSAValue, type_: Attribute) -> SSAValue:
        """What stands at a column, in f32."""
        place = code.at(x, code.times(at, size_bytes(self.kind)))
        value = code.load(place, kind_like(type_, self.kind))
        return value if self.kind == f32 else code.add(arith.ExtFOp(value, type_))
