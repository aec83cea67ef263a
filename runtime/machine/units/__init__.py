"""Kinds of compute units: dfc's own, and those of the entry point group `dfc.unit_kinds`."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, cast

from dfc.runtime.machine.number import written
from dfc.runtime.machine.units.attention_engine import AttentionEngine
from dfc.runtime.machine.units.base import Unit
from dfc.runtime.machine.units.fixed_rate import FixedRate
from dfc.runtime.machine.units.op_library import OpLibrary
from dfc.runtime.machine.units.packed_product import PackedProduct
from dfc.runtime.machine.units.row_loops import RowLoops
from dfc.runtime.machine.units.stream_fabric import StreamFabric
from dfc.runtime.machine.units.systolic import Systolic
from dfc.runtime.machine.units.tlmm import Tlmm
from dfc.runtime.machine.units.vector import Vector

KINDS: dict[str, type[Unit]] = {
    "attention-engine": AttentionEngine,
    "fixed-rate": FixedRate,
    "op-library": OpLibrary,
    "packed-product": PackedProduct,
    "row-loops": RowLoops,
    "stream-fabric": StreamFabric,
    "systolic": Systolic,
    "tlmm": Tlmm,
    "vector": Vector,
}


@cache
def unit_kinds() -> Mapping[str, type[Unit]]:
    """Every kind of unit by name; an installed package adds its own by entry point."""
    found = {point.name: point.load() for point in entry_points(group="dfc.unit_kinds")}
    return {**found, **KINDS}


def parse_unit(data: Any) -> Unit:
    """A unit of the class that its `kind` names."""
    if isinstance(data, Unit):
        return data
    found = written(data)
    if not isinstance(found, dict):
        raise ValueError(f"expected a table, got {found!r}")
    table = cast("dict[str, Any]", found)
    kinds = unit_kinds()
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        got = "none" if kind is None else f"`{written(kind)}`"
        raise ValueError(f"expected `kind` of {', '.join(sorted(kinds))}, got {got}")
    return kinds[kind].model_validate(table)


__all__ = ["KINDS", "StreamFabric", "Unit", "parse_unit", "unit_kinds"]
