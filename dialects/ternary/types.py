"""The trit, and the packings that give it a layout in bytes."""

from collections.abc import Sequence
from math import ceil

from xdsl.dialects.builtin import IntAttr, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer

from dfc.dialects.utils import element, expect, parse_keyed, print_keyed

TRITS_PER_GROUP = {"trits1in2": (1, 2), "trits3in5": (3, 5), "trits5in8": (5, 8)}
"""Codes of the packings: trits per group and bits per group."""

INTERLEAVED = {"trits1in2": (16, 64), "trits3in5": (12, 40)}
"""Columns and bytes of a block of 16 rows in order `interleaved`, by code."""

ORDERS = ("rows", "interleaved", "beats", "quarters")


@irdl_attr_definition
class TritType(ParametrizedAttribute, TypeAttribute):
    """A value of -1, 0 or 1 without a layout; it stands in tensors only."""

    name = "ternary.trit"


def is_trit(value: SSAValue) -> bool:
    """Whether a tensor's elements are trits."""
    return isinstance(element(value), TritType)


@irdl_attr_definition
class PackingAttr(ParametrizedAttribute):
    """
    How the trits of one weight tile become bytes.

        #ternary.packing<trits1in2, order = rows>
        #ternary.packing<trits3in5, order = beats, block = 84, beat = 96>

    A code is w + 1, the first trit in the lowest bits (or the lowest digit).
    `rows` is row-major within the tile. `interleaved` puts 16 rows x 16 columns of 2-bit
    codes into 64 bytes: byte 4*r + j holds columns j, j + 4, j + 8 and j + 12 of row r. Of `trits3in5`
    it puts 16 rows x 12 columns into 40 bytes: code 4*r + j, of 5 bits, holds columns j, j + 4 and j + 8.
    `beats` cuts the columns into blocks; in a block each row is one vector of codes, and as
    many whole vectors as fit are laid into a beat of `beat` bytes, the rest of it is padding.
    `quarters` cuts the rows into four quarters and puts row r of each into row r of bytes, quarter
    i in bits 2*i and 2*i + 1: the bytes of transformers' `BitLinear`.
    """

    name = "ternary.packing"
    code: StringAttr
    order: StringAttr
    block: IntAttr
    beat: IntAttr

    def __init__(
        self, code: str, order: str = "rows", block: int = 0, beat: int = 0
    ) -> None:
        super().__init__(
            StringAttr(code), StringAttr(order), IntAttr(block), IntAttr(beat)
        )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<code, order = …, block = …, beat = …>`."""
        found = parse_keyed(parser, ("order",), ("block", "beat"), head="code")
        return (
            StringAttr(str(found["code"])),
            StringAttr(str(found.get("order", "rows"))),
            IntAttr(int(found.get("block", 0))),
            IntAttr(int(found.get("beat", 0))),
        )

    def print_parameters(self, printer: Printer) -> None:
        """Print what `parse_parameters` reads."""
        parts = [self.code.data, f"order = {self.order.data}"]
        if self.order.data == "beats":
            parts += [f"block = {self.block.data}", f"beat = {self.beat.data}"]
        print_keyed(printer, parts)

    def verify(self) -> None:
        code, order = self.code.data, self.order.data
        block, beat = self.block.data, self.beat.data
        expect(code in TRITS_PER_GROUP, f"a code of {', '.join(TRITS_PER_GROUP)}", code)
        expect(order in ORDERS, f"an order of {', '.join(ORDERS)}", order)
        if order == "interleaved":
            good = ", ".join(INTERLEAVED)
            expect(code in INTERLEAVED, f"a code of {good} for order {order}", code)
        if order == "quarters":
            expect(code == "trits1in2", "trits1in2 for order quarters", code)
        if order != "beats":
            expect(not block and not beat, "`block` and `beat` for order beats", order)
            return
        expect(block > 0 and beat > 0, "`block` and `beat` above 0", (block, beat))
        trits, _ = TRITS_PER_GROUP[code]
        expect(block % trits == 0, f"`block` a multiple of {trits}", block)
        expect(
            self.vector_bits <= 8 * beat,
            f"a beat of at least {self.vector_bits} bits",
            8 * beat,
        )

    @property
    def vector_bits(self) -> int:
        """Bits of one row of one block in order `beats`."""
        trits, bits = TRITS_PER_GROUP[self.code.data]
        return self.block.data // trits * bits

    def tile_bytes(self, rows: int, columns: int) -> int:
        """
        Bytes of a packed tile of `rows` x `columns` trits.

        `rows`: the codes of all trits, rounded up to a byte. `interleaved`: rows padded to 16,
        columns to 16 (`trits3in5`: 12), codes without gaps. `beats`: per block of columns, the beats that hold all
        rows' vectors. `quarters`: rows padded to 4, 4 trits a byte.
        """
        trits, bits = TRITS_PER_GROUP[self.code.data]
        if self.order.data == "interleaved":
            width, size = INTERLEAVED[self.code.data]
            return ceil(rows / 16) * ceil(columns / width) * size
        if self.order.data == "quarters":
            return ceil(rows / 4) * columns
        if self.order.data == "beats":
            vectors = 8 * self.beat.data // self.vector_bits
            blocks = ceil(columns / self.block.data)
            return blocks * ceil(rows / vectors) * self.beat.data
        return ceil(ceil(rows * columns / trits) * bits / 8)
