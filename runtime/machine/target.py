"""The description of a machine: frozen models with the field names of the target file."""

from collections.abc import Hashable, Iterable, Mapping
from difflib import get_close_matches
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    model_validator,
)

from dfc.runtime.machine.number import (
    NONE,
    Amount,
    Anything,
    Count,
    Number,
    Rate,
    Share,
    Whole,
)
from dfc.runtime.machine.units import Unit, parse_unit


class Table(BaseModel):
    """A table of a target file; its `source` holds for the bare numbers in it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: str = ""


ONE = Number[int](value=1, kind="source", note="one unless the file says otherwise")


class Tier(Table):
    """
    A memory: how much it holds, how fast it is, how it likes to be read.

    Without a rate the tier is as fast as whatever reads it. `efficiency` is the part of the rate
    that is reached; `efficiency_applies` says whether the controller loses the rest (the whole
    tier then runs at `gb_per_s * efficiency`) or each port does (a port then runs at
    `bytes_per_cycle * port_efficiency`, and the tier at `gb_per_s`).
    """

    capacity_kib: Rate | None = None
    capacity_mib: Rate | None = None
    capacity_gib: Rate | None = None
    gb_per_s: Rate | None = None
    bytes_per_cycle: Rate | None = None
    efficiency: Share | None = None
    port_efficiency: Share | None = None
    efficiency_applies: Literal["controller", "port"] = "controller"
    latency_ns: Amount = NONE
    burst_bytes: Count = ONE
    channels: Count = ONE
    pj_per_byte: Amount = NONE

    @model_validator(mode="after")
    def _one_of_each(self) -> "Tier":
        _one_of(self, ("capacity_kib", "capacity_mib", "capacity_gib"), needed=True)
        _one_of(self, ("gb_per_s", "bytes_per_cycle"), needed=False)
        if self.efficiency_applies == "port" and self.port_efficiency is None:
            raise ValueError(
                'expected `port_efficiency` beside `efficiency_applies = "port"`, got none'
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


def _one_of(table: Tier, keys: tuple[str, ...], needed: bool) -> None:
    """Check that exactly one (or at most one) of these keys is given."""
    given = [key for key in keys if getattr(table, key) is not None]
    if len(given) > 1 or (needed and not given):
        choice = ", ".join(f"`{key}`" for key in keys)
        raise ValueError(
            f"expected {'one' if needed else 'at most one'} of {choice},"
            f" got {', '.join(given) or 'none'}"
        )


class Port(Table):
    """
    A way into or out of a tier.

    It carries data for the units and tiers in `serves`, for all of them when the key is left
    out. A port tied to a `channel` of its tier uses that channel only.
    """

    tier: str
    direction: Literal["read", "write"]
    bytes_per_cycle: Rate
    serves: tuple[str, ...] = ()
    channel: Whole | None = None


class Control(Table):
    """The control processor: ticks it takes to issue a launch or a copy, one after the other."""

    launch_cycles: Whole
    copy_cycles: Whole


class Power(Table):
    """Power: the whole board's when it is known, else what it draws besides its operations."""

    total_w: Rate | None = None
    static_w: Amount = NONE

    @property
    def numbers(self) -> tuple[Anything, ...]:
        """The numbers the energy rests on."""
        return (self.static_w,) if self.total_w is None else (self.total_w,)


class Target(Table):
    """A machine, as its file describes it."""

    name: str
    description: str
    clock_mhz: Rate
    host_tier: str
    pipeline: str = "dataflow"
    max_tokens: Count | None = None
    control: Control
    power: Power | None = None
    _memo: dict[Hashable, Any] = PrivateAttr(default_factory=dict[Hashable, Any])
    unit: dict[str, Annotated[Unit, BeforeValidator(parse_unit)]]
    tier: dict[str, Tier]
    port: dict[str, Port] = {}

    @model_validator(mode="after")
    def _names_exist(self) -> "Target":
        tiers = tuple(self.tier)
        _known("host_tier", self.host_tier, tiers)
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
        return self.clock_mhz.exact * 10**6

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


def expected_one_of(name: str, names: Iterable[str]) -> str:
    """`expected one of a, b, did you mean b`: the end of a sentence about a wrong name."""
    choices = tuple(names)
    near = get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f", did you mean `{near[0]}`" if near else ""
    return f"expected one of {', '.join(choices) or 'none'}{hint}"
