"""What a run of a graph gives: cycles, and where they went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

from dfc.runtime.graph.layout import BLOCKED, PEAK, STARVED
from dfc.runtime.graph.model import Edge, Graph, Node


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


@dataclass(frozen=True)
class Finished:
    """The end of a run: the cycles of the first and last firings by node, and the words of the edges."""

    first: Sequence[int]
    last: Sequence[int]
    edges: Sequence[Sequence[int]]
    skipped: int = 0
    period: Period | None = None

    def run(self, graph: Graph, statistics: bool) -> Run:
        """The result, by the names of the graph."""
        cycles = 1 + max(self.last, default=-1)
        edges = tuple(map(edge_run, repeat(graph), graph.edges, self.edges))
        stalls: dict[str, dict[str, int]] = {node.name: {} for node in graph.nodes}
        for edge, each in zip(graph.edges, edges, strict=True):
            stalls[edge.target][edge.name] = each.starved_cycles
            of_source = stalls[edge.source]
            of_source[edge.name] = of_source.get(edge.name, 0) + each.blocked_cycles
        nodes = tuple(
            NodeRun(
                node.name,
                node.firings,
                first,
                last,
                busy(node, last, cycles) / cycles,
                stalls[node.name] if statistics else {},
            )
            for node, first, last in zip(
                graph.nodes, self.first, self.last, strict=True
            )
        )
        return Run(
            cycles,
            graph.firings,
            nodes,
            edges if statistics else (),
            self.skipped,
            self.period,
        )


def busy(node: Node, last: int, cycles: int) -> int:
    """Cycles that a node's intervals fill; that of its last firing may go beyond the end."""
    return (node.firings - 1) * node.interval + min(node.interval, cycles - last)


def edge_run(graph: Graph, edge: Edge, words: Sequence[int]) -> EdgeRun:
    """An edge from its words in the state."""
    return EdgeRun(
        edge.name,
        edge.depth,
        words[PEAK],
        graph.tokens(edge),
        words[STARVED],
        words[BLOCKED],
    )
