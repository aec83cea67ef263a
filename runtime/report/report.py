"""What a simulation found: time, energy, memory, and where each of them went."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, ValidationError

from dfc.runtime.errors import DfcError
from dfc.runtime.report.recording import Recording
from dfc.runtime.report.rows import (
    FifoRow,
    KernelRow,
    Row,
    StepRow,
    TierRow,
    UnitRow,
)


@dataclass
class Source:
    """Where a report's recording comes from; it is made when it is asked for. All are equal, as reports are."""

    make: Callable[[], Recording] = field(compare=False)

    @cached_property
    def recording(self) -> Recording:
        """The recording, made once."""
        return self.make()


class Report(Row):
    """The result of a simulation; for language models all totals are over prefill and every decode step."""

    target: str
    """The target's name."""
    target_values: Mapping[str, str | int | float | bool] = {}
    """What its file and the overrides state, by dotted key."""
    cycles: int
    """Ticks of the target's clock, from the first issue to the last event."""
    bound_cycles: int = 0
    """What the resource that is taken longest is taken, call by call: no schedule of the same ops is below it."""
    bound_by: str = ""
    """That resource: a unit, a port, a channel, or `control`."""
    latency_s: float
    """The same in seconds."""
    energy_j: float
    """Joules; what they rest on is said in `notes`."""
    energy_parts_j: Mapping[str, float] = {}
    """Joules by what took them; they add up to `energy_j`."""
    assumed_share: float
    """The part of the time on the critical path that assumed numbers set, 0 to 1."""
    calibrated_share: float
    """The part that calibrated numbers set."""
    parts: Mapping[str, int]
    """What the cycles were spent on along the critical path, as `resource: what`; they add up."""
    kernels: tuple[KernelRow, ...]
    """The kernels, the longest first."""
    units: tuple[UnitRow, ...]
    """The compute units."""
    links: tuple[UnitRow, ...]
    """Ports and memory channels."""
    tiers: tuple[TierRow, ...]
    """The memories."""
    fifos: tuple[FifoRow, ...] = ()
    """FIFOs of stream graphs that ran as a whole."""
    notes: tuple[str, ...] = ()
    """What the figures rest on."""
    prefill_tokens: int | None = None
    """Tokens of the prompt; absent without one."""
    ttft_s: float | None = None
    """Time to first token: prefill with embedding and LM head."""
    decode_tokens_per_s: float | None = None
    """Tokens of all decode steps over their time."""
    tokens_per_j: float | None = None
    """Tokens of all decode steps over their energy."""
    steps: tuple[StepRow, ...] = ()
    """The decode steps."""

    _source: Source | None = PrivateAttr(default=None)

    def __getstate__(self) -> dict[Any, Any]:
        """What is pickled: the numbers, without the program that a recording is made from."""
        return {**super().__getstate__(), "__pydantic_private__": {"_source": None}}

    def record_with(self, make: Callable[[], Recording]) -> None:
        """Say how the run is recorded; copies of the report know it too."""
        self._source = Source(make)

    @property
    def recording(self) -> Recording | None:
        """What happened when; none for a report that was read from a file."""
        return None if self._source is None else self._source.recording

    @classmethod
    def read(cls, path: str | Path) -> "Report":
        """The report in a JSON file; an error that names the file and the first thing wrong in it."""
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise DfcError(
                f"expected a report, cannot read `{path}`: {error.strerror}"
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise DfcError(
                f"expected a report as `dfc simulate -o` writes it, got `{path}` where {place}: {first['msg']}"
            ) from error

    def to_json(self) -> str:
        """One JSON object; what does not apply to the model is left out."""
        return self.model_dump_json(indent=2, exclude_none=True)

    def save(self, path: str | Path) -> None:
        """Write the report: numbers as `.json`, or everything as a page, `.html`."""
        path = Path(path)
        if path.suffix == ".json":
            path.write_text(self.to_json() + "\n")
        elif path.suffix == ".html":
            from dfc.runtime.report.page import page

            path.write_text(page(self), encoding="utf-8")
        else:
            raise DfcError(
                f"expected a path that ends in .json or .html for a report, got `{path}`"
            )

    def save_trace(self, path: str | Path) -> None:
        """Write the run in Chrome's trace event format, `.json`, which Perfetto opens."""
        from dfc.runtime.report.trace import trace_text

        path = Path(path)
        if path.suffix != ".json":
            raise DfcError(
                f"expected a path that ends in .json for a trace, got `{path}`"
            )
        if self.recording is None:
            raise DfcError(
                "expected the report of a simulation, got one without its events: simulate again"
            )
        path.write_text(trace_text(self.recording))
