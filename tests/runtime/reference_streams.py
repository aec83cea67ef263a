"""The firing rule as it is written, cycle by cycle and node by node: slow, and obviously right."""

from collections import deque
from dataclasses import dataclass, field

from dfc.runtime.graph import Edge, Graph, Node


def tokens_at(runs: tuple[tuple[int, int], ...], firing: int) -> int:
    """Tokens of one firing of a rate."""
    firing %= sum(n for n, _ in runs)
    for n, tokens in runs:
        if firing < n:
            return tokens
        firing -= n
    raise AssertionError


@dataclass
class Channel:
    """A FIFO: when each of its tokens becomes visible, and until when taken ones still hold their slot."""

    edge: Edge
    visible: deque[int]
    leaving: list[int] = field(default_factory=list)
    peak: int = 0

    def occupied(self, cycle: int) -> int:
        """Slots that the sender sees as taken."""
        self.leaving = [free for free in self.leaving if cycle < free]
        return len(self.visible) + len(self.leaving)


@dataclass
class Result:
    """What the engine must find too."""

    cycles: int
    first: dict[str, int]
    last: dict[str, int]
    peaks: dict[str, int]
    starved: dict[str, int]
    blocked: dict[str, int]


class Deadlock(Exception):
    """Nothing moves any more."""


class Reference:
    """One run of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.fired = {node.name: 0 for node in graph.nodes}
        self.first: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.channels = [Channel(e, deque([0] * e.initial)) for e in graph.edges]
        self.starved = {edge.name: 0 for edge in graph.edges}
        self.blocked = {edge.name: 0 for edge in graph.edges}

    def run(self) -> Result:
        """Cycle after cycle until all firings are done."""
        for channel in self.channels:
            channel.peak = channel.edge.initial
        cycle, quiet = 0, 0
        longest = max(n.latency + n.interval for n in self.graph.nodes) + 2
        while any(self.fired[n.name] < n.firings for n in self.graph.nodes):
            moved = self.cycle(cycle)
            quiet = 0 if moved else quiet + 1
            if quiet > longest:
                raise Deadlock
            cycle += 1
        peaks = {c.edge.name: c.peak for c in self.channels}
        cycles = 1 + max(self.last.values())
        return Result(cycles, self.first, self.last, peaks, self.starved, self.blocked)

    def cycle(self, cycle: int) -> bool:
        """Decide for all nodes on the state at the beginning of the cycle, then fire those that may."""
        firing = [node for node in self.graph.nodes if self.may_fire(node, cycle)]
        for node in firing:
            self.take(node, cycle)
        for node in firing:
            self.give(node, cycle)
            self.first.setdefault(node.name, cycle)
            self.last[node.name] = cycle
            self.fired[node.name] += 1
        return bool(firing)

    def may_fire(self, node: Node, cycle: int) -> bool:
        """The three conditions; a cycle that a node lost is charged to the first edge at fault."""
        number = self.fired[node.name]
        if number == node.firings:
            return False
        if number and cycle < self.last[node.name] + node.interval:
            return False
        for channel in self.channels:
            edge = channel.edge
            if edge.target == node.name:
                wanted = tokens_at(edge.consume.runs, number)
                if sum(v <= cycle for v in channel.visible) < wanted:
                    self.starved[edge.name] += 1
                    return False
        for channel in self.channels:
            edge = channel.edge
            if edge.source == node.name:
                given = tokens_at(edge.produce.runs, number)
                room = (
                    edge.depth is None or channel.occupied(cycle) + given <= edge.depth
                )
                if given and not room:
                    self.blocked[edge.name] += 1
                    return False
        return True

    def take(self, node: Node, cycle: int) -> None:
        """Dequeue the inputs."""
        for channel in self.channels:
            if channel.edge.target == node.name:
                for _ in range(
                    tokens_at(channel.edge.consume.runs, self.fired[node.name])
                ):
                    channel.visible.popleft()
                    channel.leaving.append(cycle + 1)

    def give(self, node: Node, cycle: int) -> None:
        """Enqueue the outputs."""
        for channel in self.channels:
            if channel.edge.source == node.name:
                given = tokens_at(channel.edge.produce.runs, self.fired[node.name])
                channel.visible.extend([cycle + max(node.latency, 1)] * given)
                if given:
                    channel.peak = max(channel.peak, channel.occupied(cycle))
