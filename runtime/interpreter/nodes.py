"""The nodes of a graph that runs token by token: each fires when its tokens and the room for its results are there."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from xdsl.ir import Operation

from dfc.dialects import stream
from dfc.dialects.stream import stream_type
from dfc.runtime.interpreter.channels import Channel
from dfc.runtime.interpreter.converted import extents
from dfc.runtime.interpreter.dtypes import Array, constant, dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.firing import Compute, fire, initial
from dfc.runtime.interpreter.tiles import tile_of, trips_of
from dfc.runtime.interpreter.trips import Trip


@dataclass
class Tap:
    """A node's end of a channel; a token of `rank` trips is held over the inner ones."""

    channel: Channel
    reader: int
    rank: int
    held: Array | None = None

    @classmethod
    def of(cls, channel: Channel, rank: int) -> "Tap":
        """A new reader of a channel."""
        return cls(channel, channel.add_reader(), rank)

    def is_due(self, trip: Trip) -> bool:
        """Whether the node takes a token at this trip."""
        return not any(trip[self.rank :])

    def take(self) -> Array:
        """The next token."""
        return self.channel.take(self.reader)

    def token(self, trip: Trip) -> Array:
        """The token of this trip."""
        if self.is_due(trip) or self.held is None:
            self.held = self.take()
        return self.held

    def missing(self) -> str:
        """What is waited for when no token is there."""
        there = self.channel.has_token(self.reader)
        return "" if there else f"a token of {self.channel.name}"


def missing_room(channels: Sequence[Channel]) -> str:
    """What a writer to a full channel waits for."""
    full = next((c for c in channels if not c.has_room()), None)
    return "" if full is None else f"room in {full.name}"


class Node(ABC):
    """What fires: firing by firing, in the order of its trips."""

    def __init__(self, op: Operation, trips: Sequence[Trip]) -> None:
        self.op = op
        self.trips = trips
        self.fired = 0

    @property
    def done(self) -> bool:
        """Whether all trips are through."""
        return self.fired == len(self.trips)

    @property
    def trip(self) -> Trip:
        """The trip of the next firing."""
        return self.trips[self.fired]

    @abstractmethod
    def waits_for(self) -> str:
        """What keeps the node from its next firing; "" when nothing does."""

    @abstractmethod
    def fire(self) -> None:
        """Take tokens, push results."""

    def run(self) -> bool:
        """Fire as often as possible; whether it fired."""
        before = self.fired
        while not self.done and not self.waits_for():
            self.fire()
            self.fired += 1
        return self.fired > before


class Move(Node):
    """Moves tokens from one place to others: a read, a write, a repeat, a FIFO behind a fork."""

    def __init__(
        self,
        op: Operation,
        trips: Sequence[Trip],
        source: Tap,
        targets: Sequence[Channel],
    ) -> None:
        super().__init__(op, trips)
        self.source = source
        self.targets = targets

    def waits_for(self) -> str:
        """A token, then room."""
        missing = self.source.missing() if self.source.is_due(self.trip) else ""
        return missing or missing_room(self.targets)

    def fire(self) -> None:
        """One token."""
        token = self.source.token(self.trip)
        for target in self.targets:
            target.push(token)


class Slide(Move):
    """A window: the last tokens, and what stands before the first."""

    def __init__(
        self,
        op: stream.WindowOp,
        trips: Sequence[Trip],
        source: Tap,
        targets: Sequence[Channel],
    ) -> None:
        super().__init__(op, trips, source, targets)
        kind, size = stream_type(op.out), op.size.value.data
        fill = 0 if op.fill is None else constant(op.fill)
        self.empty = [np.full(shape_of(kind.token), fill, dtype_of(kind.token))] * size
        self.tokens: list[Array] = []

    def fire(self) -> None:
        """The token at this place of the window."""
        *_, i, j = self.trip
        if i == j == 0:
            self.tokens = list(self.empty)
        if j == 0:
            self.tokens = [*self.tokens[1:], self.source.take()]
        for target in self.targets:
            target.push(self.tokens[j])


class Convert(Node):
    """Puts tokens together to the tensor they are tiles of, and cuts others from it."""

    def __init__(
        self, op: stream.ConvertOp, source: Tap, targets: Sequence[Channel]
    ) -> None:
        phases = stream.convert_phases(op)
        self.takes = unrolled(phases.take)
        self.gives = unrolled(phases.give)
        super().__init__(op, list(trips_of((phases.periods, phases.firings))))
        self.source = source
        self.targets = targets
        self.kinds = stream_type(op.tokens), stream_type(op.out)
        self.coming, self.going = (iter(trips_of(kind.counts)) for kind in self.kinds)
        shape = [max(n) for n in zip(*map(extents, self.kinds), strict=True)]
        self.tensor = np.zeros(shape, dtype_of(self.kinds[0].token))
        self.there: set[Trip] = set()

    def waits_for(self) -> str:
        """A token, then room."""
        _, i = self.trip
        missing = self.source.missing() if self.takes[i] else ""
        return missing or (missing_room(self.targets) if self.gives[i] else "")

    def fire(self) -> None:
        """At most one token in, at most one out; the first of a tile that comes twice."""
        _, i = self.trip
        if self.takes[i]:
            tile = tile_of(self.kinds[0], next(self.coming), self.tensor.shape)
            token = self.source.take()
            if tile.start not in self.there:
                self.tensor[tile.index] = token
            self.there.add(tile.start)
        if self.gives[i]:
            tile = tile_of(self.kinds[1], next(self.going), self.tensor.shape)
            for target in self.targets:
                target.push(self.tensor[tile.index].copy())


def unrolled(runs: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether each firing of a period moves a token."""
    return [bool(moved) for count, moved in runs for _ in range(count)]


class Work(Node):
    """A node with a body: a map, a reduce or a scan."""

    def __init__(
        self,
        evaluator: Evaluator,
        op: Compute,
        trips: Sequence[Trip],
        operands: Sequence[Tap],
        outputs: Sequence[Sequence[Channel]],
    ) -> None:
        super().__init__(op, trips)
        self.evaluator = evaluator
        self.node = op
        self.operands = operands
        self.outputs = outputs
        self.controls: Sequence[Any] = evaluator.get_values(op.controls)
        self.states: list[Array] = []
        self.kept = len(stream.node_trips(op.streams))
        """The outer trips at which states start anew."""
        if isinstance(op, stream.ReduceOp):
            self.kept = len(stream_type(op.outputs[0]).counts)
        elif isinstance(op, stream.ScanOp):
            self.kept -= op.over.value.data

    @property
    def emits(self) -> bool:
        """Whether results leave at the next firing: a reduce's at the last of the inner trips."""
        if not isinstance(self.node, stream.ReduceOp) or self.fired + 1 == len(
            self.trips
        ):
            return True
        return self.trips[self.fired + 1][: self.kept] != self.trip[: self.kept]

    def waits_for(self) -> str:
        """Tokens, then room."""
        for operand in self.operands:
            if operand.is_due(self.trip) and (missing := operand.missing()):
                return missing
        channels = [channel for each in self.outputs for channel in each]
        return missing_room(channels) if self.emits else ""

    def fire(self) -> None:
        """The body on the operands' tokens."""
        if not any(self.trip[self.kept :]):
            self.states = initial(self.node)
        tokens = [operand.token(self.trip) for operand in self.operands]
        args = [*self.states, *tokens, *self.controls]
        results = fire(self.evaluator, self.node, self.trip, args)
        self.states, made = self._split(results)
        if not self.emits:
            return
        for channels, value in zip(self.outputs, made, strict=True):
            for channel in channels:
                channel.push(value)

    def _split(self, results: Sequence[Array]) -> tuple[list[Array], Sequence[Array]]:
        """The new states, and the tokens."""
        if isinstance(self.node, stream.ReduceOp):
            return list(results), results
        count = len(self.states)
        return list(results[:count]), results[count:]
