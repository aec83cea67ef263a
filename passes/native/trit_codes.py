"""
5-bit codes of 3 trits as bytes that hold each trit in two bits, by permutations of bytes or by arithmetic.

Code c is t0 + 3 t1 + 9 t2 (of trits + 1), its byte t0 + 4 t1 + 16 t2. A block is 64 codes in 40 bytes, those of
rows 2i and 2i + 1 in bytes 5i … 5i + 4.
"""

from xdsl.dialects import arith
from xdsl.dialects.builtin import VectorType, i16, i64
from xdsl.ir import SSAValue

from dfc.passes.native.attributes import lanes_of
from dfc.passes.native.code import Code
from dfc.passes.native.isa import Avx512Vbmi, Isa

PACKED_BYTES = 40
"""Bytes of a block."""

PAIRS = 8
"""Pairs of rows of a block, 5 bytes each."""


def decoded(code: Code, isa: Isa, place: SSAValue, whole: bool) -> list[SSAValue]:
    """
    The bytes of a block in vectors of the instruction set; nothing behind the block is read unless it is `whole`.

    Only a block with another behind it may be read whole, as 64 bytes.
    """
    if isinstance(isa, Avx512Vbmi):
        return [permuted(code, isa, place, whole)]
    lanes = isa.bytes // 8
    return [
        computed(code, isa, pairs_of(code, place, range(at, at + lanes)))
        for at in range(0, PAIRS, lanes)
    ]


def permuted(code: Code, isa: Avx512Vbmi, place: SSAValue, whole: bool) -> SSAValue:
    """
    `vpermb` gives each 64-bit lane the 5 bytes of a pair of rows, `vpmultishiftqb` each byte its code, `vpermb` looks it up.

    Three bits too many stand above a code: one is in the index of the table, which holds everything twice.
    """
    if whole:
        bytes_ = code.load(place, isa.octets)
        spread = [5 * (at // 8) + min(at % 8, 4) for at in range(64)]
        bytes_ = isa.permute(code, bytes_, code.numbers(spread, isa.octets))
    else:
        bytes_ = code.recast(pairs_of(code, place, range(PAIRS)), isa.octets)
    shifts = code.numbers([5 * (at % 8) for at in range(64)], isa.octets)
    codes = isa.shift(code, bytes_, shifts)
    table = code.numbers([byte_of(c % 32) for c in range(64)], isa.octets)
    return isa.permute(code, table, codes)


def byte_of(code: int) -> int:
    """What a code becomes; 0 for one that stands for no trits."""
    if code >= 27:
        return 0
    return code % 3 + 4 * (code // 3 % 3) + 16 * (code // 9)


def pairs_of(code: Code, place: SSAValue, pairs: range) -> SSAValue:
    """The 40 bits of pairs of rows in lanes of 64; the last pair is read with what stands before it."""
    found = code.constant(0, lanes_of(i64, len(pairs)))
    for lane, pair in enumerate(pairs):
        at = min(5 * pair, PACKED_BYTES - 8)
        word = code.shifted(code.load(code.at(place, at), i64), 8 * (5 * pair - at))
        found = code.lane(word, found, lane)
    return found


def computed(code: Code, isa: Isa, pairs: SSAValue) -> SSAValue:
    """
    The bytes of some pairs of rows by arithmetic on vectors.

    c + c div 3 + 4 (c div 9) is the byte of code c; 11 / 32 and 57 / 512 divide codes up to 31 by 3 and 9.
    """
    halves = lanes_of(i16, isa.bytes // 2)
    spread = code.recast(spread_out(code, pairs, isa.words), halves)
    found: list[SSAValue] = []
    for codes in (code.bits(spread, 0xFF), code.shifted(spread, 8)):
        thirds = code.shifted(code.times(codes, 11), 5)
        ninths = code.shifted(code.times(codes, 57), 9)
        sums = code.plus(codes, thirds)
        found.append(code.plus(sums, code.times(ninths, 4)))
    low, high = found
    return code.recast(code.plus(low, left(code, high, 8)), isa.octets)


def spread_out(code: Code, pairs: SSAValue, words: VectorType) -> SSAValue:
    """The four codes of each row in the bytes of a 32-bit lane."""
    twenty = (1 << 20) - 1
    even = code.bits(pairs, twenty)
    odd = code.bits(code.shifted(pairs, 20), twenty)
    rows = code.recast(code.plus(even, left(code, odd, 32)), words)
    found = code.bits(rows, 31)
    for number in range(1, 4):
        moved = code.bits(left(code, rows, 3 * number), 31 << 8 * number)
        found = code.plus(found, moved)
    return found


def left(code: Code, value: SSAValue, by: int) -> SSAValue:
    """`value << by` in each lane."""
    return code.two(arith.ShLIOp, value, by)
