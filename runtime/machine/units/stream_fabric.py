"""A stream fabric: a whole stream graph at once, each node on tiles of its own."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil

from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Operation

from dfc.dialects.attention import ScheduleAttr, SdpaOp
from dfc.runtime.machine.access import Access
from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.number import Amount, Anything, Count, Number
from dfc.runtime.machine.schedules import Schedule, named_schedule
from dfc.runtime.machine.units.base import Effort, Firing, Unit, work_energy
from dfc.runtime.machine.work import Controls, unknown, work_of

TILES = "accel.tiles"
"""How many of a fabric's tiles an op or a node has; one when it does not say."""

ONE_CYCLE = Number[int](value=1, kind="source", note="one unless the file says so")
SHORT = Number[int](value=2, kind="source", note="two unless the file says so")


class StreamFabric(Unit):
    """
    Nodes joined by FIFOs inside the unit: a `stream.graph` is held as a whole and is one launch.

    A node's tokens are visible `latency_cycles` after its firing, and it fires every
    `interval_cycles` at most. With `lanes`, `stages` or `tiles` given, a node of k tiles
    (`accel.tiles`, one when it does not say) does `lanes * stages * k` operations per cycle, so that
    it fires every ceil(operations per token / that) cycles where this is longer; a graph's nodes
    have at most `tiles` tiles together. Without them a firing of any size takes the interval. FIFOs
    are at least `fifo_depth` deep. Attention without a schedule runs by `schedule`, one row at a
    time (`naive` where the file names none; `streaming` where the op is not causal for `reversed`
    or has no window for `windowed`). The bytes at a graph's ends go through the channels of their
    memories beside the firings, each in the share of the link that it is of the graph's bytes; the
    slower sets the time.
    """

    latency_cycles: Count = ONE_CYCLE
    interval_cycles: Count = ONE_CYCLE
    tiles: Count | None = None
    lanes: Count | None = None
    stages: Count | None = None
    fifo_depth: Count = SHORT
    schedule: Schedule | None = None
    pj_per_mac: Amount | None = None
    pj_per_element: Amount | None = None

    @property
    def holds_graphs(self) -> bool:
        return True

    @property
    def pays_for_data(self) -> bool:
        return True

    def runs(self, op: Operation) -> bool:
        return True

    def schedule_of(self, op: SdpaOp) -> ScheduleAttr | None:
        """The op's own; else the one named in the file."""
        if op.schedule is not None or self.schedule is None:
            return op.schedule
        return named_schedule(self.schedule, op)

    def firing_numbers(self) -> tuple[Anything, ...]:
        limits = (self.lanes, self.stages)
        given = (number for number in limits if number is not None)
        return (self.latency_cycles, self.interval_cycles, *given)

    def firing(
        self, ops: Sequence[Operation], access: Access, tiles: int = 1
    ) -> Firing:
        slowest = max(self.interval_cycles.exact, self._work_ticks(ops, tiles, unknown))
        ticks = access.ticks_per_cycle
        late = ceil(self.latency_cycles.exact * ticks)
        return Firing(max(late, 1), max(ceil(slowest * ticks), 1))

    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        """Ops without a graph are one firing."""
        tiles = max((tiles_of(op) for op in ops), default=1)
        ticks = self._work_ticks(ops, tiles, controls)
        numbers: tuple[Anything, ...] = (self.interval_cycles,)
        if ticks > self.interval_cycles.exact:
            numbers = tuple(n for n in (self.lanes, self.stages) if n is not None)
        whole = max(self.interval_cycles.exact, ticks)
        given = (self.pj_per_mac, self.pj_per_element)
        energies = access.target.energies
        works = [work_of(op, controls) for op in ops]
        energy = sum(work_energy(work, *given, energies) for work in works)
        return Effort((Part(whole, "firing", numbers),), energy)

    def energy_numbers(
        self, energies: Energies
    ) -> Iterable[tuple[str, Anything | None, Number[float]]]:
        for name in ("bf16", "f32"):
            yield f"pj_per_mac ({name})", self.pj_per_mac, energies.mac(name)
            for function in ("add", "exp"):
                default = energies.element(function, name)
                yield (
                    f"pj_per_element ({name} {function})",
                    self.pj_per_element,
                    default,
                )

    def _work_ticks(
        self, ops: Sequence[Operation], tiles: int, controls: Controls
    ) -> Fraction:
        """Cycles of a body's operations on so many tiles; none where a tile has no limit."""
        if self.lanes is None and self.stages is None and self.tiles is None:
            return Fraction()
        works = [work_of(op, controls) for op in ops]
        operations = sum(
            sum(work.macs.values()) + sum(work.elements.values()) for work in works
        )
        lanes = 1 if self.lanes is None else self.lanes.value
        stages = 1 if self.stages is None else self.stages.value
        return Fraction(operations, lanes * stages * tiles)


def tiles_of(op: Operation) -> int:
    """The tiles that an op or a node has of its fabric."""
    found = op.attributes.get(TILES)
    return found.value.data if isinstance(found, IntegerAttr) else 1
