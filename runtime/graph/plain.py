"""A graph run firing by firing, in any order that lets each firing follow what it waits for."""

from dfc.runtime.graph.deadlock import DeadlockError, Wait, circle
from dfc.runtime.graph.model import Edge, Graph, Node, Rate
from dfc.runtime.graph.result import EdgeRun, NodeRun, Run


def per_firing(rate: Rate) -> list[int]:
    """The tokens of each firing of one round."""
    return [tokens for n, tokens in rate.runs for _ in range(n)]


class Fifo:
    """The cycles at which an edge's tokens are given and taken, and what waited for them."""

    def __init__(self, edge: Edge, source: Node) -> None:
        self.edge = edge
        self.delay = source.delay
        self.gives, self.takes = per_firing(edge.produce), per_firing(edge.consume)
        self.given = [-self.delay] * edge.initial
        self.taken: list[int] = []
        self.starved = self.blocked = 0

    def empty(self, firing: int) -> bool:
        """Whether the target's firing misses a token."""
        takes = self.takes[firing % len(self.takes)]
        return len(self.taken) + takes > len(self.given)

    def full(self, firing: int) -> bool:
        """Whether the source's firing misses room."""
        gives, depth = self.gives[firing % len(self.gives)], self.edge.depth
        held = len(self.given) - len(self.taken)
        return gives > 0 and depth is not None and held + gives > depth

    def visible(self, firing: int) -> int:
        """The first cycle at which the target's firing finds its tokens."""
        takes = self.takes[firing % len(self.takes)]
        last = len(self.taken) + takes - 1
        return self.given[last] + self.delay if takes else 0

    def free(self, firing: int) -> int:
        """The first cycle at which the source's firing finds room."""
        gives, depth = self.gives[firing % len(self.gives)], self.edge.depth
        last = len(self.given) + gives - 1
        if not gives or depth is None or last < depth:
            return 0
        return self.taken[last - depth] + 1

    def give(self, firing: int, cycle: int) -> None:
        """The tokens of the source's firing."""
        self.given += [cycle] * self.gives[firing % len(self.gives)]

    def take(self, firing: int, cycle: int) -> None:
        """The tokens of the target's firing."""
        self.taken += [cycle] * self.takes[firing % len(self.takes)]

    def result(self) -> EdgeRun:
        """What the edge's cycles say."""
        peak, first = self.edge.initial, 0
        for token, cycle in enumerate(self.given):
            while first < len(self.taken) and self.taken[first] < cycle:
                first += 1
            peak = max(peak, token + 1 - first)
        tokens = len(self.given) - self.edge.initial
        return EdgeRun(
            self.edge.name, self.edge.depth, peak, tokens, self.starved, self.blocked
        )


class PlainRun:
    """One run of a graph; its memory grows with the number of firings."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.fifos = [Fifo(edge, graph.node(edge.source)) for edge in graph.edges]
        self.cycles: dict[str, list[int]] = {node.name: [] for node in graph.nodes}
        self.stalls: dict[str, dict[str, int]] = {n: {} for n in self.cycles}
        self.inputs = {
            n: [f for f in self.fifos if f.edge.target == n] for n in self.cycles
        }
        self.outputs = {
            n: [f for f in self.fifos if f.edge.source == n] for n in self.cycles
        }

    def run(self, statistics: bool) -> Run:
        """Fire until nothing can."""
        while self.sweep():
            pass
        for node in self.graph.nodes:
            if len(self.cycles[node.name]) < node.firings:
                raise DeadlockError(circle(node.name, self.wait))
        cycles = 1 + max((done[-1] for done in self.cycles.values()), default=-1)
        return Run(
            cycles,
            self.graph.firings,
            tuple(self.node_run(node, cycles, statistics) for node in self.graph.nodes),
            tuple(f.result() for f in self.fifos) if statistics else (),
        )

    def sweep(self) -> bool:
        """Fire each node as often as it can; whether any did."""
        moved = False
        for node in self.graph.nodes:
            done = self.cycles[node.name]
            while len(done) < node.firings and self.wait(node.name) is None:
                self.fire(node, len(done))
                moved = True
        return moved

    def wait(self, name: str) -> Wait | None:
        """What a node's next firing waits for, whatever the cycle."""
        firing = len(self.cycles[name])
        for fifo in self.inputs[name]:
            if fifo.empty(firing):
                edge = fifo.edge
                return Wait(name, "token", edge.name, edge.source, edge.depth)
        for fifo in self.outputs[name]:
            if fifo.full(firing):
                edge = fifo.edge
                return Wait(name, "room", edge.name, edge.target, edge.depth)
        return None

    def fire(self, node: Node, firing: int) -> None:
        """One firing, at the first cycle that its interval, its inputs and its outputs allow."""
        done, stalls = self.cycles[node.name], self.stalls[node.name]
        cycle = done[-1] + node.interval if done else 0
        for fifo in self.inputs[node.name]:
            late = max(0, fifo.visible(firing) - cycle)
            fifo.starved += late
            stalls[fifo.edge.name] = stalls.get(fifo.edge.name, 0) + late
            cycle += late
        for fifo in self.outputs[node.name]:
            late = max(0, fifo.free(firing) - cycle)
            fifo.blocked += late
            stalls[fifo.edge.name] = stalls.get(fifo.edge.name, 0) + late
            cycle += late
        for fifo in self.inputs[node.name]:
            fifo.take(firing, cycle)
        for fifo in self.outputs[node.name]:
            fifo.give(firing, cycle)
        done.append(cycle)

    def node_run(self, node: Node, cycles: int, statistics: bool) -> NodeRun:
        """What the node's cycles say."""
        done = self.cycles[node.name]
        busy = min(1.0, node.firings * node.interval / cycles)
        stalls = self.stalls[node.name] if statistics else {}
        return NodeRun(node.name, node.firings, done[0], done[-1], busy, stalls)
