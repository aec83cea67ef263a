"""
A schedule run without compiled code: chunks of firings as arrays.

The cycles of a chunk are the least that satisfy its max-plus system: every firing an interval
after the one before, behind the tokens it takes, behind the rooms it needs. They are found by
raising all of them until nothing changes; what one firing waits for comes before it in the
schedule, so there is one solution.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dfc.runtime.graph.layout import BLOCKED, PEAK, STARVED, WORDS, Words
from dfc.runtime.graph.model import Edge, Graph, Rate
from dfc.runtime.graph.result import Finished, Run
from dfc.runtime.graph.schedule import consumers_first
from dfc.runtime.graph.steps import Loop, Schedule, Step

CHUNK = 8192
"""Firings of a chunk, all nodes together."""

NEVER = -(1 << 62)
"""The limit of a firing that waits for nothing."""

Indices = NDArray[np.intp]


def chunks(items: Sequence[Step | Loop], nodes: int) -> Iterator[Words]:
    """Firings of each node, chunk by chunk, in the order of the schedule."""
    for item in items:
        each = item.firings // item.count
        if isinstance(item, Loop) and each > CHUNK:
            for _ in range(item.count):
                yield from chunks(item.body, nodes)
            continue
        once = np.zeros(nodes, np.int64)
        count_firings(item, 1, once)
        left = item.count
        while left:
            rounds = min(left, max(1, CHUNK // each))
            yield once * rounds
            left -= rounds


def count_firings(item: Step | Loop, times: int, counts: Words) -> None:
    """Add the firings of one round of an item."""
    if isinstance(item, Step):
        for action in item.actions:
            counts[action.node] += times
    else:
        for each in item.body:
            count_firings(each, times * each.count, counts)


@dataclass
class Line:
    """
    An edge between two chunks.

    `tokens` are the cycles at which those in it can be taken; `rooms` those at which its free
    rooms became free, oldest first, without a depth those that its peak may still count.
    """

    edge: Edge
    source: int
    target: int
    delay: int
    tokens: Words
    rooms: Words
    words: list[int] = field(default_factory=lambda: [0] * WORDS)


@dataclass(frozen=True)
class Limit:
    """Cycles that the firings of one end of an edge wait for: known ones, and firings of the other end."""

    known: Words
    firings: Indices
    other: int
    others: Indices
    delay: int

    def cycles(self, times: Sequence[Words]) -> Words:
        """The limit of every firing."""
        limits = self.known.copy()
        limits[self.firings] = times[self.other][self.others] + self.delay
        return limits


@dataclass(frozen=True)
class Wait:
    """A limit, the edge that sets it, and the word that counts what it delays."""

    limit: Limit
    line: Line
    word: int


class ArrayRun:
    """One run of a schedule."""

    def __init__(self, graph: Graph, schedule: Schedule, statistics: bool) -> None:
        self.graph, self.schedule, self.statistics = graph, schedule, statistics
        self.intervals = [node.interval for node in graph.nodes]
        self.last = [-interval for interval in self.intervals]
        self.first = [-1] * len(self.last)
        self.fired = [0] * len(self.last)
        self.order = consumers_first(graph)[::-1]
        self.lines = [self.line(edge) for edge in graph.edges]

    def line(self, edge: Edge) -> Line:
        """An edge before cycle 0."""
        source, target = self.graph.place[edge.source], self.graph.place[edge.target]
        free = 0 if edge.depth is None else edge.depth - edge.initial
        delay = self.graph.nodes[source].delay
        zeros = np.zeros(edge.initial, np.int64), np.zeros(free, np.int64)
        line = Line(edge, source, target, delay, *zeros)
        line.words[PEAK] = edge.initial
        return line

    def run(self) -> Run:
        """All chunks."""
        for counts in chunks(self.schedule.items, len(self.last)):
            self.chunk(counts)
        words = [line.words for line in self.lines]
        return Finished(self.first, self.last, words).run(self.graph, self.statistics)

    def chunk(self, counts: Words) -> None:
        """The cycles of so many firings of each node, and what they do to the edges."""
        moves = [
            (
                line,
                self.tokens(line.edge.produce, line.source, counts),
                self.tokens(line.edge.consume, line.target, counts),
            )
            for line in self.lines
        ]
        waits = self.waits(moves)
        times = self.solve(counts, [[wait.limit for wait in each] for each in waits])
        for node, each in enumerate(waits if self.statistics else ()):
            self.add_stalls(node, times, each)
        for line, gives, takes in moves:
            enqueued = np.repeat(times[line.source], gives)
            dequeued = np.repeat(times[line.target], takes)
            move(line, enqueued, dequeued, self.statistics)
        for node, cycles in enumerate(times):
            if len(cycles):
                if self.first[node] < 0:
                    self.first[node] = int(cycles[0])
                self.last[node] = int(cycles[-1])
                self.fired[node] += len(cycles)

    def waits(self, moves: Sequence[tuple[Line, Words, Words]]) -> list[list[Wait]]:
        """What the firings of each node wait for: tokens of its inputs, then room in its outputs."""
        waits: list[list[Wait]] = [[] for _ in self.last]
        for line, gives, takes in moves:
            limit = limit_of(takes, line.tokens, gives, line.source, line.delay)
            waits[line.target].append(Wait(limit, line, STARVED))
        for line, gives, takes in moves:
            if line.edge.depth is not None:
                limit = limit_of(gives, line.rooms, takes, line.target, 1)
                waits[line.source].append(Wait(limit, line, BLOCKED))
        return waits

    def tokens(self, rate: Rate, node: int, counts: Words) -> Words:
        """The tokens of each firing of a chunk at one end of an edge."""
        first, count = self.fired[node], int(counts[node])
        rounds = (first + count) // rate.round - first // rate.round + 1
        ones = np.concatenate([np.full(n, tokens, np.int64) for n, tokens in rate.runs])
        start = first % rate.round
        return np.tile(ones, rounds)[start : start + count]

    def solve(self, counts: Words, limits: Sequence[Sequence[Limit]]) -> list[Words]:
        """The least cycles that satisfy the system."""
        steps: list[Words] = [
            np.arange(1, n + 1, dtype=np.int64) * interval
            for n, interval in zip(counts.tolist(), self.intervals, strict=True)
        ]
        times: list[Words] = [
            last + step for last, step in zip(self.last, steps, strict=True)
        ]
        moving = True
        while moving:
            moving = False
            for node in self.order:
                cycles = times[node]
                for limit in limits[node]:
                    cycles = np.maximum(cycles, limit.cycles(times))
                # an interval after the one before, for all firings at once
                cycles = np.maximum.accumulate(cycles - steps[node]) + steps[node]
                if not np.array_equal(cycles, times[node]):
                    times[node], moving = cycles, True
        return times

    def add_stalls(
        self, node: int, times: Sequence[Words], waits: Sequence[Wait]
    ) -> None:
        """Charge the delay of each firing to the edges, each for what it adds."""
        cycles = np.concatenate([[self.last[node]], times[node]])[:-1]
        cycles = cycles + self.intervals[node]
        for wait in waits:
            later = np.maximum(cycles, wait.limit.cycles(times))
            wait.line.words[wait.word] += int((later - cycles).sum())
            cycles = later


def limit_of(wanted: Words, there: Words, made: Words, other: int, delay: int) -> Limit:
    """Limits of firings that want tokens (or rooms) of which some are there and the others are made."""
    last = np.cumsum(wanted) - 1
    asks = wanted > 0
    ready = asks & (last < len(there))
    known = np.full(len(wanted), NEVER, np.int64)
    known[ready] = there[last[ready]]
    (firings,) = np.nonzero(asks & ~ready)
    others = np.searchsorted(np.cumsum(made), last[firings] - len(there), "right")
    return Limit(known, firings, other, others, delay)


def move(line: Line, enqueued: Words, dequeued: Words, statistics: bool) -> None:
    """Give and take the tokens of a chunk."""
    tokens = np.concatenate([line.tokens, enqueued + line.delay])
    rooms = np.concatenate([line.rooms, dequeued + 1])
    if statistics:
        held = occupied(tokens - line.delay, rooms, len(line.tokens), len(line.rooms))
        line.words[PEAK] = max(line.words[PEAK], held)
    line.tokens = tokens[len(dequeued) :]
    if line.edge.depth is not None:
        line.rooms = rooms[len(enqueued) :]
    elif statistics:
        oldest = enqueued[-1] if len(enqueued) else NEVER
        line.rooms = rooms[np.searchsorted(rooms, oldest, "right") :]


def occupied(given: Words, free: Words, before: int, freed: int) -> int:
    """
    The most tokens together, as far as the cycles of both the oldest and the newest are known now.

    `given[before:]` and `free[freed:]` are new; the first token of `given` is the one behind the
    last of the old `free`.
    """
    first_free = np.searchsorted(free, given[before:], "right")
    known = first_free < len(free)
    numbers = np.arange(before, len(given)) + freed + 1
    behind = numbers[known] - first_free[known]
    latest = np.searchsorted(given, free[freed:] - 1, "right")
    ahead = latest - np.arange(len(latest))
    return int(max(behind.max(initial=0), ahead.max(initial=0)))
