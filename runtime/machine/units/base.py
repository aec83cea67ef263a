"""What every kind of unit answers: can it run an op, how long does it take, what does it cost."""

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from pydantic import BaseModel, ConfigDict
from xdsl.ir import Operation

from dfc.dialects.attention import ScheduleAttr, SdpaOp
from dfc.runtime.errors import ExecutionError
from dfc.runtime.machine.access import Access, Lane
from dfc.runtime.machine.cost import Cost, Moved, Part, round_up
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.number import (
    NO_CYCLES,
    Amount,
    Anything,
    Count,
    Number,
    Whole,
)
from dfc.runtime.machine.structure import dtype
from dfc.runtime.machine.work import (
    BothWays,
    Controls,
    Work,
    gathered,
    is_free,
    traffic,
    unknown,
)

TWO_SLOTS = Number[int](value=2, kind="source", note="double buffered by default")


@dataclass(frozen=True)
class Stream:
    """Bytes that an in-place operand moves over the lanes it goes through."""

    moved: Moved
    lanes: tuple[Lane, ...]

    @property
    def operand(self) -> int:
        """The operand's index."""
        return self.moved.operand


@dataclass(frozen=True)
class Effort:
    """
    What a kind makes of a body: time in cycles of the unit's clock, energy at the nominal voltage,
    and the in-place operands its time already holds. `before` passes before any data moves.
    """

    parts: tuple[Part, ...]
    energy_pj: float = 0.0
    streams: tuple[Stream, ...] = ()
    before: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Firing:
    """Cycles from a node's firing until its tokens are visible, and until it may fire again."""

    latency: int
    interval: int


@dataclass
class Loads:
    """Bytes per lane of the streams that run beside the compute."""

    ticks: dict[str, Fraction] = field(default_factory=dict[str, Fraction])
    numbers: dict[str, tuple[Anything, ...]] = field(
        default_factory=dict[str, "tuple[Anything, ...]"]
    )

    def add(self, stream: Stream) -> None:
        """Put a stream's bytes on each of its lanes."""
        for lane in stream.lanes:
            ticks = lane.ticks(stream.moved.size)
            self.ticks[lane.resource] = (
                self.ticks.get(lane.resource, Fraction()) + ticks
            )
            self.numbers[lane.resource] = lane.numbers

    def beyond(self, busy: Fraction, what: str = "transfer") -> tuple[Part, ...]:
        """What the slowest lane takes longer than the compute."""
        if not self.ticks:
            return ()
        slowest = max(self.ticks, key=lambda name: self.ticks[name])
        wait = self.ticks[slowest] - busy
        if wait <= 0:
            return ()
        return (Part(wait, what, self.numbers[slowest], slowest),)


def picojoules(given: Amount | None, default: Number[float]) -> float:
    """An energy of the target file, or the default where it gives none."""
    return float(default if given is None else given)


def work_energy(
    work: Work, per_mac: Amount | None, per_element: Amount | None, energies: Energies
) -> float:
    """Energy of multiply-accumulates and elementwise functions, in pJ."""
    macs = sum(
        count * picojoules(per_mac, energies.mac(dtype))
        for dtype, count in work.macs.items()
    )
    return macs + sum(
        count * picojoules(per_element, energies.element(*function))
        for function, count in work.elements.items()
    )


class Unit(BaseModel):
    """
    A compute unit. Its cycles are those of `clock`, a table [clock.NAME]; left out, the target's.

    It reads and writes `data_tier`, reads weights from `weight_tier` (`data_tier` when left
    out), and reaches the tiers in `streams` in place, through their ports. Weights are held in
    `weight_slots` buffers: one means that a load waits for the launches before it. Ternary weights
    are packed as `packing` says (the text of a `#ternary.packing<…>`), in tiles padded to whole
    regions of `region_outputs` x `region_inputs` where those are given; no tile has more outputs
    than a region.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: str = ""
    kind: str
    clock: str | None = None
    data_tier: str
    weight_tier: str | None = None
    streams: tuple[str, ...] = ()
    weight_slots: Count = TWO_SLOTS
    packing: str = "trits1in2, order = rows"
    region_outputs: Count | None = None
    region_inputs: Count | None = None
    configure_cycles: Whole = NO_CYCLES

    @abstractmethod
    def runs(self, op: Operation) -> bool:
        """Whether the unit has the function and the dtypes of an op that does work."""

    @abstractmethod
    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        """Time in cycles of the unit, before rounding, and energy of a body."""

    @property
    def pays_for_data(self) -> bool:
        """Whether operands in the unit's own tier go through its channels beside the compute."""
        return False

    def energy_numbers(
        self, energies: Energies
    ) -> Iterable[tuple[str, Anything | None, Number[float]]]:
        """Each key that gives an energy: what the file gives, and what holds where it gives none."""
        return ()

    def compute_ticks(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Fraction:
        """Ticks of the target's clock that the compute of a body takes, before rounding."""
        effort = self.effort(ops, controls, access)
        parts = (*effort.before, *effort.parts)
        cycles = sum((part.ticks for part in parts), Fraction())
        return cycles * access.ticks_per_cycle

    @property
    def cuts_by_itself(self) -> bool:
        """Whether a launch is a call on whole tensors, which goes over them in loops of its own; cut only where they do not fit."""
        return False

    @property
    def holds_graphs(self) -> bool:
        """Whether a whole `stream.graph` is one launch of the unit."""
        return False

    def firing_numbers(self) -> tuple[Anything, ...]:
        """The numbers that latency and interval of a firing rest on, where the kind names them."""
        return ()

    def firing(
        self, ops: Sequence[Operation], access: Access, tiles: int = 1
    ) -> Firing:
        """The firing of a stream node with this body; by default a launch after the other."""
        cost = self.cost(ops, unknown, access)
        late = sum(term.cycles for term in cost.latency)
        return Firing(max(cost.cycles + late, 1), max(cost.cycles, 1))

    def supports(self, op: Operation) -> bool:
        """Whether the unit can run an op; constants, views and index arithmetic cost nothing anywhere."""
        return is_free(op) or self.runs(op)

    def tile_multiples(self, op: Operation) -> Mapping[str, int]:
        """Sizes of m, n, k that fill the unit: a tile of multiples of these wastes nothing."""
        return {}

    def schedule_of(self, op: SdpaOp) -> ScheduleAttr | None:
        """The schedule in which the unit runs an attention; the op's own, or none, by default."""
        return op.schedule

    def peak_operations_per_cycle(self, cycles_per_second: Fraction) -> Fraction | None:
        """The most the unit does in a cycle, a multiply-accumulate being two; `None` when the kind does not say."""
        return None

    def tier_names(self) -> Iterable[tuple[str, str]]:
        """The keys that name a tier, and what they name."""
        yield "data_tier", self.data_tier
        if self.weight_tier is not None:
            yield "weight_tier", self.weight_tier
        for tier in self.streams:
            yield "streams", tier

    def port_names(self) -> Iterable[tuple[str, str]]:
        """The keys that name a port, and what they name."""
        return ()

    def cost(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Cost:
        """Cost of a body on this unit; in-place operands run beside the compute, the slower sets the time."""
        self._check(ops, access)
        effort = self.effort(ops, controls, access)
        return self.beside(effort, traffic(ops, controls), gathered(ops), access)

    def beside(
        self,
        effort: Effort,
        bytes_of: Mapping[int, BothWays],
        scattered: Collection[int],
        access: Access,
    ) -> Cost:
        """The cost of an effort beside the bytes of its operands, of which those `scattered` come at random."""
        busy = sum((part.ticks for part in effort.parts), Fraction())
        handled = {s.operand for s in effort.streams}
        loads, streams, moved = Loads(), list(effort.streams), list[Moved]()
        for operand, directions in bytes_of.items():
            for direction, size in directions:
                if operand in handled and direction == "read":
                    continue
                if access.is_near(operand) and not self.pays_for_data:
                    moved.append(Moved(operand, direction, size))
                    continue
                pattern = "random" if operand in scattered else "sequential"
                lanes = access.lanes(operand, direction, pattern=pattern)
                streams.append(Stream(Moved(operand, direction, size), lanes))
                loads.add(streams[-1])
        holds = {lane.resource: None for stream in streams for lane in stream.lanes}
        streamed = tuple(stream.moved for stream in streams)
        parts = (*effort.before, *effort.parts, *loads.beyond(busy))
        ticks = access.ticks_per_cycle
        return Cost(
            terms=round_up(replace(p, ticks=p.ticks * ticks) for p in parts),
            energy_pj=effort.energy_pj * access.target.logic_voltage_squared,
            holds=tuple(holds),
            moved=(*moved, *streamed),
            streamed=streamed,
        )

    def _check(self, ops: Sequence[Operation], access: Access) -> None:
        """Refuse an op that the unit does not have, by its name, dtype and origin."""
        for op in ops:
            if not self.supports(op):
                kind = dtype(*op.operands, *op.results)
                origin = op.attributes.get("dfc.origin")
                where = f" ({origin})" if origin is not None else ""
                raise ExecutionError(
                    f"unit `{access.unit}` of target `{access.target.name}` cannot run"
                    f" `{op.name}` on {kind}{where}"
                )
