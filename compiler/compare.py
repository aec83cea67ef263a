"""What changed between two simulations, and why: time by cause and kernel, bytes, energy, and the target's numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dfc.runtime.report import KernelRow, Report

Value = str | int | float | bool
NAMED = 3
"""Causes and kernels that the summary names."""


@dataclass(frozen=True)
class Change:
    """A figure before and after; absent where only one of the two has it."""

    name: str
    before: float | None
    after: float | None

    @property
    def difference(self) -> float:
        """How much more there is after; what is absent counts nothing."""
        return (self.after or 0) - (self.before or 0)

    @property
    def ratio(self) -> float | None:
        """After over before; none where that means nothing."""
        return self.after / self.before if self.before and self.after else None


@dataclass(frozen=True)
class TargetChange:
    """A value of the target by its dotted key, before and after."""

    key: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True)
class KernelChange:
    """A kernel's part of the time, the cause whose part changed most, and its bytes and calls."""

    name: str
    seconds: Change
    cause: Change | None
    moved_bytes: Change
    calls: Change


@dataclass(frozen=True)
class Comparison:
    """
    Two reports side by side; rows are sorted by how much they changed, and what did not is left out.

    `causes_s` and the seconds of `kernels` each add up to the change of `latency_s`: both are parts
    of the critical path.
    """

    before: str
    after: str
    figures: tuple[Change, ...]
    target: tuple[TargetChange, ...]
    causes_s: tuple[Change, ...]
    kernels: tuple[KernelChange, ...]
    resources_busy_s: tuple[Change, ...]
    tiers_bytes: tuple[Change, ...]
    tiers_peak_bytes: tuple[Change, ...]
    energy_parts_j: tuple[Change, ...]
    summary: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return asdict(self)


def compare(before: Report, after: Report) -> Comparison:
    """What changed from one report to another; times are in seconds, since clocks may differ."""
    causes = by_name(seconds_of(before, before.parts), seconds_of(after, after.parts))
    kernels = kernel_changes(before, after)
    target = target_changes(before, after)
    figures = figure_changes(before, after)
    return Comparison(
        before=before.target,
        after=after.target,
        figures=figures,
        target=target,
        causes_s=causes,
        kernels=kernels,
        resources_busy_s=by_name(busy_seconds(before), busy_seconds(after)),
        tiers_bytes=by_name(tier_bytes(before), tier_bytes(after)),
        tiers_peak_bytes=by_name(peaks(before), peaks(after)),
        energy_parts_j=by_name(before.energy_parts_j, after.energy_parts_j),
        summary=tuple(sentences(before, after, causes, kernels, target)),
    )


def by_name(
    before: Mapping[str, float], after: Mapping[str, float]
) -> tuple[Change, ...]:
    """The entries that differ, the largest difference first."""
    names = dict.fromkeys((*before, *after))
    changes = [Change(name, before.get(name), after.get(name)) for name in names]
    changed = [change for change in changes if change.before != change.after]
    return tuple(sorted(changed, key=lambda change: -abs(change.difference)))


def tick_of(report: Report) -> float:
    """Seconds per cycle."""
    return report.latency_s / max(report.cycles, 1)


def seconds_of(report: Report, cycles: Mapping[str, int]) -> dict[str, float]:
    """Cycles by name as seconds."""
    return {name: n * tick_of(report) for name, n in cycles.items()}


def busy_seconds(report: Report) -> dict[str, float]:
    """How long units and links were taken."""
    busy = {f"unit.{row.name}": row.busy_cycles for row in report.units}
    return seconds_of(
        report, busy | {row.name: row.busy_cycles for row in report.links}
    )


def tier_bytes(report: Report) -> Mapping[str, float]:
    """Bytes read and written, by tier."""
    rows = report.tiers
    read = {f"{row.name} read": row.read_bytes for row in rows}
    return read | {f"{row.name} written": row.written_bytes for row in rows}


def peaks(report: Report) -> Mapping[str, float]:
    """The most that stood in each tier."""
    return {row.name: row.peak_bytes for row in report.tiers}


def figure_changes(before: Report, after: Report) -> tuple[Change, ...]:
    """The totals that differ."""
    names = ("latency_s", "cycles", "energy_j", "ttft_s", "decode_tokens_per_s")
    names += ("tokens_per_j", "assumed_share", "calibrated_share")
    rows = [Change(n, getattr(before, n), getattr(after, n)) for n in names]
    return tuple(row for row in rows if row.before != row.after)


def target_changes(before: Report, after: Report) -> tuple[TargetChange, ...]:
    """The values of the targets that differ."""
    one, other = before.target_values, after.target_values
    keys = dict.fromkeys((*one, *other))
    rows = [TargetChange(key, one.get(key), other.get(key)) for key in keys]
    return tuple(row for row in rows if row.before != row.after)


def kernel_changes(before: Report, after: Report) -> tuple[KernelChange, ...]:
    """The kernels whose time or bytes differ."""
    one = {row.name: row for row in before.kernels}
    other = {row.name: row for row in after.kernels}
    rows: list[KernelChange] = []
    for name in dict.fromkeys((*one, *other)):
        a, b = one.get(name), other.get(name)
        causes = by_name(
            seconds_of(before, a.parts if a else {}),
            seconds_of(after, b.parts if b else {}),
        )
        row = KernelChange(
            name=name,
            seconds=Change(
                name,
                a and a.cycles * tick_of(before),
                b and b.cycles * tick_of(after),
            ),
            cause=causes[0] if causes else None,
            moved_bytes=Change(name, a and moved(a), b and moved(b)),
            calls=Change(name, a and a.calls, b and b.calls),
        )
        if any(c.before != c.after for c in (row.seconds, row.moved_bytes, row.calls)):
            rows.append(row)
    return tuple(sorted(rows, key=lambda row: -abs(row.seconds.difference)))


def moved(row: KernelRow) -> int:
    """Bytes that a kernel reads and writes, in all tiers."""
    return sum(t.read_bytes + t.written_bytes for t in row.tiers.values())


def sentences(
    before: Report,
    after: Report,
    causes: tuple[Change, ...],
    kernels: tuple[KernelChange, ...],
    target: tuple[TargetChange, ...],
) -> Iterable[str]:
    """What changed and why, in words: the time, its causes, its kernels, the target's values."""
    total = Change("latency_s", before.latency_s, after.latency_s)
    if before.latency_s == after.latency_s:
        yield f"the time is the same, {before.latency_s:.4g} s"
    else:
        word = "longer" if total.difference > 0 else "shorter"
        ratio = f" ({total.ratio:.3g} times)" if total.ratio else ""
        yield (
            f"the time is {abs(total.difference):.4g} s {word}:"
            f" {before.latency_s:.4g} s became {after.latency_s:.4g} s{ratio}"
        )
    if causes:
        yield "by cause: " + ", ".join(signed(c.name, c) for c in causes[:NAMED])
    timed = [row for row in kernels if row.seconds.difference]
    if timed:
        named = (signed(row.name, row.seconds) for row in timed[:NAMED])
        yield "by kernel: " + ", ".join(named)
    if before.target != after.target:
        yield f"the target is `{after.target}` instead of `{before.target}`"
    elif target:
        named = (
            f"`{r.key}` is {said(r.after)} instead of {said(r.before)}" for r in target
        )
        yield "in the target, " + ", ".join(named)
    elif before.target_values:
        yield "the target is the same"


def said(value: Value | None) -> str:
    """A value of a target's file."""
    return "not given" if value is None else str(value)


def signed(name: str, change: Change) -> str:
    """A change of seconds, with its sign."""
    return f"`{name}` {change.difference:+.4g} s"
