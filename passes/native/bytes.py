"""Code for a product with a weight of int8 in plain rows: row by row with one token, several at once with more."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import ceil
from typing import ClassVar

from xdsl.dialects import arith, llvm
from xdsl.dialects.builtin import VectorType, i8, i16, i32
from xdsl.ir import SSAValue

from dfc.passes.native.attributes import lanes_of
from dfc.passes.native.code import Code, sum_of_lanes
from dfc.passes.native.result import BLOCK, Result
from dfc.passes.native.tiles import Range, TiledProduct, Token

PANEL = 1 << 18
"""Bytes of a weight that several tokens go through before the next: they stay in a cache."""


Step = Callable[
    [Code, SSAValue, Sequence[SSAValue], SSAValue | None], Sequence[SSAValue]
]
"""What is added to sums from a column on; which bytes of the activations to keep, all where None."""


class Dot(ABC):
    """How bytes are multiplied, `lanes` of them at once; `offset` is what is added to each byte of the weight."""

    offset: ClassVar[int] = 0
    rows: ClassVar[int] = 4
    """Rows multiplied at once with a tile of tokens."""
    tokens: ClassVar[int] = 4
    """Tokens in a tile."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes

    @property
    def octets(self) -> VectorType:
        """Bytes."""
        return lanes_of(i8, self.lanes)

    @property
    def halves(self) -> VectorType:
        """16-bit lanes."""
        return lanes_of(i16, self.lanes)

    @property
    @abstractmethod
    def words(self) -> VectorType:
        """Sums."""

    def weight(self, code: Code, w: SSAValue) -> SSAValue:
        """Bytes of a weight as `multiply` takes them."""
        return code.make(llvm.SExtOp, (w,), self.halves)

    def activations(self, code: Code, q: SSAValue) -> SSAValue:
        """Activations as `multiply` takes them."""
        return code.make(llvm.SExtOp, (q,), self.halves)

    @abstractmethod
    def multiply(
        self, code: Code, total: SSAValue, w: SSAValue, q: SSAValue
    ) -> SSAValue:
        """`total` plus products of bytes."""


class VnniDot(Dot):
    """`vpdpbusd`: weights are made unsigned by adding 128, the activations' sum is taken off 128 times."""

    offset = 128

    @property
    def words(self) -> VectorType:
        return lanes_of(i32, self.lanes // 4)

    def weight(self, code: Code, w: SSAValue) -> SSAValue:
        return code.flipped(w, 128)

    def activations(self, code: Code, q: SSAValue) -> SSAValue:
        return q

    def multiply(
        self, code: Code, total: SSAValue, w: SSAValue, q: SSAValue
    ) -> SSAValue:
        name = "llvm.x86.avx512.vpdpbusd.512"
        return code.intrinsic(name, [total, w, q], self.words)


class Avx2Dot(Dot):
    """`vpmaddwd` of bytes widened to 16 bits: pairs of products in 32 bits, at most 2 * 2^14."""

    rows = 2

    @property
    def words(self) -> VectorType:
        return lanes_of(i32, self.lanes // 2)

    def multiply(
        self, code: Code, total: SSAValue, w: SSAValue, q: SSAValue
    ) -> SSAValue:
        name = "llvm.x86.avx2.pmadd.wd"
        return code.plus(total, code.intrinsic(name, [w, q], self.words))


class PlainDot(Dot):
    """Plain vectors: a product of two bytes fits in 16 bits."""

    rows = 2

    @property
    def words(self) -> VectorType:
        return lanes_of(i32, self.lanes)

    def multiply(
        self, code: Code, total: SSAValue, w: SSAValue, q: SSAValue
    ) -> SSAValue:
        wide = code.make(llvm.SExtOp, (code.times(w, q),), self.words)
        return code.plus(total, wide)


DOTS: dict[str, Dot] = {
    "avx512-vbmi": VnniDot(64),
    "avx512-vnni": VnniDot(64),
    "avx2": Avx2Dot(16),
    "portable": PlainDot(16),
}
"""How bytes are multiplied by instruction set."""


def dot_of(isa: str, columns: int) -> Dot:
    """How rows of so many bytes are multiplied: those shorter than a vector of the instruction set by plain ones."""
    dot = DOTS[isa]
    if columns >= dot.lanes:
        return dot
    return PlainDot(1 << (min(columns, 16).bit_length() - 1))


class ByteProduct(TiledProduct):
    """
    The product of `q` (tokens x columns rounded up to 16) with a weight of bytes in rows.

    What is behind the last whole vector of a row is read by a vector that ends with the row; the
    activations that the vectors before had are zeros in it.
    """

    def __init__(self, dot: Dot, result: Result) -> None:
        product = result.product
        self.columns, self.rows = product.columns, product.rows
        width = ceil(self.columns / BLOCK) * BLOCK
        super().__init__(result.places[product.q], width, dot.tokens)
        self.dot, self.result = dot, result
        self.w = result.places[product.weight]

    def several(self, code: Code, part: Range) -> None:
        """Tiles of tokens, with one panel of rows after the other."""
        step = max(1, PANEL // (self.columns * BLOCK))

        def body(
            inner: Code, first: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            end = inner.smaller(inner.plus(first, step), part.end)
            super(ByteProduct, self).several(inner, Range(first, end, part.tokens))
            return ()

        code.loop((part.first, part.end), step, (), body)

    def tile(self, code: Code, part: Range, tokens: Sequence[Token]) -> None:
        """Some tokens with all rows of the part; one token row by row, as one stream of memory."""
        count = 1 if len(tokens) == 1 else self.dot.rows
        sums = self.taken(code, tokens)
        bounds = [code.times(bound, BLOCK) for bound in (part.first, part.end)]

        def body(
            inner: Code, first: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            rows = [
                inner.smaller(inner.plus(first, at), self.rows - 1)
                for at in range(count)
            ]
            totals = self.totals(inner, tokens, rows)
            self.finish(inner, tokens, first, sums, totals)
            return ()

        end = code.smaller(bounds[1], self.rows)
        code.loop((bounds[0], end), count, (), body)

    def taken(self, code: Code, tokens: Sequence[Token]) -> list[SSAValue]:
        """What the offset of the weight makes too much, by token."""
        offset = self.dot.offset
        if not offset:
            return []
        return [code.times(each, offset) for each in self.sums(code, tokens)]

    def totals(
        self, code: Code, tokens: Sequence[Token], rows: Sequence[SSAValue]
    ) -> list[SSAValue]:
        """Vectors of sums by token and row."""
        weights = [code.at(self.w, code.times(row, self.columns)) for row in rows]

        def step(
            inner: Code, at: SSAValue, sums: Sequence[SSAValue], keep: SSAValue | None
        ) -> Sequence[SSAValue]:
            vectors = [
                self.dot.weight(inner, inner.load(inner.at(w, at), self.dot.octets))
                for w in weights
            ]
            several = self.activations(inner, tokens, at, keep)
            pairs = [(w, q) for q in several for w in vectors]
            return [
                self.dot.multiply(inner, sum_, *pair)
                for sum_, pair in zip(sums, pairs, strict=True)
            ]

        return self.over_columns(code, len(tokens) * len(rows), step)

    def activations(
        self, code: Code, tokens: Sequence[Token], at: SSAValue, keep: SSAValue | None
    ) -> list[SSAValue]:
        """The activations from a column on by token; zeros in lanes that are not to be kept."""
        places = self.places(code, tokens, at)
        several = [code.load(place, self.dot.octets) for place in places]
        if keep is not None:
            several = [code.two(arith.AndIOp, q, keep) for q in several]
        return [self.dot.activations(code, q) for q in several]

    def over_columns(self, code: Code, count: int, step: Step) -> list[SSAValue]:
        """Sums over whole vectors of columns, then over what is left."""
        lanes = self.dot.lanes
        rest = self.columns % lanes
        bounds = (code.word(0), code.word(self.columns - rest))
        zeros = [code.constant(0, self.dot.words)] * count
        sums: Sequence[SSAValue] = code.loop(
            bounds, lanes, zeros, lambda inner, at, sums: step(inner, at, sums, None)
        )
        if rest:
            kept = [0] * (lanes - rest) + [-1] * rest
            keep = code.numbers(kept, self.dot.octets)
            sums = step(code, code.word(self.columns - lanes), sums, keep)
        return list(sums)

    def finish(
        self,
        code: Code,
        tokens: Sequence[Token],
        first: SSAValue,
        taken: Sequence[SSAValue],
        totals: Sequence[SSAValue],
    ) -> None:
        """Add the lanes, take off what the offset made too much, and write the result."""
        count = len(totals) // len(tokens)
        kind = lanes_of(i32, count)
        for at, token in enumerate(tokens):
            sums = code.constant(0, kind)
            for lane, total in enumerate(totals[count * at : count * (at + 1)]):
                sums = code.lane(sum_of_lanes(code, total), sums, lane)
            if taken:
                sums = code.minus(sums, code.splat(taken[at], kind))
            self.result.write(code, sums, token.number, first)
