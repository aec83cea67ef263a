"""Reports of simulations: their rows, and how they are written as JSON, as a page and as a trace."""

from dfc.runtime.report.report import Report
from dfc.runtime.report.rows import (
    FifoRow,
    KernelRow,
    Row,
    StepRow,
    TierRow,
    Traffic,
    UnitRow,
)

__all__ = [
    "FifoRow",
    "KernelRow",
    "Report",
    "Row",
    "StepRow",
    "TierRow",
    "Traffic",
    "UnitRow",
]
