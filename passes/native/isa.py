"""
How a block of 16 rows x 16 columns of 2-bit codes is multiplied by activations, per instruction set.

A block is 64 bytes: byte 4r + j holds the codes of columns j, j + 4, j + 8 and j + 12 of row r. So the 32-bit
lane r of field f (bits 2f and 2f + 1 of each byte) meets the four activations 4f … 4f + 3.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import VectorType, i8, i16, i32
from xdsl.ir import SSAValue

from dfc.passes.native.attributes import lanes_of
from dfc.passes.native.code import Code

FIELDS = range(4)
"""Codes in a byte."""


class Isa(ABC):
    """An instruction set; `bytes` is the size of its vectors."""

    name: ClassVar[str]
    bytes: ClassVar[int]
    tokens: ClassVar[int]
    """Tokens multiplied at once with one block of rows."""

    @property
    def words(self) -> VectorType:
        """Sums: a 32-bit lane for each row."""
        return lanes_of(i32, self.bytes // 4)

    @property
    def octets(self) -> VectorType:
        """Codes as bytes."""
        return lanes_of(i8, self.bytes)

    @abstractmethod
    def codes(
        self, code: Code, block: SSAValue, fields: Sequence[int] = FIELDS
    ) -> list[SSAValue]:
        """The codes in some fields of a vector of a block, as `multiply` takes them."""

    @abstractmethod
    def activations(
        self, code: Code, q: SSAValue, fields: Sequence[int] = FIELDS
    ) -> list[SSAValue]:
        """Four activations for each field, each where `multiply` needs it."""

    @abstractmethod
    def multiply(
        self,
        code: Code,
        total: SSAValue,
        codes: Sequence[SSAValue],
        activations: Sequence[SSAValue],
    ) -> SSAValue:
        """`total` plus the products of 16 columns."""


class Bytes(Isa):
    """Instruction sets that multiply unsigned by signed bytes."""

    def codes(
        self, code: Code, block: SSAValue, fields: Sequence[int] = FIELDS
    ) -> list[SSAValue]:
        found: list[SSAValue] = []
        for field in fields:
            moved = code.shifted(code.recast(block, self.words), 2 * field)
            found.append(code.bits(code.recast(moved, self.octets), 3))
        return found

    def activations(
        self, code: Code, q: SSAValue, fields: Sequence[int] = FIELDS
    ) -> list[SSAValue]:
        return [
            code.recast(
                code.splat(code.load(code.at(q, 4 * field), i32), self.words),
                self.octets,
            )
            for field in fields
        ]


class Avx512Vnni(Bytes):
    """`vpdpbusd`: 64 products of bytes, added to 16 sums."""

    name = "avx512-vnni"
    bytes = 64
    tokens = 16

    def dot(self, code: Code, total: SSAValue, u: SSAValue, q: SSAValue) -> SSAValue:
        """One instruction."""
        name = "llvm.x86.avx512.vpdpbusd.512"
        return code.intrinsic(name, [total, u, q], self.words)

    def multiply(
        self,
        code: Code,
        total: SSAValue,
        codes: Sequence[SSAValue],
        activations: Sequence[SSAValue],
    ) -> SSAValue:
        for u, q in zip(codes, activations, strict=True):
            total = self.dot(code, total, u, q)
        return total


class Avx512Vbmi(Avx512Vnni):
    """Permutations of bytes beside `vpdpbusd`, for codes of 3 trits in 5 bits."""

    name = "avx512-vbmi"

    def permute(self, code: Code, source: SSAValue, index: SSAValue) -> SSAValue:
        """`vpermb`: the bytes of a vector at the lowest six bits of each index."""
        name = "llvm.x86.avx512.permvar.qi.512"
        return code.intrinsic(name, [source, index], self.octets)

    def shift(self, code: Code, source: SSAValue, by: SSAValue) -> SSAValue:
        """`vpmultishiftqb`: eight bits of the same 64-bit lane for each byte, from the bit that `by` says."""
        name = "llvm.x86.avx512.pmultishift.qb.512"
        return code.intrinsic(name, [by, source], self.octets)


class Avx2(Bytes):
    """
    `vpmaddubsw` and `vpmaddwd`: pairs of products in 16 bits, pairs of these in 32.

    A pair is at most 2 * 2 * 128, four of them 2048: nothing saturates.
    """

    name = "avx2"
    bytes = 32
    tokens = 4

    def multiply(
        self,
        code: Code,
        total: SSAValue,
        codes: Sequence[SSAValue],
        activations: Sequence[SSAValue],
    ) -> SSAValue:
        halves = lanes_of(i16, self.bytes // 2)
        name = "llvm.x86.avx2.pmadd.ub.sw"
        first, *rest = (
            code.intrinsic(name, [u, q], halves)
            for u, q in zip(codes, activations, strict=True)
        )
        for pair in rest:
            first = code.plus(first, pair)
        each = [first, code.constant(1, halves)]
        wide = code.intrinsic("llvm.x86.avx2.pmadd.wd", each, self.words)
        return code.plus(total, wide)


class Portable(Isa):
    """
    Plain vectors: products in 16-bit lanes.

    Lane 2r + h holds bytes 2h and 2h + 1 of row r. Eight products of at most 2 * 128 are added before
    both lanes of a row are added to its 32-bit sum.
    """

    name = "portable"
    bytes = 64
    tokens = 4

    @property
    def halves(self) -> VectorType:
        """16-bit lanes."""
        return lanes_of(i16, self.bytes // 2)

    def codes(
        self, code: Code, block: SSAValue, fields: Sequence[int] = FIELDS
    ) -> list[SSAValue]:
        lanes = code.recast(block, self.halves)
        return [
            code.bits(code.shifted(lanes, 8 * byte + 2 * field), 3)
            for field in fields
            for byte in range(2)
        ]

    def activations(
        self, code: Code, q: SSAValue, fields: Sequence[int] = FIELDS
    ) -> list[SSAValue]:
        found: list[SSAValue] = []
        for field in fields:
            four = code.load(code.at(q, 4 * field), i32)
            pairs = code.recast(code.splat(four, self.words), self.halves)
            low = code.two(arith.ShLIOp, pairs, 8)
            found += [code.shifted(each, 8, signed=True) for each in (low, pairs)]
        return found

    def multiply(
        self,
        code: Code,
        total: SSAValue,
        codes: Sequence[SSAValue],
        activations: Sequence[SSAValue],
    ) -> SSAValue:
        first, *rest = (
            code.times(u, q) for u, q in zip(codes, activations, strict=True)
        )
        for each in rest:
            first = code.plus(first, each)
        pairs = code.recast(first, self.words)
        low = code.two(arith.ShLIOp, pairs, 16)
        for half in (low, pairs):
            total = code.plus(total, code.shifted(half, 16, signed=True))
        return total


ISAS: dict[str, Isa] = {
    isa.name: isa for isa in (Avx512Vbmi(), Avx512Vnni(), Avx2(), Portable())
}
"""Instruction sets by name, the fastest first."""
