"""The rows of a report: kernels, units, memories, decode steps, FIFOs."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """A row of a report; the names are those of its JSON and carry their units."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )


class Traffic(Row):
    """Bytes that a kernel moved out of and into a tier."""

    read_bytes: int
    """Bytes read from the tier, in whole bursts."""
    written_bytes: int
    """Bytes written to the tier, in whole bursts."""


class KernelRow(Row):
    """A kernel, all of its calls together."""

    name: str
    """Its name; kernels of equal layers share one."""
    origin: str
    """The modules and ops of the model that it comes from."""
    unit: str
    """The units that its launches ran on; empty if it only copies."""
    calls: int
    """How often it ran."""
    cycles: int
    """Its part of the critical path; over all kernels they add up to the report's."""
    tiers: Mapping[str, Traffic]
    """Bytes moved, by tier."""
    parts: Mapping[str, int]
    """What its cycles were spent on, as `resource: what`; they add up to `cycles`."""
    stalls: Mapping[str, int]
    """Those of its cycles that its unit did not set, by what it waited for."""
    busy_cycles: Mapping[str, int] = {}
    """How long it took each unit, port and channel, on the critical path or not."""
    operations: int = 0
    """Two per multiply-accumulate, one per elementwise function."""
    energy_j: float = 0.0
    """Energy of its operations and bytes, without static power."""


class UnitRow(Row):
    """A unit, port or channel: how long it was taken, and that as a part of the time."""

    name: str
    """Its name in the target's file; links begin with `port.` or `tier.`."""
    busy_cycles: int
    """Cycles it was taken."""
    utilisation: float
    """Those as a part of all cycles, 0 to 1."""
    peak_operations_per_s: float | None = None
    """The most a unit does, a multiply-accumulate being two; absent where its kind does not say."""
    peak_bytes_per_s: float | None = None
    """The most a port or channel moves."""


class TierRow(Row):
    """A memory: the most that stood in it, what was moved, and the rate it reaches."""

    name: str
    """Its name in the target's file."""
    capacity_bytes: int
    """How many bytes fit."""
    peak_bytes: int
    """The end of the highest buffer, and what the host leaves there."""
    read_bytes: int
    """Bytes read from it."""
    written_bytes: int
    """Bytes written to it."""
    bytes_per_s: float | None = None
    """The rate of all its channels together; absent for a memory without one."""


class StepRow(Row):
    """A decode step."""

    context: int
    """Tokens in the cache before it."""
    cycles: int
    """Its cycles."""
    latency_s: float
    """Its time."""
    energy_j: float
    """Its energy."""
    parts: Mapping[str, int]
    """What its cycles were spent on, as `resource: what`."""


class FifoRow(Row):
    """A FIFO of a stream graph that ran as a whole, over all launches of its kernel."""

    kernel: str
    """The kernel whose graph it is in."""
    name: str
    """Its ends: the node that gives and the node that takes."""
    depth: int | None = None
    """Tokens it holds; absent if it has no limit."""
    peak_occupancy: int
    """The most tokens that stood in it, as the sender counts them."""
    stalls: Mapping[str, int]
    """Cycles by cause: `starved`, those its taker waited for a token, `blocked`, its giver for room."""
