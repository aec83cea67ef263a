"""
An order in which all firings of a graph can happen, found without times.

Nothing that fires early can keep another node from firing (the graph is a Kahn network with
bounded edges), so any order that goes on as long as it can reaches the same end, and an order
that stops early is a deadlock. The order is written as steps, in each of which some nodes fire
once, the consumers first; a step is repeated as long as it stays the same, and steps come in
loops where the state comes back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from dfc.runtime.graph.deadlock import DeadlockError, Wait, circle
from dfc.runtime.graph.model import Graph, Rate
from dfc.runtime.graph.steps import Action, Loop, Moves, Schedule, Step, repeated

ALWAYS = 1 << 62
"""Firings for which a constant rate stays the same."""


KEPT = 4
"""Schedules kept for the next run of the same graph."""


class Cursor:
    """
    Where a rate stands: its run, and how many firings of the run are left.

    One that does not repeat before its node's last firing is `once`: it never comes back to where
    it stood, only to other places in the same run.
    """

    __slots__ = ("at", "left", "once", "runs", "tokens")

    def __init__(self, rate: Rate, firings: int) -> None:
        self.runs = rate.runs
        self.once = 1 < len(rate.runs) and rate.round >= firings
        self.start(0)

    @property
    def fresh(self) -> bool:
        """Whether a rate of several runs stands at the beginning of the first."""
        return self.at == 0 and self.left == self.runs[0][0]

    def start(self, at: int) -> None:
        """Stand at the beginning of a run."""
        self.at = at
        n, self.tokens = self.runs[at]
        self.left = ALWAYS if len(self.runs) == 1 else n

    def advance(self, firings: int) -> bool:
        """Go on within the run; whether it ended."""
        if self.left == ALWAYS:
            return False
        self.left -= firings
        if self.left:
            return False
        self.start((self.at + 1) % len(self.runs))
        return True


@dataclass(frozen=True)
class Mark:
    """A place in the schedule: how many items stand before it, and the firings left at it."""

    items: int
    left: tuple[int, ...]


Marks = dict[tuple[int, ...], Mark]
Ports = list[tuple[int, Cursor]]
Slack = tuple[int, int, int]
"""An edge, what is there beyond what an end needs, and whether more tokens (1) or fewer (-1) add to it."""


class Scheduler:
    """One search for a schedule; `held` are the tokens of each edge, `left` the firings of each node."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.left = [node.firings for node in graph.nodes]
        self.held = [edge.initial for edge in graph.edges]
        self.rooms = [
            edge.initial + edge.produce.most + edge.consume.most
            if edge.depth is None
            else edge.depth
            for edge in graph.edges
        ]
        self.takes: list[Ports] = [[] for _ in self.left]
        self.gives: list[Ports] = [[] for _ in self.left]
        for at, edge in enumerate(graph.edges):
            for ports, end, rate in (
                (self.takes, edge.target, edge.consume),
                (self.gives, edge.source, edge.produce),
            ):
                cursor = Cursor(rate, graph.node(end).firings)
                ports[graph.place[end]].append((at, cursor))
        self.cursors = [
            [cursor for _, cursor in (*takes, *gives)]
            for takes, gives in zip(self.takes, self.gives, strict=True)
        ]
        every = [cursor for cursors in self.cursors for cursor in cursors]
        self.anchor = max(
            every, key=lambda each: (not each.once, len(each.runs)), default=None
        )
        self.order = consumers_first(graph)
        self.items: list[Step | Loop] = []
        self.known: dict[tuple[int, Moves, Moves], Action] = {}
        self.near: Marks = {}
        self.far: Marks = {}

    def run(self) -> Schedule:
        """Steps until every node has fired to its end; `DeadlockError` if none can before."""
        while any(self.left):
            if self.anchor is not None and self.anchor.fresh:
                place = (*self.held, *self.positions())
                if self.remember(self.far, place, in_runs=False):
                    self.near.clear()
            ended = self.remember(self.near, tuple(self.held), in_runs=True)
            if ended or (any(self.left) and self.step()):
                self.near.clear()
        return Schedule(tuple(self.items), tuple(self.rooms))

    def positions(self) -> Iterator[int]:
        """Where every rate stands; one that does not repeat anywhere in its run."""
        for cursors in self.cursors:
            for cursor in cursors:
                yield cursor.at
                yield 0 if cursor.once else cursor.left

    def remember(self, marks: Marks, state: tuple[int, ...], in_runs: bool) -> bool:
        """
        Repeat what was done since the state was the same, as often as firings are left for it.

        With `in_runs` that is while every rate stays in its run, as it did since; else rates
        stand where they stood, but for those that do not repeat, which stay in their runs.
        Whether a rate's run ended.
        """
        mark = marks.get(state)
        if mark is None:
            marks[state] = Mark(len(self.items), tuple(self.left))
            return False
        fired = [was - now for was, now in zip(mark.left, self.left, strict=True)]
        rounds = self.rounds(fired, in_runs)
        if not rounds:
            return False
        self.items.append(repeated(self.items[mark.items :], rounds))
        marks.clear()
        ended = False
        for node, each in enumerate(fired):
            self.left[node] -= each * rounds
            for cursor in self.staying(node, in_runs) if each else ():
                ended |= cursor.advance(each * rounds)
        return ended

    def staying(self, node: int, in_runs: bool) -> list[Cursor]:
        """The rates of a node that a repetition leaves in their runs; the others come round."""
        return [cursor for cursor in self.cursors[node] if in_runs or cursor.once]

    def rounds(self, fired: list[int], in_runs: bool) -> int:
        """How often every node can fire this often."""
        rounds = ALWAYS
        for node, each in enumerate(fired):
            if each:
                rounds = min(rounds, self.left[node] // each)
                for cursor in self.staying(node, in_runs):
                    rounds = min(rounds, cursor.left // each)
        return rounds

    def advance(self, node: int, firings: int) -> bool:
        """Move a node's rates on; whether a run ended."""
        ended = False
        for cursor in self.cursors[node]:
            ended |= cursor.advance(firings)
        return ended

    def step(self) -> bool:
        """Fire every node that can, once or as often as the same ones can; whether a rate's run ended."""
        before = tuple(self.held)
        actions: list[Action] = []
        slacks: list[Slack] = []
        stopped: list[list[Slack]] = []
        for node in self.order:
            if self.left[node]:
                needs = self.slacks(node)
                if any(slack < 0 for _, slack, _ in needs):
                    stopped.append(needs)
                else:
                    slacks += needs
                    actions.append(self.fire(node))
        if not actions:
            self.make_room(stopped)
            return False
        grown = [now - was for was, now in zip(before, self.held, strict=True)]
        count = self.repeats(actions, slacks, grown)
        self.items.append(Step(tuple(actions), before, count))
        for edge, growth in enumerate(grown):
            self.held[edge] = before[edge] + count * growth
        ended = False
        for action in actions:
            self.left[action.node] -= count
            ended |= self.advance(action.node, count)
        return ended

    def slacks(self, node: int) -> list[Slack]:
        """What a node's next firing needs, and how far it is there."""
        held, rooms = self.held, self.rooms
        needs = [
            (edge, held[edge] - cursor.tokens, 1)
            for edge, cursor in self.takes[node]
            if cursor.tokens
        ]
        for edge, cursor in self.gives[node]:
            if cursor.tokens:
                needs.append((edge, rooms[edge] - held[edge] - cursor.tokens, -1))
        return needs

    def fire(self, node: int) -> Action:
        """Move the tokens of one firing."""
        takes = tuple((e, c.tokens) for e, c in self.takes[node] if c.tokens)
        gives = tuple((e, c.tokens) for e, c in self.gives[node] if c.tokens)
        for edge, tokens in takes:
            self.held[edge] -= tokens
        for edge, tokens in gives:
            self.held[edge] += tokens
        key = node, takes, gives
        if key not in self.known:
            self.known[key] = Action(node, takes, gives)
        return self.known[key]

    def repeats(
        self, actions: list[Action], slacks: list[Slack], grown: list[int]
    ) -> int:
        """How often a step can be repeated until one of its nodes stops."""
        count = ALWAYS
        for action in actions:
            left = self.left[action.node]
            if left == self.graph.nodes[action.node].firings:
                return 1  # a first firing stands alone
            count = min(count, left, *(c.left for c in self.cursors[action.node]))
        for edge, slack, sign in slacks:
            growth = sign * grown[edge]
            if growth < 0:
                count = min(count, 1 + slack // -growth)
        return count

    def make_room(self, stopped: list[list[Slack]]) -> None:
        """Give edges without a depth more room where they stop a node; without one it is a deadlock."""
        full = {
            edge
            for needs in stopped
            for edge, slack, sign in needs
            if slack < 0 and sign < 0 and self.graph.edges[edge].depth is None
        }
        for edge in full:
            self.rooms[edge] *= 2
        self.near.clear()
        self.far.clear()
        if not full:
            first = next(n for n, left in enumerate(self.left) if left)
            raise DeadlockError(circle(self.graph.nodes[first].name, self.wait))

    def wait(self, name: str) -> Wait:
        """What a stopped node waits for."""
        needs = self.slacks(self.graph.place[name])
        at, _, sign = next(need for need in needs if need[1] < 0)
        edge = self.graph.edges[at]
        if sign > 0:
            return Wait(name, "token", edge.name, edge.source, edge.depth)
        return Wait(name, "room", edge.name, edge.target, edge.depth)


@lru_cache(maxsize=KEPT)
def schedule_of(graph: Graph) -> Schedule:
    """The schedule of a graph that balances; `DeadlockError` where there is none."""
    return Scheduler(graph).run()


def consumers_first(graph: Graph) -> list[int]:
    """The nodes, each behind those it gives to, as far as there is no cycle."""
    targets: list[list[int]] = [[] for _ in graph.nodes]
    for edge in graph.edges:
        targets[graph.place[edge.source]].append(graph.place[edge.target])
    order: list[int] = []
    seen: set[int] = set()
    for first in range(len(targets)):
        stack = [] if first in seen else [(first, iter(targets[first]))]
        seen.add(first)
        while stack:
            node, rest = stack[-1]
            following = next((each for each in rest if each not in seen), None)
            if following is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(targets[following])))
    return order
