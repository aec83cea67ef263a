"""How a unit wants its ternary weights packed, and which tiles its layout allows."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from dfc.dialects.ternary import PackingAttr
from dfc.runtime.machine import Unit


@dataclass(frozen=True)
class WeightLayout:
    """
    A packing, and the rows and columns that packed tiles are padded to multiples of.

    `region` is the largest tile of rows that is loaded at once, `None` when any is.
    """

    packing: PackingAttr
    rows: int = 1
    columns: int = 1
    region: int | None = None

    def tile(self, rows: int, columns: int) -> tuple[int, int]:
        """The packed tile that holds a tile of a weight."""
        return (
            ceil(rows / self.rows) * self.rows,
            ceil(columns / self.columns) * self.columns,
        )

    def tile_bytes(self, rows: int, columns: int) -> int:
        """Bytes of the packed tile that holds a tile of a weight."""
        return self.packing.tile_bytes(*self.tile(rows, columns))


PLAIN = WeightLayout(PackingAttr("trits1in2", "rows"))
"""Two bits a trit, row by row: for units that say nothing about their weights."""


def weight_layout(unit: Unit) -> WeightLayout:
    """The layout of a unit's weights."""
    return PLAIN
