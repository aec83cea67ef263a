"""Code for a product with a weight of interleaved blocks of 16 x 16: one token, and tiles of tokens."""

from collections.abc import Sequence
from math import ceil

from xdsl.ir import SSAValue

from dfc.passes.native.code import Code
from dfc.passes.native.isa import FIELDS, Avx512Vnni, Isa
from dfc.passes.native.result import BLOCK, Result
from dfc.passes.native.tiles import Range, TiledProduct, Token

BLOCK_BYTES = 64
"""Bytes of a block."""


class BlockProduct(TiledProduct):
    """The product of `q` (tokens x columns rounded up to 16) with a weight of interleaved blocks."""

    def __init__(self, isa: Isa, result: Result) -> None:
        product = result.product
        self.blocks = ceil(product.columns / BLOCK)
        super().__init__(result.places[product.q], self.blocks * BLOCK, isa.tokens)
        self.isa, self.result = isa, result
        self.w = result.places[product.weight]
        self.vectors = BLOCK_BYTES // isa.bytes

    def tile(self, code: Code, part: Range, tokens: Sequence[Token]) -> None:
        """
        Some tokens with all blocks of rows of the part, one behind the other.

        One stream of memory is read faster than several: blocks of rows at once would
        each be read from a place of their own.
        """
        sums = [code.splat(each, self.isa.words) for each in self.sums(code, tokens)]

        def body(
            inner: Code, block: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            totals = self.totals(inner, tokens, block)
            self.finish(inner, tokens, block, sums, totals)
            return ()

        code.loop((part.first, part.end), 1, (), body)

    def activations(
        self, code: Code, tokens: Sequence[Token], at: SSAValue
    ) -> list[list[SSAValue]]:
        """The activations of a block of columns by token."""
        places = self.places(code, tokens, code.times(at, BLOCK))
        return [self.isa.activations(code, place) for place in places]

    def totals(
        self, code: Code, tokens: Sequence[Token], block: SSAValue
    ) -> list[SSAValue]:
        """Sums of codes times activations by token and vector of the block."""
        isa = self.isa
        weights = code.at(self.w, code.times(block, self.blocks * BLOCK_BYTES))
        fields = isa if isinstance(isa, Avx512Vnni) and len(tokens) == 1 else None

        def body(
            inner: Code, at: SSAValue, totals: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            here = inner.at(weights, inner.times(at, BLOCK_BYTES))
            vectors = [
                inner.load(inner.at(here, isa.bytes * n), isa.octets)
                for n in range(self.vectors)
            ]
            several = self.activations(inner, tokens, at)
            if fields is not None:
                return in_place(fields, inner, totals, vectors[0], several[0])
            codes = [isa.codes(inner, vector) for vector in vectors]
            pairs = [(u, q) for q in several for u in codes]
            return [
                isa.multiply(inner, total, *pair)
                for total, pair in zip(totals, pairs, strict=True)
            ]

        zero = code.constant(0, isa.words)
        count = len(tokens) * self.vectors
        carried = [zero] * (count if fields is None else len(FIELDS))
        bounds = (code.word(0), code.word(self.blocks))
        totals = code.loop(bounds, 1, carried, body)
        return totals if fields is None else [brought_down(code, totals)]

    def finish(
        self,
        code: Code,
        tokens: Sequence[Token],
        block: SSAValue,
        sums: Sequence[SSAValue],
        totals: Sequence[SSAValue],
    ) -> None:
        """Take the sums of the activations off (codes are w + 1), and write the result."""
        lanes = BLOCK // self.vectors
        places = [
            (token.number, total, code.plus(code.times(block, BLOCK), lanes * vector))
            for token, total in zip(tokens, sums, strict=True)
            for vector in range(self.vectors)
        ]
        for (token, taken, row), total in zip(places, totals, strict=True):
            exact = code.minus(total, taken)
            self.result.write(code, exact, token, row)


def in_place(
    isa: Avx512Vnni,
    code: Code,
    totals: Sequence[SSAValue],
    block: SSAValue,
    q: Sequence[SSAValue],
) -> list[SSAValue]:
    """Codes multiplied where they stand in their byte: the sum of field f is 4^f times too large."""
    masked = [code.bits(block, 3 << 2 * field) for field in FIELDS]
    return [
        isa.dot(code, total, u, activations)
        for total, u, activations in zip(totals, masked, q, strict=True)
    ]


def brought_down(code: Code, totals: Sequence[SSAValue]) -> SSAValue:
    """The sums of the four fields, each shifted to its place, added."""
    total, *others = totals
    for field, each in enumerate(others, 1):
        total = code.plus(total, code.shifted(each, 2 * field, signed=True))
    return total
