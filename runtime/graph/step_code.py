"""Code for a step of a schedule: its firings in turn, repeated, with the times in registers."""

from collections.abc import Iterator, Mapping, Sequence

from dfc.runtime.graph.edge_code import EdgeCode, QueueCode, RingCode
from dfc.runtime.graph.layout import BLOCKED, STARVED, Layout
from dfc.runtime.graph.steps import Action, Step
from dfc.runtime.graph.text import Text, Value

SHORT = 4
"""The deepest FIFO whose slots are registers."""


def queues(layout: Layout, step: Step) -> dict[int, int]:
    """The edges whose slots can be registers in a step, with the tokens they hold before it."""
    moves: dict[int, list[int]] = {}
    for action in step.actions:
        for edge, tokens in action.takes:
            moves.setdefault(edge, []).append(-tokens)
        for edge, tokens in action.gives:
            moves.setdefault(edge, []).append(tokens)
    return {
        edge: step.held[edge]
        for edge, moved in moves.items()
        if sorted(moved) == [-1, 1]
        and 0 < (layout.graph.edges[edge].depth or 0) <= SHORT
    }


class NodeCode:
    """
    A node in the code of a step: the cycle of its last firing.

    With statistics also a sum for each edge it waits for: of the cycle that the firing would have
    had without the edges after it. What an edge delays is what it adds to that of the one before.
    """

    def __init__(self, text: Text, layout: Layout, action: Action, sums: int) -> None:
        self.text, self.action = text, action
        self.interval = layout.graph.nodes[action.node].interval
        self.before = self.cycle = text.load(action.node)
        self.sums = [text.constant(0)] * sums

    def resume(self, values: list[Value]) -> None:
        """Begin a round with this."""
        self.cycle, *self.sums = values

    def carried(self) -> list[Value]:
        """What a round ends with."""
        return [self.cycle, *self.sums]

    def fire(self, limits: Sequence[Value]) -> Value:
        """The first cycle that the interval and these allow."""
        text = self.text
        cycle = text.sum(self.cycle, self.interval)
        for at, limit in enumerate(limits):
            cycle = text.binary("maxsi", cycle, limit)
            if self.sums:
                self.sums[at] = text.sum(self.sums[at], cycle)
        self.cycle = cycle
        return cycle

    def stalls(self, rounds: Value) -> Iterator[Value]:
        """The cycles that each edge delayed the firings of all rounds."""
        text = self.text
        spent = text.less(self.cycle, self.before)
        own = text.binary("muli", rounds, self.interval)
        ready = text.sum(text.less(self.sums[-1], spent), own)
        for each in self.sums:
            yield text.less(each, ready)
            ready = each


class StepCode:
    """The function that repeats actions; `held` are the tokens of the edges whose slots are registers."""

    def __init__(
        self,
        layout: Layout,
        actions: Sequence[Action],
        held: Mapping[int, int],
        statistics: bool,
    ) -> None:
        self.layout, self.actions, self.statistics = layout, actions, statistics
        self.text = Text()
        self.edges: dict[int, EdgeCode] = {}
        for at in dict.fromkeys(e for a in actions for e, _ in (*a.takes, *a.gives)):
            self.edges[at] = (
                QueueCode(self.text, layout, at, statistics, held[at])
                if at in held
                else RingCode(self.text, layout, at, statistics)
            )
        self.nodes = [
            NodeCode(self.text, layout, a, len(self.waits(a)) if statistics else 0)
            for a in actions
        ]

    def function(self) -> str:
        """The text of the function `@NAME`: a pointer to the state, and the number of rounds."""
        text, rounds = self.text, "%rounds"
        for edge in self.edges.values():
            edge.enter()
        self.resume(text.repeat(rounds, self.carried(), self.round))
        for node in self.nodes:
            text.store(node.cycle, node.action.node)
            if node.sums:
                self.add_stalls(node, rounds)
        for edge in self.edges.values():
            edge.leave(rounds)
        return text.function(rounds)

    def carried(self) -> list[Value]:
        """What goes from round to round."""
        parts = (*self.nodes, *self.edges.values())
        return [value for part in parts for value in part.carried()]

    def resume(self, values: list[Value]) -> None:
        """Begin a round, or what is after the last one, with this."""
        rest = iter(values)
        for part in (*self.nodes, *self.edges.values()):
            part.resume([next(rest) for _ in part.carried()])

    def round(self, values: list[Value]) -> list[Value]:
        """Every action once."""
        self.resume(values)
        for node in self.nodes:
            self.fire(node)
        return self.carried()

    def fire(self, node: NodeCode) -> None:
        """One firing."""
        takes, gives = node.action.takes, node.action.gives
        limits = [self.edges[edge].visible(tokens) for edge, tokens in takes]
        rooms = (self.edges[edge].room(tokens) for edge, tokens in gives)
        limits += [room for room in rooms if room is not None]
        cycle = node.fire(limits)
        for edge, tokens in takes:
            self.edges[edge].take(tokens, self.text.sum(cycle, 1))
        for edge, tokens in gives:
            code = self.edges[edge]
            code.give(tokens, self.text.sum(cycle, code.delay))

    def waits(self, action: Action) -> list[tuple[int, int]]:
        """The edges that a firing waits for, with the words that count it: inputs, then outputs."""
        given = [edge for edge, _ in action.gives if self.edges[edge].bounded]
        taken = [edge for edge, _ in action.takes]
        return [*((e, STARVED) for e in taken), *((e, BLOCKED) for e in given)]

    def add_stalls(self, node: NodeCode, rounds: Value) -> None:
        """Add what each edge delayed the node to what it did before."""
        waits = zip(self.waits(node.action), node.stalls(rounds), strict=True)
        for (edge, word), cycles in waits:
            code = self.edges[edge]
            code.store(self.text.sum(code.load(word), cycles), word)
