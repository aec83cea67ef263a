"""The description of a machine: frozen models with the field names of the target file."""

from collections.abc import Hashable, Iterable, Mapping
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.memory import Port, Tier
from dfc.runtime.machine.names import expected_one_of
from dfc.runtime.machine.network import Network
from dfc.runtime.machine.number import Count, Number, Rate, Whole
from dfc.runtime.machine.power import Power
from dfc.runtime.machine.table import Table
from dfc.runtime.machine.units import Unit, parse_unit

AS_STATED = Number[float](value=1.0, kind="source", note="the clock as it is stated")


class Control(Table):
    """The control processor: ticks it takes to issue a launch or a copy, one after the other."""

    launch_cycles: Whole
    copy_cycles: Whole


class Clock(Table):
    """A clock of its own, for the units, tiers and ports that name it."""

    mhz: Rate


class Target(Table):
    """
    A machine, as its file describes it.

    `clock_scale` multiplies every clock (the target's, those of [clock.NAME], and the rates of
    `fixed-rate` units) and sets the voltage; times in ns and rates in GB/s stay as they are.
    `units_per_kernel` is the most units that the ops of one kernel stand on: one, where a kernel
    is a function that one engine runs; any number when left out.
    """

    name: str
    description: str
    clock_mhz: Rate
    clock_scale: Rate = AS_STATED
    host_tier: str
    pipeline: str = "dataflow"
    max_tokens: Count | None = None
    units_per_kernel: Count | None = None
    control: Control
    power: Power = Power()
    network: Network | None = None
    clock: dict[str, Clock] = Field(default_factory=dict[str, Clock])
    _memo: dict[Hashable, Any] = PrivateAttr(default_factory=dict[Hashable, Any])
    unit: dict[str, Annotated[Unit, BeforeValidator(parse_unit)]]
    tier: dict[str, Tier]
    port: dict[str, Port] = Field(default_factory=dict[str, Port])

    @model_validator(mode="after")
    def _names_exist(self) -> "Target":
        tiers = tuple(self.tier)
        _known("host_tier", self.host_tier, tiers)
        for table in ("unit", "tier", "port"):
            for name, part in getattr(self, table).items():
                if part.clock is not None:
                    _known(f"{table}.{name}.clock", part.clock, self.clock)
        for name, unit in self.unit.items():
            for key, tier in unit.tier_names():
                _known(f"unit.{name}.{key}", tier, tiers)
            for key, port in unit.port_names():
                _known(f"unit.{name}.{key}", port, self.port)
        for name, port in self.port.items():
            _known(f"port.{name}.tier", port.tier, tiers)
            for served in port.serves:
                _known(f"port.{name}.serves", served, (*tiers, *self.unit))
        return self

    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> "Target":
        """A copy with other values, for which nothing is worked out yet."""
        made = super().model_copy(update=update, deep=deep)
        made._memo = {}
        return made

    @property
    def memo(self) -> dict[Hashable, Any]:
        """Room for what others work out about this machine once."""
        return self._memo

    @property
    def ticks_per_second(self) -> Fraction:
        """Ticks of the target's clock in a second."""
        return self.clock_mhz.exact * self.clock_scale.exact * 10**6

    def ticks_per_cycle(self, clock: str | None) -> Fraction:
        """Ticks of the target's clock in a cycle of a clock; one for its own."""
        if clock is None:
            return Fraction(1)
        return self.clock_mhz.exact / self.clock[clock].mhz.exact

    @property
    def energies(self) -> Energies:
        """What an operation or a byte costs where the file does not say."""
        if "energies" not in self.memo:
            self.memo["energies"] = self.power.energies
        return self.memo["energies"]

    @property
    def logic_voltage_squared(self) -> float:
        """What the clock scale makes of the energy of an operation or an on-chip byte."""
        return self.power.voltage(float(self.clock_scale)) ** 2

    def peak_operations_per_tick(self, unit: str) -> Fraction | None:
        """The most a unit does in a tick of the target's clock; `None` when its kind does not say."""
        table = self.unit[unit]
        ticks = self.ticks_per_cycle(table.clock)
        found = table.peak_operations_per_cycle(self.clock_mhz.exact * 10**6 / ticks)
        return None if found is None else found / ticks

    def pj_per_byte(self, tier: str) -> float:
        """Energy of a byte of a memory; memories off the chip keep their voltage."""
        if ("pj_per_byte", tier) not in self.memo:
            table = self.tier[tier]
            given = table.pj_per_byte
            each = float(self.energies.byte(table) if given is None else given)
            scaled = self.logic_voltage_squared if table.technology == "sram" else 1
            self.memo["pj_per_byte", tier] = each * scaled
        return self.memo["pj_per_byte", tier]

    def ticks_of_ns(self, number: Number[float]) -> Fraction:
        """A time in nanoseconds as (fractional) ticks."""
        return number.exact * self.ticks_per_second / 10**9

    def bytes_per_tick(self, number: Number[float]) -> Fraction:
        """A rate in GB/s (10^9 bytes) as bytes per tick."""
        return number.exact * 10**9 / self.ticks_per_second


def _known(key: str, name: str, names: Iterable[str]) -> None:
    """Check that a key names something that exists."""
    if name not in names:
        raise ValueError(f"`{key}` names `{name}`, {expected_one_of(name, names)}")
