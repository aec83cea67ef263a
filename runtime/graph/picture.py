"""The state of a run as far as it matters for what comes, to see whether it has come back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfc.runtime.graph.layout import (
    BLOCKED,
    DEPTH,
    FREE,
    HEAD,
    MASK,
    STARVED,
    TAIL,
    VISIBLE,
    Layout,
    Words,
)
from dfc.runtime.graph.steps import Loop, Step, actions_of


@dataclass(frozen=True)
class Picture:
    """
    A state: cycles of the last firings, cycles in the rings, cycles waited.

    `tokens` and `rooms` are of each edge that moves. A cycle that the next firing at that end is later than
    anyway stands as that of this firing, so what is long past makes no difference.
    """

    times: Words
    tokens: Sequence[Words]
    rooms: Sequence[Words]
    waited: Words


class Camera:
    """
    Takes pictures of the states between rounds of an item of a schedule, and compares them.

    Only the edges on which its firings move tokens are looked at: nothing else changes, nor makes
    any of them wait. Nodes joined by bounded ones are a group: they drift by the same number of
    cycles, or their state does not come back. An edge without a depth lets its source run ahead.
    """

    def __init__(self, layout: Layout, item: Step | Loop, statistics: bool) -> None:
        graph = layout.graph
        self.layout, self.statistics = layout, statistics
        moves = {move for each in actions_of(item) for move in each.takes + each.gives}
        self.moving = sorted({edge for edge, _ in moves})
        edges = [graph.edges[at] for at in self.moving]
        self.ends = [
            (graph.place[edge.source], graph.place[edge.target]) for edge in edges
        ]
        self.bounded = [edge.depth is not None for edge in edges]
        self.intervals = np.array([node.interval for node in graph.nodes], np.int64)
        self.groups = self._groups()

    def _groups(self) -> list[int]:
        """The first node of each node's group."""
        group = list(range(self.layout.nodes))
        for (source, target), bounded in zip(self.ends, self.bounded, strict=True):
            if bounded:
                low, high = sorted((group[source], group[target]))
                group = [low if each == high else each for each in group]
        return group

    def take(self, state: Words) -> Picture:
        """The state as it is now."""
        times = state[: self.layout.nodes].copy()
        ready = times + self.intervals
        words = self.layout.words(state)[self.moving]
        tokens: list[Words] = []
        rooms: list[Words] = []
        for at, (source, target) in enumerate(self.ends):
            head, tail = words[at, HEAD], words[at, TAIL]
            given = ring(state, words[at], VISIBLE, head, tail)
            tokens.append(np.maximum(given, ready[target]))
            rooms.append(self._rooms(state, words[at], self.bounded[at], ready[source]))
        return Picture(times, tokens, rooms, words[:, [STARVED, BLOCKED]])

    def _rooms(
        self, state: Words, words: Words, bounded: bool, ready: np.int64
    ) -> Words:
        """When the free rooms became free; without a depth those that the peak may still count."""
        if bounded:
            first = words[TAIL] - words[DEPTH]
            return np.maximum(ring(state, words, FREE, first, words[HEAD]), ready)
        if not self.statistics:
            return np.zeros(0, np.int64)
        first = max(np.int64(0), words[HEAD] - words[MASK] - 1)
        frees = ring(state, words, FREE, first, words[HEAD])
        return frees[np.searchsorted(frees, ready, "right") :]

    def same(self, old: Picture, new: Picture) -> bool:
        """Whether everything after the new picture goes as after the old one, only later."""
        drift = new.times - old.times
        if not np.array_equal(drift, drift[self.groups]):
            return False
        return all(self._same_edge(at, old, new, drift) for at in range(len(self.ends)))

    def _same_edge(self, at: int, old: Picture, new: Picture, drift: Words) -> bool:
        source, target = self.ends[at]
        tokens, before = new.tokens[at], old.tokens[at]
        if drift[source] == drift[target]:
            return np.array_equal(tokens - drift[target], before) and np.array_equal(
                new.rooms[at] - drift[source], old.rooms[at]
            )
        if self.statistics or drift[source] > drift[target]:
            return False
        # the source runs ahead for good: all its tokens are there before they are taken
        interval = self.intervals[target]
        return bool(
            np.all(tokens == new.times[target] + interval)
            and np.all(before == old.times[target] + interval)
        )

    def skip(self, state: Words, old: Picture, new: Picture, rounds: int) -> None:
        """Let the state be that many times later by what lies between two pictures."""
        drift = rounds * (new.times - old.times)
        state[: self.layout.nodes] += drift
        words = self.layout.words(state)
        waited = rounds * (new.waited - old.waited)
        for at, (source, target), more in zip(
            self.moving, self.ends, waited, strict=True
        ):
            each = words[at]
            each[[STARVED, BLOCKED]] += more
            size = each[MASK] + 1
            state[each[VISIBLE] : each[VISIBLE] + size] += drift[source]
            state[each[FREE] : each[FREE] + size] += drift[target]


def ring(
    state: Words, words: Words, word: int, first: np.int64, end: np.int64
) -> Words:
    """The cycles of tokens `first` up to `end` in a ring of an edge."""
    places = np.arange(first, end) & words[MASK]
    return state[words[word] + places]
