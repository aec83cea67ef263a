"""`stream` on buffers: a graph runs token by token through the bytes of its FIFOs."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xdsl.interpreter import PythonValues
from xdsl.ir import Operation, SSAValue

from dfc.dialects import stream
from dfc.dialects.stream import stream_type
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.channels import Channel, Registers, Tiles, fifo_of
from dfc.runtime.interpreter.dtypes import Array
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.firing import fire, initial
from dfc.runtime.interpreter.naming import describe
from dfc.runtime.interpreter.tiles import trips_of
from dfc.runtime.interpreter.trips import Trip


@dataclass
class Tap:
    """One reader's end of a channel."""

    channel: Channel
    reader: int

    @classmethod
    def of(cls, channel: Channel) -> "Tap":
        """A new reader of a channel."""
        return cls(channel, channel.add_reader())

    @property
    def ready(self) -> bool:
        """Whether a token is there."""
        return self.channel.has_token(self.reader)

    def take(self) -> Array:
        """The next token."""
        return self.channel.take(self.reader)


class Node(ABC):
    """What fires: trip by trip, when its tokens and the room for its results are there."""

    def __init__(self, op: Operation, counts: Sequence[int]) -> None:
        self.op = op
        self.trips = list(trips_of(counts))
        self.fired = 0

    @property
    def done(self) -> bool:
        """Whether all trips are through."""
        return self.fired == len(self.trips)

    @abstractmethod
    def waits_for(self, trip: Trip) -> str:
        """What keeps the node from firing at this trip; "" when nothing does."""

    @abstractmethod
    def fire(self, trip: Trip) -> None:
        """Take tokens, push results."""

    def run(self) -> bool:
        """Fire as often as possible; whether it fired."""
        before = self.fired
        while not self.done and not self.waits_for(self.trips[self.fired]):
            self.fire(self.trips[self.fired])
            self.fired += 1
        return self.fired > before


def missing_token(tap: Tap) -> str:
    """What a reader of an empty channel waits for."""
    return "" if tap.ready else f"a token of {tap.channel.name}"


def missing_room(channels: Sequence[Channel]) -> str:
    """What a writer to a full channel waits for."""
    full = next((c for c in channels if not c.has_room()), None)
    return "" if full is None else f"room in {full.name}"


class Move(Node):
    """Moves tokens from one place to another: a read, a write, a FIFO behind a fork."""

    def __init__(
        self,
        op: Operation,
        counts: Sequence[int],
        source: Tap,
        targets: Sequence[Channel],
    ) -> None:
        super().__init__(op, counts)
        self.source = source
        self.targets = targets

    def waits_for(self, trip: Trip) -> str:
        """A token, then room."""
        return missing_token(self.source) or missing_room(self.targets)

    def fire(self, trip: Trip) -> None:
        """One token."""
        token = self.source.take()
        for target in self.targets:
            target.push(token)


@dataclass
class Operand:
    """A node's end of an edge; a token of fewer trips is held over the inner ones."""

    tap: Tap
    rank: int
    held: Array | None = None

    def is_due(self, trip: Trip) -> bool:
        """Whether the node takes a token at this trip."""
        return not any(trip[self.rank :])

    def token(self, trip: Trip) -> Array:
        """The token of this trip."""
        if self.is_due(trip) or self.held is None:
            self.held = self.tap.take()
        return self.held


class Compute(Node):
    """A map or a reduce."""

    def __init__(
        self,
        evaluator: Evaluator,
        op: stream.MapOp | stream.ReduceOp,
        operands: Sequence[Operand],
        outputs: Sequence[Sequence[Channel]],
    ) -> None:
        counts = stream.node_trips(op.streams)
        super().__init__(op, counts)
        self.evaluator = evaluator
        self.node = op
        self.operands = operands
        self.outputs = outputs
        self.controls: Sequence[Any] = evaluator.get_values(op.controls)
        self.olds: list[Array] = []
        outer = stream_type(op.outputs[0]).counts
        self.outer = len(outer)
        self.last = tuple(count - 1 for count in counts[self.outer :])

    def emits(self, trip: Trip) -> bool:
        """Whether results leave at this trip: a reduce's at the last of the inner ones."""
        return trip[self.outer :] == self.last

    def waits_for(self, trip: Trip) -> str:
        """Tokens, then room."""
        for operand in self.operands:
            if operand.is_due(trip) and (missing := missing_token(operand.tap)):
                return missing
        if not self.emits(trip):
            return ""
        return missing_room([c for channels in self.outputs for c in channels])

    def fire(self, trip: Trip) -> None:
        """The body on the operands' tokens."""
        if isinstance(self.node, stream.ReduceOp) and not any(trip[self.outer :]):
            self.olds = initial(self.node)
        tokens = [operand.token(trip) for operand in self.operands]
        args = [*self.olds, *tokens, *self.controls]
        results = fire(self.evaluator, self.node, trip, args)
        if isinstance(self.node, stream.ReduceOp):
            self.olds = list(results)
        if not self.emits(trip):
            return
        for channels, value in zip(self.outputs, results, strict=True):
            for channel in channels:
                channel.push(value)


@dataclass
class Network:
    """The nodes and channels of one graph, built in the order of the text."""

    evaluator: Evaluator
    nodes: list[Node] = field(default_factory=list[Node])
    channels: dict[SSAValue, Channel] = field(default_factory=dict[SSAValue, Channel])

    def build(self, graph: stream.GraphOp) -> None:
        """All of it."""
        for op in graph.body.block.ops:
            if isinstance(op, stream.ReadOp):
                self._read(op)
            elif isinstance(op, stream.MapOp | stream.ReduceOp):
                self._compute(op)
            elif isinstance(op, stream.ForkOp):
                self._fork(op)
            elif isinstance(op, stream.FifoOp) and op.out not in self.channels:
                fifo = fifo_of(self.evaluator, op)
                self._move(op, op.tokens, [fifo])
                self.channels[op.out] = fifo
            elif isinstance(op, stream.WriteOp):
                self._write(op)

    def _value(self, value: SSAValue) -> Any:
        return self.evaluator.get_values([value])[0]

    def _read(self, op: stream.ReadOp) -> None:
        kind = stream_type(op.tokens)
        tiles = Tiles(self.evaluator, op, kind, self._value(op.source)).filled()
        if op.in_place is not None:
            self.channels[op.tokens] = tiles
        else:
            targets = self._targets(op.tokens)
            self.nodes.append(Move(op, kind.counts, Tap.of(tiles), targets))

    def _compute(self, op: stream.MapOp | stream.ReduceOp) -> None:
        operands = [
            Operand(Tap.of(self.channels[s]), len(stream_type(s).counts))
            for s in op.streams
        ]
        outputs = [self._targets(value) for value in op.outputs]
        self.nodes.append(Compute(self.evaluator, op, operands, outputs))

    def _fork(self, op: stream.ForkOp) -> None:
        """Copies that have no place of their own are read from the place of the original."""
        for copy in op.copies:
            if copy not in self.channels and op.tokens in self.channels:
                self.channels[copy] = self.channels[op.tokens]

    def _write(self, op: stream.WriteOp) -> None:
        if op.tokens not in self.channels:
            return  # its node writes there itself
        kind = stream_type(op.tokens)
        assert op.target is not None
        tiles = Tiles(self.evaluator, op, kind, self._value(op.target))
        self._move(op, op.tokens, [tiles])

    def _move(
        self, op: Operation, source: SSAValue, targets: Sequence[Channel]
    ) -> None:
        counts = stream_type(source).counts
        tap = Tap.of(self.channels[source])
        self.nodes.append(Move(op, counts, tap, targets))

    def _targets(self, value: SSAValue) -> list[Channel]:
        """Where a node's result goes: every place behind it and its forks."""
        use = next(iter(value.uses), None)
        user = None if use is None else use.operation
        if isinstance(user, stream.ForkOp):
            return [channel for copy in user.copies for channel in self._targets(copy)]
        if isinstance(user, stream.FifoOp):
            fifo = self.channels[user.out] = fifo_of(self.evaluator, user)
            return [fifo]
        if isinstance(user, stream.WriteOp) and user.in_place is not None:
            assert user.target is not None
            view = self._value(user.target)
            return [Tiles(self.evaluator, user, stream_type(value), view)]
        if user is None:
            return []
        channel = self.channels[value] = Registers(f"{describe(user)}'s operand")
        return [channel]

    def run(self) -> None:
        """Fire until all is done; an error names what starves what."""
        while any(node.run() for node in self.nodes):
            pass
        stuck = [node for node in self.nodes if not node.done]
        if stuck:
            reasons = [
                f"{describe(node.op)} waits for {node.waits_for(node.trips[node.fired])}"
                for node in stuck
            ]
            raise ExecutionError(
                f"deadlock{self.evaluator.place}: {', '.join(reasons)}"
            )


def run_network(evaluator: Evaluator, graph: stream.GraphOp) -> PythonValues:
    """Run a graph on buffers."""
    network = Network(evaluator)
    network.build(graph)
    network.run()
    return ()
