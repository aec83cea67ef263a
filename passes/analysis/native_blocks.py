"""Code for a product with a weight of interleaved blocks of 16 x 16: one token, and tiles of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from dfc.passes.analysis.native_code import Code
from dfc.passes.analysis.native_isa import FIELDS, Avx512Vnni, Isa
from dfc.passes.analysis.native_result import BLOCK, Result

BLOCK_BYTES = 64
"""Bytes of a block."""


REST = 4
"""Tokens at once where no whole tile is left."""


@dataclass(frozen=True)
class Token:
    """A token: its number, and its activations, some bytes behind a pointer."""

    number: SSAValue
    base: SSAValue
    offset: int


@dataclass(frozen=True)
class Range:
    """The blocks of rows that a call works on, and how many tokens there are."""

    first: SSAValue
    end: SSAValue
    tokens: SSAValue


class BlockProduct:
    """The product of `q` (tokens x columns rounded up to 16) with a weight of interleaved blocks."""

    def __init__(self, isa: Isa, result: Result) -> None:
        self.isa, self.result = isa, result
        product = result.product
        self.q = result.places[product.multiply.q]
        self.w = result.places[product.unpack.packed]
        self.blocks = ceil(product.columns / BLOCK)
        self.width = self.blocks * BLOCK
        self.vectors = BLOCK_BYTES // isa.bytes

    def write(self, code: Code, part: Range) -> None:
        """One token for itself; more in tiles of `isa.tokens`, then of 4, whose last may repeat a token."""
        single = code.compare(part.tokens, "eq", 1)
        code.when(single, lambda inner: self.single(inner, part))
        several = code.compare(part.tokens, "ne", 1)
        code.when(several, lambda inner: self.several(inner, part))

    def single(self, code: Code, part: Range) -> None:
        """One token, several blocks of rows at once."""
        first = Token(code.word(0), self.q, 0)
        self.tile(code, part, [first], self.isa.group)

    def several(self, code: Code, part: Range) -> None:
        """Tiles of tokens."""
        size = self.isa.tokens
        left = code.add(arith.RemUIOp(part.tokens, code.word(size)))
        whole = code.minus(part.tokens, left)
        self.tiles(code, part, (code.word(0), whole), size)
        self.rest(code, part, whole)

    def tiles(
        self, code: Code, part: Range, bounds: tuple[SSAValue, SSAValue], size: int
    ) -> None:
        """Whole tiles of one size."""

        def body(
            inner: Code, first: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            base = inner.at(self.q, inner.times(first, self.width))
            tokens = [
                Token(inner.plus(first, at), base, at * self.width)
                for at in range(size)
            ]
            self.tile(inner, part, tokens, 1)
            return ()

        code.loop(bounds, size, (), body)

    def rest(self, code: Code, part: Range, start: SSAValue) -> None:
        """What is left, by fours; a token behind the last is the last."""

        def body(
            inner: Code, first: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            last = inner.plus(part.tokens, -1)
            numbers = [inner.smaller(inner.plus(first, at), last) for at in range(REST)]
            self.tile(inner, part, [self.token(inner, at) for at in numbers], 1)
            return ()

        code.loop((start, part.tokens), REST, (), body)

    def token(self, code: Code, number: SSAValue) -> Token:
        """A token by its number."""
        base = code.at(self.q, code.times(number, self.width))
        return Token(number, base, 0)

    def tile(
        self, code: Code, part: Range, tokens: Sequence[Token], group: int
    ) -> None:
        """Some tokens with all blocks of rows of the part, `group` of them at once."""
        sums = self.sums(code, tokens)

        def body(
            inner: Code, first: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            last = inner.plus(part.end, -1)
            blocks = [inner.smaller(inner.plus(first, at), last) for at in range(group)]
            totals = self.totals(inner, tokens, blocks)
            self.finish(inner, tokens, blocks, sums, totals)
            return ()

        code.loop((part.first, part.end), group, (), body)

    def sums(self, code: Code, tokens: Sequence[Token]) -> list[SSAValue]:
        """The sum of each token's activations, in every lane: codes are w + 1."""

        def body(
            inner: Code, at: SSAValue, sums: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            ones = self.isa.ones(inner)
            several = self.activations(inner, tokens, at)
            return [
                self.isa.multiply(inner, total, ones, q)
                for q, total in zip(several, sums, strict=True)
            ]

        zero = code.constant(0, self.isa.words)
        bounds = (code.word(0), code.word(self.blocks))
        return code.loop(bounds, 1, [zero] * len(tokens), body)

    def activations(
        self, code: Code, tokens: Sequence[Token], at: SSAValue
    ) -> list[list[SSAValue]]:
        """The activations of a block of columns by token."""
        offset = code.times(at, BLOCK)
        bases = {token.base: code.at(token.base, offset) for token in tokens}
        return [
            self.isa.activations(code, code.at(bases[token.base], token.offset))
            for token in tokens
        ]

    def totals(
        self, code: Code, tokens: Sequence[Token], blocks: Sequence[SSAValue]
    ) -> list[SSAValue]:
        """Sums of codes times activations by token, block of rows and vector of it."""
        isa = self.isa
        stride = self.blocks * BLOCK_BYTES
        weights = [code.at(self.w, code.times(block, stride)) for block in blocks]
        fields = isa if isinstance(isa, Avx512Vnni) and len(tokens) == 1 else None

        def body(
            inner: Code, at: SSAValue, totals: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            offset = inner.times(at, BLOCK_BYTES)
            vectors = [
                inner.load(inner.at(inner.at(w, offset), isa.bytes * n), isa.octets)
                for w in weights
                for n in range(self.vectors)
            ]
            several = self.activations(inner, tokens, at)
            if fields is not None:
                return in_place(fields, inner, totals, vectors, several[0])
            codes = [isa.codes(inner, vector) for vector in vectors]
            pairs = [(u, q) for q in several for u in codes]
            return [
                isa.multiply(inner, total, *pair)
                for total, pair in zip(totals, pairs, strict=True)
            ]

        zero = code.constant(0, isa.words)
        count = len(tokens) * len(blocks) * self.vectors
        carried = [zero] * (count if fields is None else count * len(FIELDS))
        bounds = (code.word(0), code.word(self.blocks))
        totals = code.loop(bounds, 1, carried, body)
        return totals if fields is None else brought_down(code, totals)

    def finish(
        self,
        code: Code,
        tokens: Sequence[Token],
        blocks: Sequence[SSAValue],
        sums: Sequence[SSAValue],
        totals: Sequence[SSAValue],
    ) -> None:
        """Take the sums of the activations off, and write the result."""
        lanes = BLOCK // self.vectors
        places = [
            (token.number, total, code.plus(code.times(block, BLOCK), lanes * vector))
            for token, total in zip(tokens, sums, strict=True)
            for block in blocks
            for vector in range(self.vectors)
        ]
        for (token, taken, row), total in zip(places, totals, strict=True):
            exact = code.minus(total, taken)
            self.result.write(code, exact, token, row)


def in_place(
    isa: Avx512Vnni,
    code: Code,
    totals: Sequence[SSAValue],
    vectors: Sequence[SSAValue],
    q: Sequence[SSAValue],
) -> list[SSAValue]:
    """Codes multiplied where they stand in their byte: the sum of field f is 4^f times too large."""
    masked = [
        (code.bits(vector, 3 << 2 * field), q[field])
        for vector in vectors
        for field in FIELDS
    ]
    return [
        isa.dot(code, total, u, activations)
        for total, (u, activations) in zip(totals, masked, strict=True)
    ]


def brought_down(code: Code, totals: Sequence[SSAValue]) -> list[SSAValue]:
    """The sums of the four fields, each shifted to its place, added."""
    found: list[SSAValue] = []
    for at in range(0, len(totals), len(FIELDS)):
        total = totals[at]
        for field in FIELDS[1:]:
            total = code.plus(
                total, code.shifted(totals[at + field], 2 * field, signed=True)
            )
        found.append(total)
    return found
