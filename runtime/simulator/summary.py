"""Reports from simulated calls: sums over calls, rows by kernel, unit and tier."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import fsum

from dfc.runtime.graph import EdgeRun
from dfc.runtime.machine import Target, link_rates
from dfc.runtime.machine.access import channel_names
from dfc.runtime.machine.values import target_values
from dfc.runtime.report import FifoRow, KernelRow, Report, TierRow, Traffic, UnitRow
from dfc.runtime.simulator.bound import bound_of, joined
from dfc.runtime.simulator.engine import CallTime, resource_names
from dfc.runtime.simulator.maxplus import Composition, add_counters
from dfc.runtime.simulator.timing import Category
from dfc.runtime.simulator.timing import Counter as Quantity

Quantities = Mapping[Quantity, float]


@dataclass(frozen=True)
class Energy:
    """How a target's energy is worked out from time and operations."""

    target: Target

    def joules(self, call: CallTime) -> float:
        """Board power times time where it is known, else operations and bytes, and static power."""
        return fsum(self.parts(call).values())

    def parts(self, call: CallTime) -> dict[str, float]:
        """Joules by what took them: units by their operations, tiers by their bytes, `static`; or the `board`."""
        seconds = call.cycles / float(self.target.ticks_per_second)
        power = self.target.power
        board = power.board_watts(float(self.target.clock_scale))
        if board is not None:
            return {"board": board * seconds}
        found = Counter[str]()
        for key, amount in call.counters.items():
            if key.quantity == "energy" and amount:
                found[key.where] += amount * 1e-12  # pyright: ignore[reportArgumentType]
        static = power.static_watts(float(self.target.clock_scale))
        found["static"] = static * seconds  # pyright: ignore[reportArgumentType]
        return dict(found.most_common())

    def dynamic_joules(self, call: CallTime) -> float:
        """Bottom up: operations and bytes at the target's energies, or the default ones."""
        counters = call.counters.items()
        return fsum(n for key, n in counters if key.quantity == "energy") * 1e-12

    def notes(self, call: CallTime) -> tuple[str, ...]:
        """What the energy rests on, and so what it can prove."""
        power, scale = self.target.power, float(self.target.clock_scale)
        board, found = power.board_watts(scale), self.dynamic_joules(call)
        if board is None:
            return (
                "energy is the sum over operations and bytes at the target's energies,"
                " and static power times the time",
            )
        first = (
            f"energy is the board's {board:g} W times the time, so tokens"
            " per joule follow from the time and prove no more than it does"
        )
        seconds = call.cycles / float(self.target.ticks_per_second)
        dynamic = power.board_dynamic_watts(scale) * seconds
        if not found or not dynamic:
            return (first,)
        return (
            first,
            f"bottom up, operations and bytes take {found:.3g} J (default energies,"
            f" assumed); the board's dynamic part is {dynamic:.3g} J (split assumed),"
            f" {dynamic / found:.3g} times that",
        )


def total(calls: Iterable[CallTime]) -> CallTime:
    """Calls one after the other."""
    cycles, composition = 0, Counter[Category]()
    counters = Counter[Quantity]()
    for call in calls:
        cycles += call.cycles
        for category, ticks in call.composition.items():
            composition[category] += ticks
        add_counters(counters, call.counters, 1)
    return CallTime(cycles, composition, counters)


def parts_of(composition: Composition, kernel: str | None = None) -> dict[str, int]:
    """What a time, or a kernel's part of it, was spent on, the longest first."""
    found = Counter[str]()
    for category, ticks in composition.items():
        if kernel is None or category.kernel == kernel:
            found[f"{category.resource}: {category.what}"] += ticks
    return dict(found.most_common())


def share(composition: Composition, cycles: int, evidence: str) -> float:
    """The part of a time that numbers of one kind of evidence set."""
    found = sum(ticks for key, ticks in composition.items() if key.evidence == evidence)
    return found / cycles if cycles else 0.0


def summarise(
    target: Target,
    calls: Sequence[CallTime],
    origins: Mapping[str, str],
    peaks: Mapping[str, int],
    notes: Sequence[str] = (),
    fifos: Mapping[tuple[str, str], EdgeRun] | None = None,
) -> Report:
    """The report of calls that follow each other; `fifos` by kernel and name are those of its graphs."""
    energy = Energy(target)
    whole = total(calls)
    bound = joined(bound_of(target, call.counters) for call in calls)
    return Report(
        target=target.name,
        target_values=target_values(target),
        cycles=whole.cycles,
        bound_cycles=bound.cycles,
        bound_by=bound.resource,
        latency_s=whole.cycles / float(target.ticks_per_second),
        energy_j=energy.joules(whole),
        energy_parts_j=energy.parts(whole),
        assumed_share=share(whole.composition, whole.cycles, "assumed"),
        calibrated_share=share(whole.composition, whole.cycles, "calibrated"),
        parts=parts_of(whole.composition),
        kernels=kernel_rows(whole, origins),
        units=unit_rows(target, whole),
        links=link_rows(target, whole),
        tiers=tier_rows(target, whole.counters, peaks),
        fifos=fifo_rows(whole.counters, fifos or {}),
        notes=(*energy.notes(whole), *notes),
    )


def fifo_rows(
    counters: Quantities, fifos: Mapping[tuple[str, str], EdgeRun]
) -> tuple[FifoRow, ...]:
    """A row per FIFO of the graphs that were launched."""
    return tuple(
        FifoRow(
            kernel=kernel,
            name=name,
            depth=fifo.depth,
            peak_occupancy=fifo.peak_occupancy,
            stalls={
                cause: int(counters.get(Quantity(cause, kernel, name), 0))
                for cause in ("starved", "blocked")
            },
        )
        for (kernel, name), fifo in fifos.items()
        if Quantity("starved", kernel, name) in counters
    )


def kernel_rows(whole: CallTime, origins: Mapping[str, str]) -> tuple[KernelRow, ...]:
    """A row per kernel that took time or moved bytes, the longest first."""
    names = {category.kernel for category in whole.composition}
    names |= {key.kernel for key in whole.counters if key.quantity == "launches"}
    names |= {key.kernel for key in whole.counters if key.quantity == "copies"}
    rows = [_kernel_row(name, whole, origins.get(name, "")) for name in sorted(names)]
    return tuple(sorted(rows, key=lambda row: -row.cycles))


def _kernel_row(name: str, whole: CallTime, origin: str) -> KernelRow:
    own = {key: n for key, n in whole.counters.items() if key.kernel == name}
    units = sorted({key.where for key in own if key.quantity == "launches"})
    parts = parts_of(whole.composition, name)
    stalls = Counter[str]()
    for category, ticks in whole.composition.items():
        if category.kernel == name and not category.resource.startswith("unit."):
            late = category.what == "latency"
            stalls[category.resource + " latency" * late] += ticks
    return KernelRow(
        name=name,
        origin=origin,
        unit=", ".join(units),
        calls=int(own.get(Quantity("calls", name, ""), 1)),
        cycles=sum(parts.values()),
        tiers={
            tier: Traffic(
                read_bytes=_sum(own, "read", tier),
                written_bytes=_sum(own, "written", tier),
            )
            for tier in sorted(
                {key.where for key in own if key.quantity in ("read", "written")}
            )
        },
        parts=parts,
        stalls=dict(stalls.most_common()),
        busy_cycles={
            key.where: int(n) for key, n in own.items() if key.quantity == "busy" and n
        },
        operations=_sum(own, "operations"),
        energy_j=sum(n for key, n in own.items() if key.quantity == "energy") * 1e-12,
    )


def _sum(counters: Quantities, quantity: str, where: str | None = None) -> int:
    """A quantity at a place, or at all of them, over all kernels."""
    return int(
        sum(
            amount
            for key, amount in counters.items()
            if key.quantity == quantity and where in (None, key.where)
        )
    )


def unit_rows(target: Target, whole: CallTime) -> tuple[UnitRow, ...]:
    """A row per unit, with its peak in operations."""
    rows: list[UnitRow] = []
    for name in target.unit:
        busy = _sum(whole.counters, "busy", f"unit.{name}")
        rate = target.peak_operations_per_tick(name)
        row = UnitRow(
            name=name,
            busy_cycles=busy,
            utilisation=busy / max(whole.cycles, 1),
            peak_operations_per_s=_per_second(target, rate),
        )
        rows.append(row)
    return tuple(rows)


def link_rows(target: Target, whole: CallTime) -> tuple[UnitRow, ...]:
    """A row per port and channel, with its peak in bytes."""
    rates = link_rates(target)
    rows: list[UnitRow] = []
    for name in resource_names(target):
        if name.startswith("unit."):
            continue
        busy = _sum(whole.counters, "busy", name)
        row = UnitRow(
            name=name,
            busy_cycles=busy,
            utilisation=busy / max(whole.cycles, 1),
            peak_bytes_per_s=_per_second(target, rates.get(name)),
        )
        rows.append(row)
    return tuple(rows)


def _per_second(target: Target, per_tick: Fraction | None) -> float | None:
    """A rate per tick of the target's clock as one per second."""
    return None if per_tick is None else float(per_tick * target.ticks_per_second)


def tier_rows(
    target: Target, counters: Quantities, peaks: Mapping[str, int]
) -> tuple[TierRow, ...]:
    """A row per tier of the target, with the rate of all its channels together."""
    rates = link_rates(target)
    rows: list[TierRow] = []
    for name, table in target.tier.items():
        channels = channel_names(target, name)
        rate = sum((rates[each] for each in channels), Fraction()) or None
        row = TierRow(
            name=name,
            capacity_bytes=table.capacity_bytes,
            peak_bytes=peaks.get(name, 0),
            read_bytes=_sum(counters, "read", name),
            written_bytes=_sum(counters, "written", name),
            bytes_per_s=_per_second(target, rate),
        )
        rows.append(row)
    return tuple(rows)
