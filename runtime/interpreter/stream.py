"""`stream` on tensors: a graph runs node by node, each over whole streams."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    ReturnedValues,
    TerminatorValue,
    impl,
    impl_terminator,
    register_impls,
)
from xdsl.ir import SSAValue

from dfc.dialects import stream
from dfc.dialects.stream import stream_type
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array, dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.firing import fire, initial
from dfc.runtime.interpreter.memory import View
from dfc.runtime.interpreter.naming import describe
from dfc.runtime.interpreter.network import run_network
from dfc.runtime.interpreter.tiles import Trip, flat, tile_of, trips_of

Tokens = list[Array]
"""A whole stream, in the order of its trips."""


def tokens_at(
    streams: Sequence[SSAValue], args: Sequence[Tokens], trip: Trip
) -> list[Any]:
    """Each operand's token for a trip; one of fewer trips is held."""
    return [
        tokens[flat(trip, stream_type(value).counts)]
        for value, tokens in zip(streams, args, strict=True)
    ]


@register_impls
class StreamFunctions(InterpreterFunctions):
    """One method per node; streams are lists of tokens."""

    @impl(stream.GraphOp)
    def graph(
        self, interpreter: Interpreter, op: stream.GraphOp, args: PythonValues
    ) -> PythonValues:
        """On tensors node by node, on buffers token by token."""
        assert isinstance(interpreter, Evaluator)
        if any(writes_to_memory(node) for node in op.body.block.ops):
            run_network(interpreter, op)
            return ()
        return interpreter.run_block(op.body.block, ())

    @impl(stream.ReadOp)
    def read(
        self, interpreter: Interpreter, op: stream.ReadOp, args: PythonValues
    ) -> PythonValues:
        """All tiles of a tensor."""
        kind, source = stream_type(op.tokens), args[0]
        if isinstance(source, View):
            raise ExecutionError(f"{describe(op)} reads a buffer in a graph on tensors")
        tiles = (
            tile_of(kind, trip, np.shape(source)) for trip in trips_of(kind.counts)
        )
        return ([tile.padded(source[tile.index]) for tile in tiles],)

    @impl(stream.WriteOp)
    def write(
        self, interpreter: Interpreter, op: stream.WriteOp, args: PythonValues
    ) -> PythonValues:
        """A tensor of tiles."""
        kind, made = stream_type(op.tokens), op.result[0].type
        result = np.zeros(shape_of(made), dtype_of(made))
        for trip, token in zip(trips_of(kind.counts), args[0], strict=True):
            tile = tile_of(kind, trip, result.shape)
            result[tile.index] = tile.cut(token)
        return (result,)

    @impl(stream.MapOp)
    def map(
        self, interpreter: Interpreter, op: stream.MapOp, args: PythonValues
    ) -> PythonValues:
        """One firing per trip."""
        assert isinstance(interpreter, Evaluator)
        count, trips = len(op.streams), stream.node_trips(op.streams)
        made: list[Tokens] = [[] for _ in op.outputs]
        for trip in trips_of(trips):
            tokens = tokens_at(op.streams, args[:count], trip)
            results = fire(interpreter, op, trip, [*tokens, *args[count:]])
            for tokens, value in zip(made, results, strict=True):
                tokens.append(value)
        return tuple(made)

    @impl(stream.ReduceOp)
    def reduce(
        self, interpreter: Interpreter, op: stream.ReduceOp, args: PythonValues
    ) -> PythonValues:
        """One firing per trip; a result whenever the inner trips are through."""
        assert isinstance(interpreter, Evaluator)
        count, trips = len(op.streams), stream.node_trips(op.streams)
        outer = stream_type(op.outputs[0]).counts
        made: list[Tokens] = [[] for _ in op.outputs]
        for head in trips_of(outer):
            olds = initial(op)
            for tail in trips_of(trips[len(outer) :]):
                trip = (*head, *tail)
                tokens = tokens_at(op.streams, args[:count], trip)
                olds = list(
                    fire(interpreter, op, trip, [*olds, *tokens, *args[count:]])
                )
            for tokens, value in zip(made, olds, strict=True):
                tokens.append(value)
        return tuple(made)

    @impl(stream.ForkOp)
    def fork(
        self, interpreter: Interpreter, op: stream.ForkOp, args: PythonValues
    ) -> PythonValues:
        """The same stream for each."""
        return args * len(op.copies)

    @impl(stream.FifoOp)
    def fifo(
        self, interpreter: Interpreter, op: stream.FifoOp, args: PythonValues
    ) -> PythonValues:
        """The same stream: a depth changes no value."""
        return args

    @impl(stream.IndexOp)
    def index(
        self, interpreter: Interpreter, op: stream.IndexOp, args: PythonValues
    ) -> PythonValues:
        """Where the node is."""
        assert isinstance(interpreter, Evaluator)
        return (interpreter.trips[-1][op.dim.value.data],)

    @impl_terminator(stream.YieldOp)
    def yielded(
        self, interpreter: Interpreter, op: stream.YieldOp, args: PythonValues
    ) -> tuple[TerminatorValue, PythonValues]:
        """Ends a body or a graph."""
        return ReturnedValues(args), ()


def writes_to_memory(node: Any) -> bool:
    """Whether a node of a graph writes to a buffer."""
    return isinstance(node, stream.WriteOp) and node.target is not None
