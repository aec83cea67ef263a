"""What happened when: what each resource did, what stood in each memory, and which kernel fed which."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Span:
    """
    What one resource did for a kernel from `start` to `end`, in ticks.

    It is one op (`ops` is 1), or several that are not told apart: then it was taken for `busy`
    ticks in between. At `done` the last of their events had happened. `read` and `written` are
    bytes by tier; an op that holds several resources has a span on each, its bytes and `energy_pj` on one.
    `waits_for` are the spans, by place, of the copies whose events it waited for.
    """

    resource: str
    kernel: str
    name: str
    start: int
    end: int
    done: int
    busy: int
    ops: int = 1
    read: Mapping[str, int] = field(default_factory=dict[str, int])
    written: Mapping[str, int] = field(default_factory=dict[str, int])
    energy_pj: float = 0.0
    waits_for: tuple[int, ...] = ()


@dataclass(frozen=True)
class CallSpan:
    """One call of an entry function; `recorded` if its kernels are told apart."""

    name: str
    start: int
    end: int
    recorded: bool


@dataclass(frozen=True)
class Flow:
    """Bytes of buffers that a kernel writes and another one reads, all their calls together."""

    source: str
    target: str
    size: int


@dataclass(frozen=True)
class Recording:
    """
    The spans of a run in the order of their issue, and what stood in each tier over time.

    Where `recorded` calls repeat (equal layers, rounds of a loop), the first are op by op and the
    others one span per kernel and resource, so that it stays small; a resource's busy ticks and
    the bytes add up to the report's all the same. `occupancy` holds (tick, bytes from there on);
    during a call that is not recorded, every buffer of the recorded ones counts. `power` holds
    (tick, watts from there on), means over short stretches: over the time they come to the energy.
    """

    ticks_per_second: float
    cycles: int
    calls: tuple[CallSpan, ...]
    spans: tuple[Span, ...]
    occupancy: Mapping[str, tuple[tuple[int, int], ...]]
    power: tuple[tuple[int, float], ...]
    flows: tuple[Flow, ...]
