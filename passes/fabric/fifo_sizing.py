"""
The smallest FIFO depths with which a graph takes no longer than with unbounded FIFOs.

A deeper FIFO never makes a graph slower, so that "takes no longer" is monotone in each depth. Depths
begin as what unbounded FIFOs hold at most, which changes no firing. Then each is lowered as far as it
goes, most bytes first, by bisection; what the others held in each run is cut, which again changes
none. A depth that could not be lowered beside larger others cannot be lowered beside the smaller
ones it ends with, so that at the end no single FIFO can be shallower.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dfc.runtime.graph import DeadlockError, Edge, Graph, Run, simulate

Depths = Mapping[str, int]
"""The depth of each FIFO, by the edge's name."""
MUCH = 65_536
"""Tokens in a FIFO beyond which its depth is not tried at once."""


@dataclass(frozen=True)
class Reason:
    """Why a FIFO has its depth: what one token less would cost, in cycles; `None` for a deadlock."""

    edge: Edge
    depth: int
    loss: int | None

    @property
    def text(self) -> str:
        """The reason as one sentence."""
        if self.loss is None:
            return f"a depth of {self.depth - 1} deadlocks"
        cycles = "cycle" if self.loss == 1 else "cycles"
        return f"a depth of {self.depth - 1} takes {self.loss} {cycles} more"


@dataclass(frozen=True)
class Sizing:
    """The depths found, the cycles they keep per graph, and why each is not `least`."""

    depths: Depths
    cycles: tuple[int, ...]
    reasons: tuple[Reason, ...]


def with_depths(graph: Graph, depths: Mapping[str, int | None]) -> Graph:
    """The graph with other FIFOs."""
    edges = tuple(replace(edge, depth=depths[edge.name]) for edge in graph.edges)
    return replace(graph, edges=edges)


class Sizer:
    """
    Sizes the FIFOs of a graph for each of its `variants`.

    Variants have the same edges, and other rates where rows are cut short: what an index operand
    can do. Every FIFO has `least` tokens or more, and its initial tokens at least. Depths begin as
    what unbounded FIFOs hold where that is `much` or less.
    """

    def __init__(self, variants: Sequence[Graph], least: int, much: int = MUCH) -> None:
        self.variants, self.much = variants, much
        self.edges = {edge.name: edge for edge in variants[0].edges}
        self.least = {n: max(least, e.initial) for n, e in self.edges.items()}
        self._runs: dict[tuple[int, tuple[int | None, ...]], Run | DeadlockError] = {}
        self.free = [self._unbounded(variant) for variant in range(len(variants))]
        self.cycles = tuple(run.cycles for run in self.free)

    def run(self) -> Sizing:
        """The depths."""
        depths = self._enough()
        order = sorted(
            self.edges, key=lambda name: -depths[name] * self.edges[name].token_bytes
        )
        for name in order:
            depths = self._lower(name, depths)
        reasons = tuple(
            Reason(edge, depths[name], self._loss(name, depths))
            for name, edge in self.edges.items()
            if depths[name] > self.least[name]
        )
        return Sizing(depths, self.cycles, reasons)

    def _unbounded(self, variant: int) -> Run:
        """
        The run of a variant with unbounded FIFOs; an error where not even these are enough.

        FIFOs in which room is never waited for are as good as unbounded, so only the others are made so.
        """
        depths: dict[str, int | None] = dict(self.least)
        while True:
            found = self._attempt(variant, depths)
            full = {name for name in full_fifos(found) if depths[name] is not None}
            if not full and isinstance(found, Run):
                return found
            if not full and isinstance(found, DeadlockError):
                raise found
            depths |= dict.fromkeys(full)

    def _enough(self) -> dict[str, int]:
        """
        Depths that are large enough: what the FIFOs hold when they are unbounded.

        Where that is very much, because a node runs far ahead of a slower one, depths are raised
        instead where room is waited for, until the graph takes no longer.
        """
        most = self._peaks(self.free)
        depths = most if max(most.values(), default=0) <= self.much else self.least
        while (held := self._held(depths)) is None:
            full = {n for run in self._attempts(depths) for n in full_fifos(run)}
            more = {name: min(2 * depths[name], most[name]) for name in full}
            depths = {**depths, **more}
        return held

    def _peaks(self, runs: Sequence[Run]) -> dict[str, int]:
        """The most that each FIFO held in any of these runs, and its least depth at least."""
        held = dict(self.least)
        for edge in (edge for run in runs for edge in run.edges):
            held[edge.name] = max(held[edge.name], edge.peak_occupancy)
        return held

    def _attempt(
        self, variant: int, depths: Mapping[str, int | None]
    ) -> Run | DeadlockError:
        """The run of a variant with these depths, or why there is none; each is made once."""
        key = variant, tuple(depths[name] for name in self.edges)
        if key not in self._runs:
            self._runs[key] = attempt(self.variants[variant], depths)
        return self._runs[key]

    def _attempts(self, depths: Depths) -> list[Run | DeadlockError]:
        """The run of each variant with these depths, or why there is none."""
        return [self._attempt(at, depths) for at in range(len(self.variants))]

    def _held(self, depths: Depths) -> dict[str, int] | None:
        """What each FIFO held at most where every variant takes no longer, `None` where one does."""
        runs: list[Run] = []
        for found, cycles in zip(self._attempts(depths), self.cycles, strict=True):
            if not isinstance(found, Run) or found.cycles > cycles:
                return None
            runs.append(found)
        return self._peaks(runs)

    def _lower(self, name: str, depths: dict[str, int]) -> dict[str, int]:
        """The smallest depth of one FIFO beside the others, and what the others hold then."""
        keeps, shallow = depths, self.least[name] - 1
        depth = depths[name] - 1
        while keeps[name] - shallow > 1:
            found = self._held(keeps | {name: depth})
            if found is None:
                shallow = depth
            else:
                keeps = found
            depth = (keeps[name] + shallow) // 2
        return keeps

    def _loss(self, name: str, depths: Depths) -> int | None:
        """What one token less in this FIFO costs, in the variant that loses most."""
        losses: list[int] = []
        found = self._attempts({**depths, name: depths[name] - 1})
        for run, cycles in zip(found, self.cycles, strict=True):
            if not isinstance(run, Run):
                return None
            losses.append(run.cycles - cycles)
        return max(losses)


def full_fifos(found: Run | DeadlockError) -> set[str]:
    """The FIFOs in which a run waited for room, or in which a circle waits for it."""
    if isinstance(found, Run):
        return {edge.name for edge in found.edges if edge.blocked_cycles}
    return {wait.edge for wait in found.cycle if wait.what == "room"}


def attempt(graph: Graph, depths: Mapping[str, int | None]) -> Run | DeadlockError:
    """The run with these depths, or why there is none."""
    try:
        return simulate(with_depths(graph, depths))
    except DeadlockError as error:
        return error
