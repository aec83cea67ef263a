"""`stream` token by token: the nodes and channels of a graph, on the bytes of buffers or on tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from xdsl.interpreter import PythonValues
from xdsl.ir import Operation, SSAValue

from dfc.dialects import stream
from dfc.dialects.stream import stream_type
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.channels import (
    Channel,
    Fifo,
    Registers,
    Stored,
    Tiles,
)
from dfc.runtime.interpreter.dtypes import constant, dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.firing import Compute
from dfc.runtime.interpreter.memory import View
from dfc.runtime.interpreter.naming import describe
from dfc.runtime.interpreter.nodes import Convert, Move, Node, Slide, Tap, Work
from dfc.runtime.interpreter.tokens import cut, empty, joined
from dfc.runtime.interpreter.trips import Firings, Trip


@dataclass
class Network:
    """The nodes and channels of one graph, built in the order of the text."""

    evaluator: Evaluator
    nodes: list[Node] = field(default_factory=list[Node])
    channels: dict[SSAValue, Channel] = field(default_factory=dict[SSAValue, Channel])
    written: dict[SSAValue, tuple[stream.WriteOp, Stored]] = field(
        default_factory=dict[SSAValue, tuple[stream.WriteOp, Stored]]
    )
    """The tensors that writes make, and their tokens."""

    def build(self, graph: stream.GraphOp) -> None:
        """All of it."""
        for op in graph.body.block.ops:
            match op:
                case stream.ReadOp():
                    self._read(op)
                case stream.MapOp() | stream.ReduceOp() | stream.ScanOp():
                    self._work(op)
                case stream.RepeatOp():
                    self._move(op, op.tokens, self._targets(op.out), op.out)
                case stream.WindowOp():
                    trips, targets = self._trips(op.out), self._targets(op.out)
                    self.nodes.append(Slide(op, trips, self._tap(op.tokens), targets))
                case stream.ConvertOp():
                    tap, targets = self._tap(op.tokens), self._targets(op.out)
                    self.nodes.append(Convert(op, tap, targets))
                case stream.ForkOp():
                    self._fork(op)
                case stream.FifoOp():
                    if op.tokens in self.channels:
                        self._move(op, op.tokens, [self._fifo(op)])
                case stream.WriteOp():
                    self._write(op)
                case stream.YieldOp():
                    pass
                case _:
                    raise ExecutionError(
                        f"{describe(op)} stands in a graph that runs token by token, where only nodes can"
                    )

    def _value(self, value: SSAValue) -> Any:
        return self.evaluator.get_values([value])[0]

    def _firings(self, value: SSAValue) -> Firings:
        return Firings(stream_type(value).counts, self.evaluator.rows[-1])

    def _trips(self, value: SSAValue) -> list[Trip]:
        return self._firings(value).trips

    def _tap(self, value: SSAValue) -> Tap:
        """A reader of a stream; of one that stands below when a FIFO closes a cycle."""
        if value not in self.channels and isinstance(value.owner, stream.FifoOp):
            self._fifo(value.owner)
        return Tap.of(self.channels[value], len(stream_type(value).counts))

    def _fifo(self, op: stream.FifoOp) -> Channel:
        """The channel of a FIFO, with its initial tokens."""
        if op.out not in self.channels:
            token = stream_type(op.out).token
            made = self.channels[op.out] = (
                Registers(describe(op), op.depth.value.data)
                if op.tier is None
                else Fifo(self.evaluator, op)
            )
            for number in op.initial or ():
                made.push(np.full(shape_of(token), constant(number), dtype_of(token)))
        return self.channels[op.out]

    def _stored(
        self, op: stream.ReadOp | stream.WriteOp, data: Any, trips: Sequence[Trip]
    ) -> Tiles | Stored:
        """The tokens of a buffer or of a tensor."""
        if isinstance(data, View):
            return Tiles(self.evaluator, op, stream_type(op.tokens), data, trips)
        return Stored(describe(op), data, trips)

    def _read(self, op: stream.ReadOp) -> None:
        kind, source = stream_type(op.tokens), self._value(op.source)
        data = source if isinstance(source, View) else cut(kind, source)
        tiles = self._stored(op, data, self._trips(op.tokens)).filled()
        if op.in_place is not None:
            self.channels[op.tokens] = tiles
        else:
            self._move_from(op, tiles, op.tokens, self._targets(op.tokens))

    def _work(self, op: Compute) -> None:
        counts = stream.node_trips(op.streams)
        trips = Firings(counts, self.evaluator.rows[-1]).trips
        operands = [self._tap(value) for value in op.streams]
        outputs = [self._targets(value) for value in op.outputs]
        self.nodes.append(Work(self.evaluator, op, trips, operands, outputs))

    def _fork(self, op: stream.ForkOp) -> None:
        """Copies that have no place of their own are read from the place of the original."""
        for copy in op.copies:
            if copy not in self.channels and op.tokens in self.channels:
                self.channels[copy] = self.channels[op.tokens]

    def _write(self, op: stream.WriteOp) -> None:
        if op.tokens not in self.channels:
            return  # its node writes there itself
        trips = self._trips(op.tokens)
        if op.target is not None:
            tiles = self._stored(op, self._value(op.target), trips)
        else:
            tiles = Stored(describe(op), empty(stream_type(op.tokens)), trips)
            self.written[op.result[0]] = op, tiles
        self._move(op, op.tokens, [tiles])

    def _move(
        self,
        op: Operation,
        source: SSAValue,
        targets: Sequence[Channel],
        made: SSAValue | None = None,
    ) -> None:
        trips = self._trips(source if made is None else made)
        self.nodes.append(Move(op, trips, self._tap(source), targets))

    def _move_from(
        self,
        op: Operation,
        channel: Channel,
        made: SSAValue,
        targets: Sequence[Channel],
    ) -> None:
        tap = Tap.of(channel, len(stream_type(made).counts))
        self.nodes.append(Move(op, self._trips(made), tap, targets))

    def _targets(self, value: SSAValue) -> list[Channel]:
        """Where a node's result goes: every place behind it and its forks."""
        use = next(iter(value.uses), None)
        user = None if use is None else use.operation
        if isinstance(user, stream.ForkOp):
            return [channel for copy in user.copies for channel in self._targets(copy)]
        if isinstance(user, stream.FifoOp):
            return [self._fifo(user)]
        if isinstance(user, stream.WriteOp) and user.in_place is not None:
            assert user.target is not None
            view = self._value(user.target)
            return [self._stored(user, view, self._trips(value))]
        if user is None:
            return []
        channel = self.channels[value] = Registers(f"{describe(user)}'s operand")
        return [channel]

    def run(self) -> None:
        """Fire until all is done; an error names what starves what."""
        while any([node.run() for node in self.nodes]):
            pass
        stuck = [node for node in self.nodes if not node.done]
        if stuck:
            reasons = [
                f"{describe(node.op)} waits for {node.waits_for()}" for node in stuck
            ]
            raise ExecutionError(
                f"deadlock{self.evaluator.place}: {', '.join(reasons)}"
            )

    def result(self, value: SSAValue) -> Any:
        """What the graph yields: a tensor that a write has made, or a value from outside."""
        if value not in self.written:
            return self._value(value)
        op, tiles = self.written[value]
        kind, made = stream_type(op.tokens), op.result[0].type
        numbers = self._firings(op.tokens).numbers
        return joined(kind, tiles.tokens, shape_of(made), numbers)


def run_network(evaluator: Evaluator, graph: stream.GraphOp) -> PythonValues:
    """Run a graph token by token; what it yields."""
    network = Network(evaluator)
    network.build(graph)
    network.run()
    last = graph.body.block.last_op
    yielded = last.operands if isinstance(last, stream.YieldOp) else ()
    return tuple(network.result(value) for value in yielded)
