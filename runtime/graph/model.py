"""
What a graph is to the engine: nodes that fire, edges that hold tokens, and how many at which firing.

Nothing here knows the IR. Rates are static per firing (cyclo-static): they depend on the number of
the firing and on nothing else, which is what makes the times of a graph a periodic max-plus system.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from dfc.runtime.errors import DfcError

LATEST = 1 << 61
"""The last cycle that the engine counts to."""


class GraphError(DfcError):
    """A graph cannot be run; the message names the node or the edge."""


@dataclass(frozen=True)
class Rate:
    """Tokens per firing as runs of (firings, tokens each), repeated from the start when they end."""

    runs: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        merged = [
            (sum(n for n, _ in group), tokens)
            for tokens, group in groupby(
                (run for run in self.runs if run[0]), key=lambda run: run[1]
            )
        ]
        if not merged or any(n < 0 or tokens < 0 for n, tokens in merged):
            raise GraphError(
                f"expected runs of firings and tokens of at least 0, got {self.runs}"
            )
        if len(merged) == 1:
            merged = [(1, merged[0][1])]
        object.__setattr__(self, "runs", tuple(merged))

    @classmethod
    def each(cls, tokens: int = 1) -> "Rate":
        """The same number in every firing."""
        return cls(((1, tokens),))

    @classmethod
    def first_of(cls, firings: int) -> "Rate":
        """One token in the first of so many firings: a value held over the others."""
        return cls(((1, 1), (firings - 1, 0)))

    @classmethod
    def last_of(cls, firings: int) -> "Rate":
        """One token in the last of so many firings: what a reduction gives."""
        return cls(((firings - 1, 0), (1, 1)))

    @classmethod
    def phases(cls, tokens: Iterable[int]) -> "Rate":
        """The tokens of each firing of one round."""
        return cls(tuple((len(list(group)), each) for each, group in groupby(tokens)))

    @cached_property
    def round(self) -> int:
        """Firings until the runs start again."""
        return sum(n for n, _ in self.runs)

    @cached_property
    def per_round(self) -> int:
        """Tokens until the runs start again."""
        return sum(n * tokens for n, tokens in self.runs)

    @cached_property
    def most(self) -> int:
        """The most tokens of one firing."""
        return max(tokens for _, tokens in self.runs)

    def total(self, firings: int) -> int:
        """Tokens of the first so many firings."""
        rounds, rest = divmod(firings, self.round)
        count = rounds * self.per_round
        for n, tokens in self.runs:
            count += min(n, rest) * tokens
            rest -= min(n, rest)
        return count


@dataclass(frozen=True)
class Node:
    """
    A node that fires so many times.

    A token given at cycle t is visible at t + max(latency, 1); two firings are at least
    `interval` cycles apart.
    """

    name: str
    firings: int
    latency: int = 1
    interval: int = 1

    @property
    def delay(self) -> int:
        """Cycles from a firing until its tokens are visible."""
        return max(self.latency, 1)


@dataclass(frozen=True)
class Edge:
    """
    A FIFO from a node to a node, with the rates at both ends.

    `depth` is in tokens, None has room for all; `initial` tokens are visible at cycle 0, and as
    many stay inside at the end. `token_bytes` is what one token takes of a memory.
    """

    name: str
    source: str
    target: str
    produce: Rate
    consume: Rate
    depth: int | None = 2
    initial: int = 0
    token_bytes: int = 0


@dataclass(frozen=True)
class Graph:
    """Nodes and edges, each with a name of its own."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def place(self) -> dict[str, int]:
        """The place of each node by its name."""
        return {node.name: place for place, node in enumerate(self.nodes)}

    @cached_property
    def firings(self) -> int:
        """Firings of all nodes together."""
        return sum(node.firings for node in self.nodes)

    def node(self, name: str) -> Node:
        """The node of this name."""
        return self.nodes[self.place[name]]

    def tokens(self, edge: Edge) -> int:
        """Tokens that an edge carries in all, without the initial ones."""
        return edge.produce.total(self.node(edge.source).firings)

    def trimmed(self) -> "Graph":
        """The graph with no FIFO deeper than all its tokens need: it runs the same, in less memory."""
        edges = tuple(
            edge
            if edge.depth is None
            else replace(edge, depth=min(edge.depth, self._room(edge)))
            for edge in self.edges
        )
        return replace(self, edges=edges)

    def _room(self, edge: Edge) -> int:
        """The depth with which an edge has room for all its tokens."""
        return max(1, edge.initial + self.tokens(edge))

    def balanced(self) -> None:
        """Check names, depths, times and that every edge carries as many tokens as its target takes."""
        expect_names("node", [node.name for node in self.nodes])
        expect_names("edge", [edge.name for edge in self.edges])
        for node in self.nodes:
            expect_node(node)
        expect_countable(self.nodes)
        for edge in self.edges:
            self._expect_edge(edge)

    def _expect_edge(self, edge: Edge) -> None:
        for end in (edge.source, edge.target):
            if end not in self.place:
                raise GraphError(
                    f"expected a node of the graph at the end of `{edge.name}`, got `{end}`"
                )
        if edge.initial < 0:
            raise GraphError(
                f"expected initial tokens of at least 0 in `{edge.name}`, got {edge.initial}"
            )
        least = max(1, edge.initial)
        if edge.depth is not None and edge.depth < least:
            raise GraphError(
                f"expected a depth of at least {least} for `{edge.name}`, got {edge.depth}"
            )
        given = self.tokens(edge)
        taken = edge.consume.total(self.node(edge.target).firings)
        if given != taken:
            raise GraphError(
                f"expected `{edge.target}` to take the {given} tokens that `{edge.source}`"
                f" gives to `{edge.name}`, got {taken}"
            )


def expect_names(kind: str, names: Sequence[str]) -> None:
    """Check that no name stands twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise GraphError(f"expected one {kind} of each name, got two `{name}`")
        seen.add(name)


def expect_node(node: Node) -> None:
    """Check that a node fires, and in times that can be."""
    for what, value, least in (
        ("firings", node.firings, 1),
        ("a latency", node.latency, 0),
        ("an interval", node.interval, 1),
    ):
        if value < least:
            raise GraphError(
                f"expected {what} of at least {least} for `{node.name}`, got {value}"
            )


def expect_countable(nodes: Sequence[Node]) -> None:
    """Check that even with one firing after the other no cycle is too late to be counted."""
    spent = {node.name: node.firings * max(node.interval, node.delay) for node in nodes}
    latest = sum(spent.values())
    if latest > LATEST:
        slowest = max(spent, key=lambda name: spent[name])
        raise GraphError(
            f"expected firings of at most {LATEST} cycles one after the other,"
            f" got {latest}, most of them of `{slowest}`"
        )
