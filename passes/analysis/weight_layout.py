"""How a unit wants its ternary weights packed, and which tiles its layout allows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

from xdsl.context import Context
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException

from dfc.dialects.ternary import TRITS_PER_GROUP, PackingAttr, Ternary
from dfc.runtime.errors import TargetError
from dfc.runtime.machine import Unit

INTERLEAVED_ROWS = 16
"""Rows of a block of an interleaved packing."""


@dataclass(frozen=True)
class WeightLayout:
    """
    A packing, the rows of a region, and the columns that packed tiles are padded to multiples of.

    With `rows` given, every packed tile is of so many rows, and a larger tile of a weight is
    several of them, one after the other.
    """

    packing: PackingAttr
    rows: int | None = None
    columns: int = 1

    def tile(self, rows: int, columns: int) -> tuple[int, int]:
        """The rows and columns of the packed tiles that hold a tile of a weight."""
        wide = ceil(columns / self.columns) * self.columns
        return (rows if self.rows is None else self.rows, wide)

    def count(self, rows: int) -> int:
        """How many packed tiles hold so many rows."""
        return 1 if self.rows is None else ceil(rows / self.rows)

    def tile_bytes(self, rows: int, columns: int) -> int:
        """Bytes of one of the packed tiles that hold a tile of a weight."""
        return self.packing.tile_bytes(*self.tile(rows, columns))

    def token_bytes(self, rows: int, columns: int) -> int:
        """Bytes of all packed tiles that hold a tile of a weight."""
        return self.count(rows) * self.tile_bytes(rows, columns)

    def allows(self, rows: int, of: int) -> bool:
        """
        Whether a weight of `of` rows may be cut into tiles of so many: whole regions, without a rest if several.

        Tiles of an interleaved packing are, one after the other, the packing of the whole weight.
        """
        if rows == of:
            return True
        if self.packing.order.data == "interleaved":
            padded = ceil(of / INTERLEAVED_ROWS) * INTERLEAVED_ROWS
            return rows % INTERLEAVED_ROWS == 0 and padded % rows == 0
        if self.rows is None:
            return True
        return rows == self.rows or (rows % self.rows == 0 and of % rows == 0)


def concatenates(
    packing: PackingAttr, tile: tuple[int, ...], whole: tuple[int, ...]
) -> bool:
    """Whether packed tiles, one after the other, are the packing of a weight of this shape, edges aside."""
    if tile == whole:
        return True
    if tile[1] != whole[1] or packing.order.data in ("beats", "quarters"):
        return False
    if packing.order.data == "interleaved":
        return tile[0] % INTERLEAVED_ROWS == 0
    trits, bits = TRITS_PER_GROUP[packing.code.data]
    count = tile[0] * tile[1]
    return count % trits == 0 and count // trits * bits % 8 == 0


def weight_layout(unit: Unit) -> WeightLayout:
    """The layout of a unit's weights."""
    outputs, inputs = unit.region_outputs, unit.region_inputs
    return WeightLayout(
        _packing(unit.packing),
        None if outputs is None else outputs.value,
        1 if inputs is None else inputs.value,
    )


@cache
def _packing(text: str) -> PackingAttr:
    """The packing that a target file writes as text."""
    context = Context()
    context.load_dialect(Ternary)
    try:
        found = Parser(context, f"#ternary.packing<{text}>").parse_attribute()
    except (ParseError, VerifyException) as error:
        raise TargetError(
            f"expected the text of a #ternary.packing<…> in `packing`, got `{text}`"
        ) from error
    assert isinstance(found, PackingAttr)
    return found
