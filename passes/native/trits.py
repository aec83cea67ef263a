"""Code for a product with an interleaved weight of 3 trits in 5 bits: blocks of 16 rows x 12 columns in 40 bytes."""

from collections.abc import Sequence
from math import ceil

from xdsl.ir import SSAValue

from dfc.passes.native.blocks import BlockProduct, brought_down
from dfc.passes.native.code import Code
from dfc.passes.native.isa import FIELDS, Avx512Vnni, Isa
from dfc.passes.native.result import Result
from dfc.passes.native.tiles import Token
from dfc.passes.native.trit_codes import PACKED_BYTES, decoded

DIGITS = FIELDS[:3]
"""Trits of a code: columns 4f … 4f + 3 of a block are digit f."""

AT_ONCE = 2
"""Blocks of columns in a round with one token, each with sums of its own: one waits less for the other."""

COLUMNS = 4 * len(DIGITS)
"""Columns of a block."""


class TritProduct(BlockProduct):
    """
    The product of `q` (tokens x columns rounded up to 16) with blocks of 16 x 12 trits.

    Each block is decoded to what a block of 2-bit codes is, its highest field empty. Of the last block the
    digits behind the columns of `q` are left out: they are zero trits.
    """

    def __init__(self, isa: Isa, result: Result) -> None:
        super().__init__(isa, result)
        self.sets = ceil(result.product.columns / COLUMNS)
        behind = self.width - COLUMNS * (self.sets - 1)
        self.last = [field for field in DIGITS if 4 * field < behind]

    def totals(
        self, code: Code, tokens: Sequence[Token], block: SSAValue
    ) -> list[SSAValue]:
        """Sums of codes times activations by token and vector of the block."""
        start = code.at(self.w, code.times(block, self.sets * PACKED_BYTES))
        alone = isinstance(self.isa, Avx512Vnni) and len(tokens) == 1
        count = len(FIELDS) if alone else len(tokens) * self.vectors
        at_once = AT_ONCE if alone else 1

        def step(
            inner: Code, at: SSAValue, totals: Sequence[SSAValue], last: bool
        ) -> list[SSAValue]:
            here = inner.at(start, inner.times(at, PACKED_BYTES))
            vectors = decoded(inner, self.isa, here, not last)
            fields = self.last if last else DIGITS
            places = self.places(inner, tokens, inner.times(at, COLUMNS))
            several = [self.isa.activations(inner, each, fields) for each in places]
            if alone:
                return self.in_fields(inner, totals, vectors[0], several[0])
            codes = [self.isa.codes(inner, vector, fields) for vector in vectors]
            pairs = [(u, q) for q in several for u in codes]
            return [
                self.isa.multiply(inner, total, *pair)
                for total, pair in zip(totals, pairs, strict=True)
            ]

        def steps(
            inner: Code, at: SSAValue, carried: Sequence[SSAValue]
        ) -> list[SSAValue]:
            found: list[SSAValue] = []
            for number in range(len(carried) // count):
                own = carried[number * count : (number + 1) * count]
                found += step(inner, inner.plus(at, number), own, False)
            return found

        whole = (self.sets - 1) // at_once * at_once
        carried = [code.constant(0, self.isa.words)] * (count * at_once)
        bounds = (code.word(0), code.word(whole))
        carried = code.loop(bounds, at_once, carried, steps)
        totals = [sum_of(code, carried[at::count]) for at in range(count)]
        for at in range(whole, self.sets):
            totals = step(code, code.word(at), totals, at == self.sets - 1)
        return [brought_down(code, totals)] if alone else totals

    def in_fields(
        self,
        code: Code,
        totals: Sequence[SSAValue],
        block: SSAValue,
        q: Sequence[SSAValue],
    ) -> list[SSAValue]:
        """Codes multiplied where they stand in their byte, a sum for each field."""
        assert isinstance(self.isa, Avx512Vnni)
        found = list(totals)
        for field, activations in enumerate(q):
            masked = code.bits(block, 3 << 2 * field)
            found[field] = self.isa.dot(code, found[field], masked, activations)
        return found


def sum_of(code: Code, values: Sequence[SSAValue]) -> SSAValue:
    """The sum of some vectors."""
    total, *others = values
    for each in others:
        total = code.plus(total, each)
    return total
