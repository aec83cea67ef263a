"""Where the state of a run lies: one array of i64 for the times of nodes and the rings of edges."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfc.runtime.graph.model import Graph

Words = NDArray[np.int64]
HEAD, TAIL, DEPTH, MASK, VISIBLE, FREE, PEAK, STARVED, BLOCKED = range(9)
"""
The words of an edge: tokens taken and given, its depth, the size of its rings less 1, where its
rings begin, its peak occupancy, and the cycles that its target and its source waited.

The ring at `VISIBLE` has when each token can be taken, the one at `FREE` when its room is free
again, token t in word t & MASK. An edge without a depth needs the latter for its peak only, which
is right as long as it is not above MASK.
"""
WORDS = 9


class Layout:
    """The places in the state: a word per node with the cycle of its last firing, then the edges."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = len(graph.nodes)
        self.header = self.nodes + WORDS * len(graph.edges)

    def edge(self, edge: int, word: int) -> int:
        """The place of a word of an edge."""
        return self.nodes + WORDS * edge + word

    def state(self, rooms: Sequence[int]) -> Words:
        """The state before cycle 0, with rings for that many tokens, rounded up to powers of 2."""
        sizes = [1 << max(0, room - 1).bit_length() for room in rooms]
        state = np.zeros(self.header + 2 * sum(sizes), np.int64)
        state[: self.nodes] = [-node.interval for node in self.graph.nodes]
        start = self.header
        for edge, words, size in zip(
            self.graph.edges, self.words(state), sizes, strict=True
        ):
            words[TAIL] = words[PEAK] = edge.initial
            words[DEPTH] = edge.depth or 0
            words[[MASK, VISIBLE, FREE]] = size - 1, start, start + size
            start += 2 * size
        return state

    def words(self, state: Words) -> Words:
        """The words of the edges, a row for each; a view."""
        return state[self.nodes : self.header].reshape(-1, WORDS)
