"""Code for a product with a weight packed in rows: a row is unpacked to bytes, then multiplied by each token."""

from collections.abc import Sequence
from math import ceil

from xdsl.dialects import arith, llvm
from xdsl.dialects.builtin import i8, i32, i64
from xdsl.ir import SSAValue

from dfc.dialects.ternary import TRITS_PER_GROUP, PackingAttr
from dfc.dialects.utils import shape
from dfc.passes.native.attributes import lanes_of
from dfc.passes.native.code import Code, sum_of_lanes
from dfc.passes.native.result import BLOCK, Result
from dfc.passes.native.tiles import Range

LANES = 16
"""Products at once."""


class RowProduct:
    """The product of `q` (tokens x columns rounded up to 16) with a weight of codes in rows."""

    def __init__(self, result: Result, packing: PackingAttr) -> None:
        self.result, self.packing = result, packing
        self.product = result.product
        self.q = result.places[self.product.q]
        self.w = result.places[self.product.weight]
        self.width = ceil(self.product.columns / BLOCK) * BLOCK

    def write(self, code: Code, part: Range) -> None:
        """Every row of the part with every token; the room for a row is the function's."""
        room = code.add(llvm.AllocaOp(code.word(self.width), i8))
        self.clear(code, room)

        def body(
            inner: Code, row: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            self.unpack(inner, row, room)
            self.multiply(inner, row, room, part)
            return ()

        code.loop((part.first, part.end), 1, (), body)

    def clear(self, code: Code, room: SSAValue) -> None:
        """Zeros, which stay behind the last column."""
        octets = lanes_of(i8, BLOCK)

        def body(
            inner: Code, at: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            inner.store(inner.constant(0, octets), inner.at(room, at))
            return ()

        code.loop((code.word(0), code.word(self.width)), BLOCK, (), body)

    def unpack(self, code: Code, row: SSAValue, room: SSAValue) -> None:
        """The trits of a row as bytes."""
        start = code.times(row, self.product.columns)

        def body(
            inner: Code, at: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            trit = self.trit(inner, inner.plus(start, at))
            inner.store(inner.add(arith.TruncIOp(trit, i8)), inner.at(room, at))
            return ()

        code.loop((code.word(0), code.word(self.product.columns)), 1, (), body)

    def trit(self, code: Code, index: SSAValue) -> SSAValue:
        """The trit of this number, from the bytes that hold its group."""
        count, bits = TRITS_PER_GROUP[self.packing.code.data]
        group = code.two(arith.DivUIOp, index, count)
        place = code.two(arith.RemUIOp, index, count)
        first = code.times(group, bits)
        value = code.shifted(
            self.pair(code, code.shifted(first, 3)), code.bits(first, 7)
        )
        return self.digit(code, code.bits(value, 2**bits - 1), place, count)

    def pair(self, code: Code, at: SSAValue) -> SSAValue:
        """Two bytes as a number; behind the last byte that byte again, of which no bit is used."""
        last = shape(self.product.weight)[-1] - 1
        low, high = (
            code.add(arith.ExtUIOp(code.load(code.at(self.w, each), i8), i64))
            for each in (at, code.smaller(code.plus(at, 1), last))
        )
        return code.plus(low, code.times(high, 256))

    def digit(
        self, code: Code, value: SSAValue, place: SSAValue, count: int
    ) -> SSAValue:
        """The digit of a code at a place, less 1; a code of one trit is its digit."""
        if count > 1:
            divisor = code.word(1)
            for number in range(1, count):
                here = code.compare(place, "eq", number)
                divisor = code.choose(here, code.word(3**number), divisor)
            value = code.two(arith.DivUIOp, value, divisor)
            value = code.two(arith.RemUIOp, value, 3)
        return code.plus(value, -1)

    def multiply(self, code: Code, row: SSAValue, room: SSAValue, part: Range) -> None:
        """A row with every token."""

        def body(
            inner: Code, token: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            q = inner.at(self.q, inner.times(token, self.width))
            total = self.dot(inner, q, room)
            self.result.write(inner, total, token, row)
            return ()

        code.loop((code.word(0), part.tokens), 1, (), body)

    def dot(self, code: Code, q: SSAValue, room: SSAValue) -> SSAValue:
        """The sum of products of bytes."""
        octets, words = lanes_of(i8, LANES), lanes_of(i32, LANES)

        def body(
            inner: Code, at: SSAValue, totals: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            a, b = (
                inner.add(llvm.SExtOp(inner.load(inner.at(p, at), octets), words))
                for p in (q, room)
            )
            return [inner.plus(totals[0], inner.times(a, b))]

        bounds = (code.word(0), code.word(self.width))
        (total,) = code.loop(bounds, LANES, [code.constant(0, words)], body)
        return sum_of_lanes(code, total)
