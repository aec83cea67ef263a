"""The rows of a report: kernels, units, memories, decode steps, FIFOs."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict


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
    what it waited for. `busy_cycles` is how long its launches and copies took each unit, port and
    channel, on the critical path or not. `operations` counts two per multiply-accumulate and one
    per elementwise function.
    `energy_j` is that of its operations and bytes, without static power.
    """

    name: str
    origin: str
    unit: str
    calls: int
    cycles: int
    tiers: Mapping[str, Traffic]
    parts: Mapping[str, int]
    stalls: Mapping[str, int]
    busy_cycles: Mapping[str, int] = {}
    operations: int = 0
    energy_j: float = 0.0


class UnitRow(Row):
    """
    A unit, port or channel: how long it was taken, and that as a part of the time.

    What it could do at most is in operations per second for a unit, in bytes per second for a
    port or channel; left out where the machine's description does not say.
    """

    name: str
    busy_cycles: int
    utilisation: float
    peak_operations_per_s: float | None = None
    peak_bytes_per_s: float | None = None


class TierRow(Row):
    """A memory: the most that stood in it, what was moved, and the rate it reaches where it has one."""

    name: str
    capacity_bytes: int
    peak_bytes: int
    read_bytes: int
    written_bytes: int
    bytes_per_s: float | None = None


class StepRow(Row):
    """A decode step: the tokens in the cache before it, its time and energy, and what the time went to."""

    context: int
    cycles: int
    latency_s: float
    energy_j: float
    parts: Mapping[str, int]


class FifoRow(Row):
    """
    A FIFO of a stream graph that ran as a whole, over all launches of its kernel.

    `depth` and `peak_occupancy` are in tokens, the latter as the sender counts them. `stalls` are
    cycles by cause: `starved`, those its taker waited for a token, `blocked`, its giver for room.
    """

    kernel: str
    name: str
    depth: int | None
    peak_occupancy: int
    stalls: Mapping[str, int]
