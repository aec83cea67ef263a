"""What a run of a graph gives: cycles, and where they went."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class NodeRun:
    """
    One node of a run.

    `utilisation` is the share of the cycles that its intervals fill. `stalls` are the cycles by
    which each edge delayed its firings, by the edge's name: a firing's delay is charged to its
    inputs first, then to its outputs, in the graph's order, each for what it adds.
    """

    name: str
    firings: int
    first_cycle: int
    last_cycle: int
    utilisation: float
    stalls: Mapping[str, int]


@dataclass(frozen=True)
class EdgeRun:
    """
    One edge of a run.

    `peak_occupancy` counts as the sender sees it: a token counts from the cycle that gives it
    until the cycle after the one that takes it. `starved_cycles` are those the target waited
    for a token, `blocked_cycles` those the source waited for room.
    """

    name: str
    depth: int | None
    peak_occupancy: int
    tokens: int
    starved_cycles: int
    blocked_cycles: int


@dataclass(frozen=True)
class Period:
    """What repeats in the steady state."""

    cycles: int
    firings: int


@dataclass(frozen=True)
class Run:
    """
    A run from cycle 0 to the last firing.

    `cycles` is the cycle of the last firing plus 1; `skipped_firings` of the `firings` were added
    in closed form, `period` at a time. Without statistics there are no edges and no stalls.
    """

    cycles: int
    firings: int
    nodes: tuple[NodeRun, ...]
    edges: tuple[EdgeRun, ...]
    skipped_firings: int = 0
    period: Period | None = None
