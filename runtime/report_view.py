"""A report as tables on a terminal."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dfc.runtime.report import KernelRow, Report, StepRow

MOST_KERNELS = 24
"""Kernels shown; the rest are one line."""


def view(report: Report) -> RenderableType:
    """The whole report: summary, kernels, units, tiers, decode steps, notes."""
    parts: list[RenderableType] = [
        summary(report),
        kernels(report),
        where_time_went(report),
        units(report),
        tiers(report),
    ]
    if report.steps:
        parts.append(steps(report))
    parts += [Text(f"note: {note}", style="dim") for note in report.notes]
    return Group(*parts)


def _table(title: str, columns: Sequence[str], left: int = 1) -> Table:
    """A table whose first columns are text and the others numbers."""
    table = Table(title=title, box=box.SIMPLE, title_justify="left", title_style="bold")
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < left else "right")
    return table


def summary(report: Report) -> Table:
    """Totals, and what they rest on."""
    table = Table(box=None, show_header=False)
    rows: list[tuple[str, str]] = [("target", report.target)]
    if report.ttft_s is not None:
        rows.append(
            (
                "time to first token",
                f"{seconds(report.ttft_s)} ({report.prefill_tokens} tokens)",
            )
        )
    if report.decode_tokens_per_s is not None:
        rows.append(("decode", f"{report.decode_tokens_per_s:.2f} tokens/s"))
    if report.tokens_per_j is not None:
        rows.append(("decode", f"{report.tokens_per_j:.2f} tokens/J"))
    rows += [
        ("time", f"{seconds(report.latency_s)}, {report.cycles:,} cycles"),
        ("energy", f"{report.energy_j:.4g} J"),
        (
            "rests on",
            f"calibrated numbers {percent(report.calibrated_share)}, assumed ones"
            f" {percent(report.assumed_share)} of the time",
        ),
    ]
    for name, text in rows:
        table.add_row(name, text)
    return table


def kernels(report: Report) -> Table:
    """A row per kernel: its part of the time, its bytes, and what it waited for."""
    columns = ("kernel", "unit", "calls", "cycles", "share", "bytes", "waits for")
    table = _table("kernels", columns, left=2)
    for row in report.kernels[:MOST_KERNELS]:
        table.add_row(
            row.name,
            row.unit or "-",
            f"{row.calls:,}",
            f"{row.cycles:,}",
            percent(row.cycles / report.cycles if report.cycles else 0),
            _bytes_per_tier(row),
            _largest(row.stalls),
        )
    rest = report.kernels[MOST_KERNELS:]
    if rest:
        cycles = sum(row.cycles for row in rest)
        part = percent(cycles / report.cycles if report.cycles else 0)
        table.add_row(f"{len(rest)} more", "", "", f"{cycles:,}", part, "", "")
    return table


def _bytes_per_tier(row: KernelRow) -> str:
    """`ddr 1.2 MB in, 3 kB out` per tier, from the tier's point of view read and written."""
    return "; ".join(
        f"{name} {size(moved.read_bytes)} r, {size(moved.written_bytes)} w"
        for name, moved in row.tiers.items()
    )


def _largest(stalls: Mapping[str, int]) -> str:
    """The cause a kernel waited longest for."""
    cause = max(stalls, key=lambda name: stalls[name], default=None)
    return "-" if not cause or not stalls[cause] else f"{cause} {stalls[cause]:,}"


def where_time_went(report: Report) -> Table:
    """What the time was spent on, over all kernels."""
    table = _table("where the time goes", ("resource: what", "cycles", "share"))
    for name, cycles in report.parts.items():
        table.add_row(name, f"{cycles:,}", percent(cycles / report.cycles))
    return table


def units(report: Report) -> Table:
    """How busy units, ports and channels were."""
    table = _table("units, ports and channels", ("name", "busy cycles", "utilisation"))
    for row in (*report.units, *report.links):
        table.add_row(row.name, f"{row.busy_cycles:,}", percent(row.utilisation))
    return table


def tiers(report: Report) -> Table:
    """How full the memories were, and what was moved."""
    table = _table("memory", ("tier", "capacity", "peak", "read", "written"))
    for row in report.tiers:
        numbers = (
            row.capacity_bytes,
            row.peak_bytes,
            row.read_bytes,
            row.written_bytes,
        )
        table.add_row(row.name, *map(size, numbers))
    return table


def steps(report: Report) -> Table:
    """Decode steps: the first, the last, and some between."""
    table = _table(
        "decode steps", ("context", "time", "energy", "most of the time"), left=0
    )
    for row in thinned(report.steps):
        most = ", ".join(
            f"{name} {percent(cycles / row.cycles)}"
            for name, cycles in list(row.parts.items())[:3]
        )
        table.add_row(
            str(row.context), seconds(row.latency_s), f"{row.energy_j:.4g} J", most
        )
    return table


def thinned(rows: Sequence[StepRow], most: int = 8) -> Sequence[StepRow]:
    """At most so many of the rows, evenly spaced, with the first and the last."""
    if len(rows) <= most:
        return rows
    last = len(rows) - 1
    return [rows[round(index * last / (most - 1))] for index in range(most)]


def percent(part: float) -> str:
    """A part of one as a percentage."""
    return f"{100 * part:.1f}%"


def seconds(time: float) -> str:
    """A time with a unit that fits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if time >= scale:
            return f"{time / scale:.4g} {unit}"
    return f"{time / 1e-9:.4g} ns"


def size(count: int) -> str:
    """Bytes with a decimal unit that fits them."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.4g} {unit}"
    return f"{count} B"
