"""What a simulation found: time, energy, memory, and where each of them went."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dfc.runtime.errors import DfcError


class Row(BaseModel):
    """A row of a report; the names are those of its JSON and carry their units."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Traffic(Row):
    """Bytes that a kernel moved out of and into a tier."""

    read_bytes: int
    written_bytes: int


class KernelRow(Row):
    """
    A kernel, all of its calls together.

    `cycles` is its part of the critical path: over all kernels they add up to the report's.
    `parts` is what these were spent on, `stalls` those of them that its unit did not set, by
    what it waited for.
    """

    name: str
    origin: str
    unit: str
    calls: int
    cycles: int
    tiers: Mapping[str, Traffic]
    parts: Mapping[str, int]
    stalls: Mapping[str, int]


class UnitRow(Row):
    """A unit, port or channel: how long it was taken, and that as a part of the time."""

    name: str
    busy_cycles: int
    utilisation: float


class TierRow(Row):
    """A memory: the most that stood in it, and what was moved."""

    name: str
    capacity_bytes: int
    peak_bytes: int
    read_bytes: int
    written_bytes: int


class StepRow(Row):
    """A decode step: the tokens in the cache before it, its time and energy, and what the time went to."""

    context: int
    cycles: int
    latency_s: float
    energy_j: float
    parts: Mapping[str, int]


class FifoRow(Row):
    """A FIFO of a stream graph that ran as a whole."""

    name: str
    depth: int
    peak_occupancy: int


class Report(Row):
    """
    The result of a simulation; for language models all totals are over prefill and every decode step.

    `assumed_share` and `calibrated_share` are the parts of the time on the critical path that
    an assumed or a calibrated number set. `parts` is what the time went to. Energy rests on
    what `notes` says.
    """

    target: str
    cycles: int
    latency_s: float
    energy_j: float
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
