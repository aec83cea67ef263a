"""A simulation's report as tables."""

from collections.abc import Mapping

from dfc.cli_output import print_table
from dfc.runtime.report import KernelRow, Report, UnitRow


def print_report(report: Report) -> None:
    """The figures, then kernels, units, links, memories and decode steps."""
    print_table("", ("figure", "value"), figures(report))
    print_kernels(report)
    busy = [("unit", *row) for row in busy_rows(report.units)]
    busy += [("link", *row) for row in busy_rows(report.links)]
    print_table("Units and links", ("kind", "name", "busy cycles", "busy %"), busy)
    print_table(
        "Memories",
        ("name", "capacity", "peak bytes", "bytes read", "bytes written"),
        [tuple(row.model_dump().values()) for row in report.tiers],
    )
    if report.steps:
        print_steps(report)
    for note in report.notes:
        print(f"note: {note}")


def figures(report: Report) -> list[tuple[str, object]]:
    """The totals, with their units; what does not apply is left out."""
    shares = (report.assumed_share, report.calibrated_share)
    pairs: list[tuple[str, object]] = [
        ("target", report.target),
        ("time to first token, s", report.ttft_s),
        ("decode, tokens/s", report.decode_tokens_per_s),
        ("tokens/J", report.tokens_per_j),
        ("latency, s", report.latency_s),
        ("cycles", report.cycles),
        ("energy, J", report.energy_j),
        ("of the time set by assumed numbers", f"{shares[0]:.1%}"),
        ("of the time set by calibrated numbers", f"{shares[1]:.1%}"),
        ("the time went to", said(report.parts)),
    ]
    return [(name, value) for name, value in pairs if value is not None]


def print_kernels(report: Report) -> None:
    """One row per kernel, the longest first."""
    tiers = [tier.name for tier in report.tiers if carried(report, tier.name)]
    columns = ["kernel", "unit", "calls", "cycles", "time %"]
    columns += [f"{name} bytes" for name in tiers]
    rows = sorted(report.kernels, key=lambda row: -row.cycles)
    cells = [
        (
            row.name,
            row.unit,
            row.calls,
            row.cycles,
            round(100 * row.cycles / max(report.cycles, 1), 1),
            *(moved(row, name) for name in tiers),
            said(row.stalls),
        )
        for row in rows
    ]
    print_table("Kernels", (*columns, "stalls"), cells)


def carried(report: Report, tier: str) -> bool:
    """Whether any kernel moves bytes of a tier."""
    return any(moved(row, tier) for row in report.kernels)


def moved(row: KernelRow, tier: str) -> int:
    """Bytes read from and written to a tier by a kernel."""
    traffic = row.tiers.get(tier)
    return traffic.read_bytes + traffic.written_bytes if traffic else 0


def busy_rows(rows: tuple[UnitRow, ...]) -> list[tuple[str, int, float]]:
    """Units or links that did something, with their share of the time."""
    return [
        (row.name, row.busy_cycles, round(100 * row.utilisation, 1))
        for row in rows
        if row.busy_cycles
    ]


def print_steps(report: Report) -> None:
    """The decode steps: all of a few, the first and the last of many."""
    steps = (
        report.steps if len(report.steps) <= 8 else (report.steps[0], report.steps[-1])
    )
    rows = [
        (row.context, row.latency_s, row.energy_j, said(row.parts)) for row in steps
    ]
    print_table("Decode steps", ("context", "s", "J", "cycles went to"), rows)


def said(parts: Mapping[str, int]) -> str:
    """Cycles by cause, the largest first."""
    ordered = sorted(parts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {cycles:,}" for name, cycles in ordered if cycles)
