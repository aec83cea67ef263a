"""A simulation's report as tables."""

from collections.abc import Mapping
from typing import TypeVar

from dfc.cli_output import print_table
from dfc.runtime.report import KernelRow, Report, StepRow, UnitRow
from dfc.runtime.simulator import Estimate

Item = TypeVar("Item")

MEGABYTE = 10**6
WORTH_SAYING = 0.01
"""The share of a kernel's time below which a stall is left out of the table."""
SHOWN_FIFOS = 20
"""FIFOs in the table; `--json` has all of them."""
SHOWN_STEPS = 4
"""Decode steps side by side; of more than these, the first and the last are shown."""


def print_report(report: Report) -> None:
    """The figures, then what the time went to, kernels, units, memories and decode steps."""
    print_table("", ("figure", "value"), figures(report))
    print_table("The time went to", ("cause", "cycles", "%"), part_rows(report))
    print_kernels(report)
    busy = [("unit", *row) for row in busy_rows(report.units)]
    busy += [("link", *row) for row in busy_rows(report.links)]
    print_table("Units and links", ("kind", "name", "busy cycles", "busy %"), busy)
    print_table(
        "Memories",
        ("name", "capacity", "peak bytes", "bytes read", "bytes written"),
        [
            (t.name, t.capacity_bytes, t.peak_bytes, t.read_bytes, t.written_bytes)
            for t in report.tiers
        ],
    )
    if report.fifos:
        print_fifos(report)
    if report.steps:
        print_steps(report)
    for note in report.notes:
        print(f"note: {note}")


def print_estimate(found: Estimate) -> None:
    """The figures of an estimate, and its calls."""
    pairs: list[tuple[str, object]] = [
        ("target", found.target),
        ("time to first token, s", found.ttft_s),
        ("decode, tokens/s", found.decode_tokens_per_s),
        ("latency, s", found.latency_s),
        ("cycles, about", found.cycles),
        ("cycles, at least", found.bound_cycles),
        ("energy, J", found.energy_j),
    ]
    rows = [(name, value) for name, value in pairs if value is not None]
    print_table("", ("figure", "value"), rows)
    print_table(
        "Calls",
        ("call", "cycles, about", "at least", "by"),
        [(c.name, c.cycles, c.bound_cycles, c.bound_by) for c in ends(found.calls)],
    )
    for note in found.notes:
        print(f"note: {note}")


def figures(report: Report) -> list[tuple[str, object]]:
    """The totals, with their units; what does not apply is left out."""
    pairs: list[tuple[str, object]] = [
        ("target", report.target),
        ("time to first token, s", report.ttft_s),
        ("decode, tokens/s", report.decode_tokens_per_s),
        ("tokens/J", report.tokens_per_j),
        ("latency, s", report.latency_s),
        ("cycles", report.cycles),
        (f"cycles, at least (by {report.bound_by})", report.bound_cycles or None),
        ("energy, J", report.energy_j),
        ("of the time set by assumed numbers, %", percent(report.assumed_share)),
        ("of the time set by calibrated numbers, %", percent(report.calibrated_share)),
    ]
    return [(name, value) for name, value in pairs if value is not None]


def part_rows(report: Report) -> list[tuple[str, int, float]]:
    """Cycles of the critical path by cause, the largest first."""
    total = max(report.cycles, 1)
    return [(name, n, percent(n / total)) for name, n in ordered(report.parts)]


def print_kernels(report: Report) -> None:
    """One row per kernel, the longest first."""
    tiers = [tier.name for tier in report.tiers if carried(report, tier.name)]
    columns = ["kernel", "unit", "calls", "cycles", "time %"]
    columns += [f"{name} MB" for name in tiers]
    rows = sorted(report.kernels, key=lambda row: -row.cycles)
    cells = [
        (
            row.name,
            row.unit,
            row.calls,
            row.cycles,
            percent(row.cycles / max(report.cycles, 1)),
            *(round(moved(row, name) / MEGABYTE, 2) for name in tiers),
            stalled(row),
        )
        for row in rows
    ]
    print_table("Kernels", (*columns, "stalled by"), cells)


def carried(report: Report, tier: str) -> bool:
    """Whether any kernel moves bytes of a tier."""
    return any(moved(row, tier) for row in report.kernels)


def moved(row: KernelRow, tier: str) -> int:
    """Bytes read from and written to a tier by a kernel."""
    traffic = row.tiers.get(tier)
    return traffic.read_bytes + traffic.written_bytes if traffic else 0


def stalled(row: KernelRow) -> str:
    """What the kernel's unit waited for, in percent of the kernel's time: the two largest."""
    shares = [(name, n / row.cycles) for name, n in ordered(row.stalls)[:2]]
    return ", ".join(f"{name} {s:.0%}" for name, s in shares if s >= WORTH_SAYING)


def print_fifos(report: Report) -> None:
    """The FIFOs inside the graphs that ran as a whole, the deepest and most stalled first."""
    rows = sorted(
        report.fifos, key=lambda row: (-(row.depth or 0), -sum(row.stalls.values()))
    )
    cells = [
        (row.kernel, row.name, row.depth, row.peak_occupancy, *row.stalls.values())
        for row in rows[:SHOWN_FIFOS]
    ]
    columns = ("kernel", "fifo", "depth", "peak tokens")
    causes = (f"{cause} cycles" for cause in rows[0].stalls)
    left = len(rows) - len(cells)
    title = f"FIFOs, {left} shallower ones left out" if left else "FIFOs"
    print_table(title, (*columns, *causes), cells)


def busy_rows(rows: tuple[UnitRow, ...]) -> list[tuple[str, int, float]]:
    """Units or links that did something, with their share of the time."""
    return [
        (row.name, row.busy_cycles, percent(row.utilisation))
        for row in rows
        if row.busy_cycles
    ]


def print_steps(report: Report) -> None:
    """Decode steps side by side, with what their time went to and how that grows."""
    steps = ends(report.steps)
    rows: list[tuple[object, ...]] = [
        ("latency, s", *(step.latency_s for step in steps), ""),
        ("energy, J", *(step.energy_j for step in steps), ""),
        ("cycles", *(step.cycles for step in steps), grown(steps, None)),
    ]
    rows += [
        (name, *(step.parts.get(name, 0) for step in steps), grown(steps, name))
        for name, _ in ordered(steps[-1].parts)
    ]
    heads = [f"at {step.context:,}" for step in steps]
    print_table("Decode steps by context", ("", *heads, "growth"), rows)


def ends(rows: tuple[Item, ...]) -> tuple[Item, ...]:
    """All of a few rows; of many, the first and the last."""
    return rows if len(rows) <= SHOWN_STEPS else (rows[0], rows[-1])


def grown(steps: tuple[StepRow, ...], name: str | None) -> str:
    """How many cycles more the last step takes than the first, of one part or in all."""
    first, last = (
        step.cycles if name is None else step.parts.get(name, 0)
        for step in (steps[0], steps[-1])
    )
    return f"{last - first:+,}" if last != first else ""


def ordered(parts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Cycles by cause, the largest first, none left out but zeros."""
    return sorted(((k, n) for k, n in parts.items() if n), key=lambda pair: -pair[1])


def percent(share: float) -> float:
    """A share in percent, to a tenth."""
    return round(100 * share, 1)
