"""
Default energies, where a target gives none: good for comparing machines, not for their joules.

Sources: Horowitz, "Computing's energy problem" (ISSCC 2014), 45 nm at 0.9 V; Jouppi et al.,
"Ten lessons from three generations" (ISCA 2021), table 2, 7 nm; O'Connor et al., "Fine-grained
DRAM" (MICRO 2017) for HBM2. What these do not have is derived as each note says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from dfc.runtime.machine.memory import Tier
from dfc.runtime.machine.number import Number

Process = Literal["45nm", "7nm"]

HOROWITZ = "Horowitz, ISSCC 2014, 45 nm"
JOUPPI = "Jouppi et al., ISCA 2021, 7 nm"


@dataclass(frozen=True)
class Table:
    """Energies of one process in pJ: by dtype, by bytes of an SRAM (per byte), by kind of DRAM (per byte)."""

    source: str
    add: Mapping[str, float]
    multiply: Mapping[str, float]
    sram: Mapping[int, float]
    dram: Mapping[str, float]


TABLES: Mapping[Process, Table] = {
    "45nm": Table(
        HOROWITZ,
        add={"i8": 0.03, "i16": 0.05, "i32": 0.1, "f16": 0.4, "f32": 0.9},
        multiply={"i8": 0.2, "i32": 3.1, "f16": 1.1, "f32": 3.7},
        sram={8 * 2**10: 1.25, 32 * 2**10: 2.5, 2**20: 12.5},
        dram={"ddr": 163, "hbm": 31},
    ),
    "7nm": Table(
        JOUPPI,
        add={"i8": 0.007, "i32": 0.03, "bf16": 0.11, "f16": 0.16, "f32": 0.38},
        multiply={"i8": 0.07, "i32": 1.48, "bf16": 0.21, "f16": 0.34, "f32": 1.31},
        sram={8 * 2**10: 0.94, 32 * 2**10: 1.06, 2**20: 1.75},
        dram={"ddr": 163, "hbm": 31},
    ),
}

NEAREST = {
    **{"i1": ("i8", 1.0), "i4": ("i8", 1.0), "i16": ("i32", 0.5), "bf16": ("f16", 1.0)},
    **{"i64": ("i32", 2.0), "index": ("i32", 2.0), "f64": ("f32", 2.0)},
}
"""Where a table lacks a dtype: the one whose addition is taken, and how many times its bits; a product goes by the square."""

MULTIPLIES = 8
"""Multiplications that stand for an exponential, a reciprocal, a square root, …"""
ADDITIVE = {
    *("abs", "add", "compare", "convert", "logic", "maximum", "minimum", "negate"),
    *("round", "select", "subtract"),
}
LOOKUP_PJ, LOOKUP_ADD_PJ, TABLE_PJ = 0.1, 0.08, 0.9
ACCUMULATORS = {"i1": "i32", "i4": "i32", "i8": "i32", "i16": "i32"}
SOCKET_PJ_PER_BYTE = 80.0


@dataclass(frozen=True)
class Energies:
    """
    Default energies of a process; what logic does costs `logic_factor` times an ASIC's.

    Every number is `assumed`, and its note says from where.
    """

    process: Process = "45nm"
    logic_factor: float = 1.0

    @cached_property
    def table(self) -> Table:
        """The published numbers of the process."""
        return TABLES[self.process]

    @cache
    def mac(self, dtype: str) -> Number[float]:
        """A multiply-accumulate; integers accumulate in 32 bits."""
        sum_of = ACCUMULATORS.get(dtype, dtype)
        product, added = self._multiply(dtype), self._add(sum_of)
        return self._logic(
            product + added, f"{dtype} multiply {product:g}, {sum_of} add {added:g}"
        )

    @cache
    def element(self, function: str, dtype: str) -> Number[float]:
        """One elementwise function: an addition, a multiplication, or eight of these."""
        if function in ("move", "broadcast"):
            return self._logic(0.0, "a move costs what its bytes cost")
        if function in ADDITIVE:
            return self._logic(self._add(dtype), f"{dtype} add")
        product = self._multiply(dtype)
        if function in ("multiply", "default"):
            return self._logic(product, f"{dtype} multiply")
        return self._logic(MULTIPLIES * product, f"{MULTIPLIES} {dtype} multiplies")

    @cached_property
    def lookup(self) -> Number[float]:
        """A ternary lookup: a read of a 32-entry register file and a 24 b add."""
        return self._logic(LOOKUP_PJ + LOOKUP_ADD_PJ, "10 b read 0.1, 24 b add 0.08")

    @cached_property
    def lookup_table(self) -> Number[float]:
        """Building the table of a group of three: about 26 adds of 10 b."""
        return self._logic(TABLE_PJ, "26 adds of 10 b for a group of three")

    def byte(self, tier: Tier) -> Number[float]:
        """A byte read from or written to a memory, by its kind and the size of one of its banks."""
        kind = tier.technology
        if kind != "sram":
            each = self.table.dram[kind]
            source = "O'Connor et al., MICRO 2017" if kind == "hbm" else HOROWITZ
            return _assumed(each, f"{kind.upper()}, {source}")
        bank = tier.capacity_bytes // tier.banks.value
        sizes = sorted(self.table.sram)
        size = next((size for size in sizes if bank <= size), sizes[-1])
        each = self.table.sram[size]
        return _assumed(each, f"SRAM of {size // 1024} KiB, {self.table.source}")

    @property
    def socket_byte(self) -> Number[float]:
        """A byte from socket to socket: 10 pJ per bit."""
        return _assumed(SOCKET_PJ_PER_BYTE, "10 pJ per bit between sockets")

    def _add(self, dtype: str) -> float:
        if dtype in self.table.add:
            return self.table.add[dtype]
        near, times = NEAREST.get(dtype, ("f32", 1.0))
        return self.table.add[near] * times

    def _multiply(self, dtype: str) -> float:
        if dtype in self.table.multiply:
            return self.table.multiply[dtype]
        near, times = NEAREST.get(dtype, ("f32", 1.0))
        return self.table.multiply[near] * times**2

    def _logic(self, value: float, what: str) -> Number[float]:
        factor = self.logic_factor
        beside = "" if factor == 1 else f", times {factor:g}"
        return _assumed(value * factor, f"{what}{beside}, {self.table.source}")


def _assumed(value: float, what: str) -> Number[float]:
    return Number[float](value=value, kind="assumed", note=f"default: {what}")
