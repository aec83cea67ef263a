"""How a product goes through its tokens: one for itself, more in tiles of a fixed size."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, llvm
from xdsl.dialects.builtin import i8, i32
from xdsl.ir import SSAValue

from dfc.passes.native.attributes import lanes_of
from dfc.passes.native.code import Code, sum_of_lanes
from dfc.passes.native.result import BLOCK

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
    """The parts that a call works on, and how many tokens there are."""

    first: SSAValue
    end: SSAValue
    tokens: SSAValue


class TiledProduct(ABC):
    """A product of `q` with a weight; tokens of `q` are `width` bytes apart."""

    def __init__(self, q: SSAValue, width: int, tokens: int) -> None:
        self.q, self.width, self.tokens = q, width, tokens

    @abstractmethod
    def tile(self, code: Code, part: Range, tokens: Sequence[Token]) -> None:
        """Some tokens with all rows of a part."""

    def write(self, code: Code, part: Range) -> None:
        """One token for itself; more in tiles of `tokens`, then of 4, whose last may repeat a token."""
        single = code.compare(part.tokens, "eq", 1)
        code.when(single, lambda inner: self.single(inner, part))
        several = code.compare(part.tokens, "ne", 1)
        code.when(several, lambda inner: self.several(inner, part))

    def single(self, code: Code, part: Range) -> None:
        """One token."""
        self.tile(code, part, [Token(code.word(0), self.q, 0)])

    def several(self, code: Code, part: Range) -> None:
        """Tiles of tokens."""
        left = code.two(arith.RemUIOp, part.tokens, self.tokens)
        whole = code.minus(part.tokens, left)
        self.tiles(code, part, whole)
        if self.tokens > 1:
            self.rest(code, part, whole)

    def tiles(self, code: Code, part: Range, end: SSAValue) -> None:
        """Whole tiles."""

        def body(
            inner: Code, first: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            base = inner.at(self.q, inner.times(first, self.width))
            tokens = [
                Token(inner.plus(first, at), base, at * self.width)
                for at in range(self.tokens)
            ]
            self.tile(inner, part, tokens)
            return ()

        code.loop((code.word(0), end), self.tokens, (), body)

    def rest(self, code: Code, part: Range, start: SSAValue) -> None:
        """What is left, by fours; a token behind the last is the last."""

        def body(
            inner: Code, first: SSAValue, _: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            last = inner.plus(part.tokens, -1)
            numbers = [inner.smaller(inner.plus(first, at), last) for at in range(REST)]
            self.tile(inner, part, [self.token(inner, at) for at in numbers])
            return ()

        code.loop((start, part.tokens), REST, (), body)

    def token(self, code: Code, number: SSAValue) -> Token:
        """A token by its number."""
        base = code.at(self.q, code.times(number, self.width))
        return Token(number, base, 0)

    def places(
        self, code: Code, tokens: Sequence[Token], offset: SSAValue
    ) -> list[SSAValue]:
        """Pointers to the activations of tokens from a column on."""
        bases = {token.base: code.at(token.base, offset) for token in tokens}
        return [code.at(bases[token.base], token.offset) for token in tokens]

    def sums(self, code: Code, tokens: Sequence[Token]) -> list[SSAValue]:
        """The sum of each token's activations."""
        octets, words = lanes_of(i8, BLOCK), lanes_of(i32, BLOCK)

        def body(
            inner: Code, at: SSAValue, sums: Sequence[SSAValue]
        ) -> Sequence[SSAValue]:
            places = self.places(inner, tokens, at)
            loaded = [inner.load(place, octets) for place in places]
            wide = [inner.make(llvm.SExtOp, (each,), words) for each in loaded]
            return [inner.plus(*pair) for pair in zip(sums, wide, strict=True)]

        zeros = [code.constant(0, words)] * len(tokens)
        bounds = (code.word(0), code.word(self.width))
        sums = code.loop(bounds, BLOCK, zeros, body)
        return [sum_of_lanes(code, each) for each in sums]
