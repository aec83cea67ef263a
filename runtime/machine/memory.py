"""Memories and the ports into them, as a target file describes them."""

from fractions import Fraction
from math import ceil
from typing import Literal

from pydantic import Field, model_validator

from dfc.runtime.machine.number import (
    NONE,
    Amount,
    Count,
    Number,
    Rate,
    Share,
    Whole,
)
from dfc.runtime.machine.table import Table, one_of

ONE = Number[int](value=1, kind="source", note="one unless the file says otherwise")

Pattern = Literal["sequential", "strided", "random"]
"""How a memory is read or written: in one run, in several short ones, or where data says."""

Technology = Literal["sram", "ddr", "hbm"]

CAPACITIES = ("capacity_kib", "capacity_mib", "capacity_gib")
RATES = ("gb_per_s", "bytes_per_cycle")
"""Keys of which a memory has one: to give one is to take the others away."""

MOST_BYTES = 2**50
"""No memory of a target is larger than 1 PiB: beyond it the unit of measure is wrong."""


class Tier(Table):
    """
    A memory: how much it holds, how fast it is, how it likes to be read.

    Without a rate the tier is as fast as whatever reads it. `efficiency` is the part of the rate
    that is reached, `pattern_efficiency` the same for one access pattern; `efficiency_applies`
    says whether the controller loses the rest (the whole tier then runs at `gb_per_s *
    efficiency`) or each port does (a port then runs at `bytes_per_cycle * port_efficiency`, and
    the tier at `gb_per_s`).

    With `row_bytes` and `row_cycle_ns`, each run of bytes opens ceil(run / row_bytes) rows, of
    which `banks` are open at once: a transfer takes at least rows x row_cycle_ns / banks.

    `bytes_per_cycle` counts cycles of `clock`, a table [clock.NAME]; of the target's clock when
    it is left out. `memory` says what a byte's energy is taken from where `pj_per_byte` is not
    given; left out, a tier of 256 MiB or more is `ddr`, a smaller one `sram`.
    """

    capacity_kib: Rate | None = None
    capacity_mib: Rate | None = None
    capacity_gib: Rate | None = None
    gb_per_s: Rate | None = None
    bytes_per_cycle: Rate | None = None
    clock: str | None = None
    memory: Technology | None = None
    efficiency: Share | None = None
    pattern_efficiency: dict[Pattern, Share] = Field(
        default_factory=dict[Pattern, Share]
    )
    port_efficiency: Share | None = None
    efficiency_applies: Literal["controller", "port"] = "controller"
    latency_ns: Amount = NONE
    burst_bytes: Count = ONE
    channels: Count = ONE
    banks: Count = ONE
    row_bytes: Count | None = None
    row_cycle_ns: Rate | None = None
    pj_per_byte: Amount | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Tier":
        one_of(self, CAPACITIES, needed=True)
        one_of(self, RATES, needed=False)
        if self.efficiency_applies == "port" and self.port_efficiency is None:
            raise ValueError(
                'expected `port_efficiency` beside `efficiency_applies = "port"`, got none'
            )
        if (self.row_bytes is None) != (self.row_cycle_ns is None):
            given = "row_bytes" if self.row_cycle_ns is None else "row_cycle_ns"
            raise ValueError(
                f"expected `row_bytes` and `row_cycle_ns` together, got `{given}` alone"
            )
        if not 1 <= self.capacity_bytes <= MOST_BYTES:
            raise ValueError(
                f"expected a capacity of 1 byte to 1 PiB, got {self.capacity_bytes} bytes;"
                " the unit of measure is the end of the key: kib, mib or gib"
            )
        return self

    @property
    def capacity_bytes(self) -> int:
        """How many bytes fit."""
        for number, unit in (
            (self.capacity_kib, 2**10),
            (self.capacity_mib, 2**20),
            (self.capacity_gib, 2**30),
        ):
            if number is not None:
                return int(number.exact * unit)
        raise AssertionError("a tier has a capacity")

    @property
    def technology(self) -> Technology:
        """What the memory is made of."""
        if self.memory is not None:
            return self.memory
        return "ddr" if self.capacity_bytes >= 2**28 else "sram"

    def efficiency_of(self, pattern: Pattern) -> Share | None:
        """The part of the rate that accesses of this pattern reach."""
        return self.pattern_efficiency.get(pattern, self.efficiency)

    def pattern(self, runs: int, run_bytes: int) -> Pattern:
        """Several runs are strided, unless each fills a row."""
        filled = self.row_bytes is not None and run_bytes >= self.row_bytes.value
        return "sequential" if runs == 1 or filled else "strided"

    def row_ns(self, runs: int, run_bytes: int) -> Fraction:
        """Nanoseconds that opening the rows of so many runs takes; none where rows are not stated."""
        if self.row_bytes is None or self.row_cycle_ns is None:
            return Fraction()
        rows = runs * ceil(run_bytes / self.row_bytes.value)
        return rows * self.row_cycle_ns.exact / self.banks.value


class Port(Table):
    """
    A way into or out of a tier.

    It carries data for the units and tiers in `serves`, for all of them when the key is left
    out. A port tied to a `channel` of its tier uses that channel only. Its cycles are those of
    `clock`, a table [clock.NAME]; of the target's clock when it is left out.
    """

    tier: str
    direction: Literal["read", "write"]
    bytes_per_cycle: Rate
    clock: str | None = None
    serves: tuple[str, ...] = ()
    channel: Whole | None = None
