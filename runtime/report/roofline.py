"""Where each kernel stands under the roofs of its machine: operations per byte and per second."""

from collections.abc import Mapping
from dataclasses import dataclass

from dfc.runtime.report.report import Report
from dfc.runtime.report.rows import KernelRow


@dataclass(frozen=True)
class Point:
    """
    A kernel under the roofs.

    `seconds` is the longer of its part of the critical path and of the time for which it took the
    unit, port or channel that it took longest (`slowest`), so that no point stands above a roof.
    `operations_per_byte` is by tier; a tier that it moves no byte of is left out.
    """

    kernel: str
    unit: str
    operations: int
    seconds: float
    operations_per_s: float
    slowest: str
    operations_per_byte: Mapping[str, float]


def points(report: Report) -> tuple[Point, ...]:
    """A point for every kernel that computes something."""
    tick = report.latency_s / max(report.cycles, 1)
    return tuple(_point(row, tick) for row in report.kernels if row.operations)


def _point(row: KernelRow, tick: float) -> Point:
    slowest = max(row.busy_cycles, key=lambda name: row.busy_cycles[name], default="")
    cycles = max(row.cycles, row.busy_cycles.get(slowest, 0))
    seconds = cycles * tick
    moved = {
        tier: traffic.read_bytes + traffic.written_bytes
        for tier, traffic in row.tiers.items()
    }
    return Point(
        kernel=row.name,
        unit=row.unit,
        operations=row.operations,
        seconds=seconds,
        operations_per_s=row.operations / seconds if seconds else 0.0,
        slowest=slowest,
        operations_per_byte={t: row.operations / n for t, n in moved.items() if n},
    )
