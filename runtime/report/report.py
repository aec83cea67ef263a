"""What a simulation found: time, energy, memory, and where each of them went."""

from collections.abc import Mapping
from pathlib import Path

from dfc.runtime.errors import DfcError
from dfc.runtime.report.rows import (
    FifoRow,
    KernelRow,
    Row,
    StepRow,
    TierRow,
    UnitRow,
)


class Report(Row):
    """
    The result of a simulation; for language models all totals are over prefill and every decode step.

    `assumed_share` and `calibrated_share` are the parts of the time on the critical path that
    an assumed or a calibrated number set. `parts` is what the time went to, `energy_parts_j` what
    the energy did; each adds up to its total. Energy rests on what `notes` says.
    """

    target: str
    cycles: int
    latency_s: float
    energy_j: float
    energy_parts_j: Mapping[str, float] = {}
    assumed_share: float
    calibrated_share: float
    parts: Mapping[str, int]
    kernels: tuple[KernelRow, ...]
    units: tuple[UnitRow, ...]
    links: tuple[UnitRow, ...]
    tiers: tuple[TierRow, ...]
    fifos: tuple[FifoRow, ...] = ()
    notes: tuple[str, ...] = ()
    prefill_tokens: int | None = None
    ttft_s: float | None = None
    decode_tokens_per_s: float | None = None
    tokens_per_j: float | None = None
    steps: tuple[StepRow, ...] = ()

    def to_json(self) -> str:
        """One JSON object; what does not apply to the model is left out."""
        return self.model_dump_json(indent=2, exclude_none=True)

    def save(self, path: str | Path) -> None:
        """Write the report as JSON."""
        path = Path(path)
        if path.suffix != ".json":
            raise DfcError(
                f"expected a path that ends in .json for a report, got `{path}`"
            )
        path.write_text(self.to_json() + "\n")
