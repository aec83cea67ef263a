"""How a unit wants its ternary weights packed, and which tiles its layout allows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

from xdsl.context import Context
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException

from dfc.dialects.ternary import PackingAttr, Ternary
from dfc.runtime.errors import TargetError
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


def weight_layout(unit: Unit) -> WeightLayout:
    """The layout of a unit's weights."""
    outputs, inputs = unit.region_outputs, unit.region_inputs
    return WeightLayout(
        _packing(unit.packing),
        1 if outputs is None else outputs.value,
        1 if inputs is None else inputs.value,
        None if outputs is None else outputs.value,
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
