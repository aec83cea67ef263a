"""Paths between tiers and units: which ports and channels data takes, and how fast each is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from dfc.runtime.errors import ExecutionError
from dfc.runtime.machine.memory import Pattern
from dfc.runtime.machine.number import Anything

if TYPE_CHECKING:
    from dfc.runtime.machine.target import Port, Target

Direction = Literal["read", "write"]


@dataclass(frozen=True)
class Lane:
    """A port or channel that data goes through: its name, its rate, and the numbers that set it."""

    resource: str
    bytes_per_tick: Fraction
    numbers: tuple[Anything, ...]

    def ticks(self, size: int) -> Fraction:
        """How long these bytes take, before rounding."""
        return size / self.bytes_per_tick

    def in_cycles(self, ticks_per_cycle: Fraction) -> "Lane":
        """The same lane as a unit with a clock of its own sees it: bytes per cycle of the unit."""
        if ticks_per_cycle == 1:
            return self
        return replace(self, bytes_per_tick=self.bytes_per_tick * ticks_per_cycle)


def channel_names(target: "Target", tier: str) -> tuple[str, ...]:
    """The channels of a tier as resources: `tier.ddr`, or `tier.hbm.0`, `tier.hbm.1`, …; none without a rate."""
    table = target.tier[tier]
    if table.gb_per_s is None and table.bytes_per_cycle is None:
        return ()
    count = table.channels.value
    return (
        (f"tier.{tier}",)
        if count == 1
        else tuple(f"tier.{tier}.{index}" for index in range(count))
    )


def _channels(
    target: "Target", tier: str, only: int | None, ported: bool, pattern: Pattern
) -> tuple[Lane, ...]:
    """The channels data of a tier goes through; all of them unless a port is tied to one."""
    table = target.tier[tier]
    names = channel_names(target, tier)
    if table.gb_per_s is not None:
        rate, numbers = target.bytes_per_tick(table.gb_per_s), [table.gb_per_s]
    elif table.bytes_per_cycle is not None:
        rate = table.bytes_per_cycle.exact / target.ticks_per_cycle(table.clock)
        numbers = [table.bytes_per_cycle]
    else:
        return ()
    per_port = table.efficiency_applies == "port" and ported
    reached = table.efficiency_of(pattern)
    if reached is not None and not per_port:
        rate, numbers = rate * reached.exact, [*numbers, reached]
    used = names if only is None else (names[only],)
    # Interleaved data takes every channel for its share of the bytes, so each looks as fast as all.
    shown = rate if only is None else rate / len(names)
    return tuple(Lane(name, shown, tuple(numbers)) for name in used)


def find_port(
    target: "Target", tier: str, direction: Direction, peers: Sequence[str]
) -> str | None:
    """
    The port of a tier for data that goes to, or comes from, one of `peers` (a unit, a tier).

    A port that names the peer is taken before one that serves all, the first in the file first.
    `None` when the tier has no port in this direction, so that none limits it.
    """
    ports = {
        name: port
        for name, port in target.port.items()
        if port.tier == tier and port.direction == direction
    }
    for peer in peers:
        for name, port in ports.items():
            if peer in port.serves:
                return name
    for name, port in ports.items():
        if not port.serves:
            return name
    if ports:
        raise ExecutionError(
            f"no {direction} port of tier `{tier}` in target `{target.name}` serves"
            f" {' or '.join(f'`{peer}`' for peer in peers)}; it has {', '.join(ports)}"
        )
    return None


def lanes_of(
    target: "Target",
    tier: str,
    direction: Direction,
    peers: Sequence[str],
    port: str | None = None,
    pattern: Pattern = "sequential",
) -> tuple[Lane, ...]:
    """The port and the channels that data takes on its way out of or into a tier; each way is worked out once."""
    way = (tier, direction, tuple(peers), port, pattern)
    if ("way", *way) not in target.memo:
        target.memo["way", *way] = _way(target, *way)
    return target.memo["way", *way]


def _way(
    target: "Target",
    tier: str,
    direction: Direction,
    peers: Sequence[str],
    port: str | None,
    pattern: Pattern,
) -> tuple[Lane, ...]:
    name = port or find_port(target, tier, direction, peers)
    if name is None:
        return _channels(target, tier, None, ported=False, pattern=pattern)
    table = target.port[name]
    channel = None if table.channel is None else table.channel.value
    return (
        _port_lane(target, name, table),
        *_channels(target, table.tier, channel, ported=True, pattern=pattern),
    )


def _port_lane(target: "Target", name: str, port: "Port") -> Lane:
    """A port at the rate it reaches."""
    tier = target.tier[port.tier]
    rate = port.bytes_per_cycle.exact / target.ticks_per_cycle(port.clock)
    if tier.efficiency_applies == "port" and tier.port_efficiency is not None:
        reached = tier.port_efficiency
        return Lane(
            f"port.{name}", rate * reached.exact, (port.bytes_per_cycle, reached)
        )
    return Lane(f"port.{name}", rate, (port.bytes_per_cycle,))


def link_rates(target: "Target") -> dict[str, Fraction]:
    """Bytes per tick that every port and every channel of a tier reaches, by resource name."""
    found = {
        lane.resource: lane.bytes_per_tick
        for name, port in target.port.items()
        for lane in (_port_lane(target, name, port),)
    }
    for tier in target.tier:
        for at in range(len(channel_names(target, tier))):
            for lane in _channels(target, tier, at, False, "sequential"):
                found[lane.resource] = lane.bytes_per_tick
    return found


@dataclass(frozen=True)
class Access:
    """How the operands of a body reach a unit: the tier of each, `None` for values that stand in none."""

    target: "Target"
    unit: str
    tiers: tuple[str | None, ...]

    @property
    def ticks_per_cycle(self) -> Fraction:
        """Ticks of the target's clock in a cycle of the unit's."""
        return self.target.ticks_per_cycle(self.target.unit[self.unit].clock)

    @property
    def cycles_per_second(self) -> Fraction:
        """Cycles of the unit's clock as it is stated, whatever the clock scale."""
        return self.target.clock_mhz.exact * 10**6 / self.ticks_per_cycle

    def is_near(self, operand: int) -> bool:
        """Whether an operand stands where the unit's own formulas reach it."""
        unit = self.target.unit[self.unit]
        near = (None, unit.data_tier, unit.weight_tier)
        return operand >= len(self.tiers) or self.tiers[operand] in near

    def lanes(
        self,
        operand: int,
        direction: Direction,
        port: str | None = None,
        pattern: Pattern = "sequential",
    ) -> tuple[Lane, ...]:
        """
        What an operand goes through, in bytes per cycle of the unit.

        None for a value that stands in no tier; an error where the unit does not reach the tier.
        """
        unit = self.target.unit[self.unit]
        tier = self.tiers[operand] if operand < len(self.tiers) else None
        if tier is None:
            return ()
        if tier not in unit.streams and not self.is_near(operand):
            reached = {unit.data_tier: 0, unit.weight_tier or unit.data_tier: 0}
            reached |= dict.fromkeys(unit.streams, 0)
            raise ExecutionError(
                f"unit `{self.unit}` reaches {', '.join(reached)}, got operand {operand} in `{tier}`"
            )
        peers = (self.unit, unit.data_tier)
        lanes = lanes_of(self.target, tier, direction, peers, port, pattern)
        return tuple(lane.in_cycles(self.ticks_per_cycle) for lane in lanes)
