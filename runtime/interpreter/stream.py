"""`stream` on tensors: a graph runs node by node, each over whole streams."""

from collections.abc import Sequence
from typing import Any, cast

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

from dfc.dialects import stream
from dfc.dialects.stream import StreamType, stream_type
from dfc.runtime.interpreter.channels import Tiles
from dfc.runtime.interpreter.converted import converted
from dfc.runtime.interpreter.dtypes import Array, constant, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.firing import Body, Compute, initial
from dfc.runtime.interpreter.memory import View
from dfc.runtime.interpreter.naming import strings
from dfc.runtime.interpreter.network import run_network
from dfc.runtime.interpreter.order import Step
from dfc.runtime.interpreter.tokens import (
    cut,
    delayed,
    empty,
    joined,
    repeated,
    windows,
)
from dfc.runtime.interpreter.trips import Firings, Rows


def firings(evaluator: Evaluator, counts: tuple[int, ...]) -> Firings:
    """The trips of a node of the graph that runs."""
    return Firings(counts, evaluator.rows[-1])


def body_of(evaluator: Evaluator, op: Compute, args: PythonValues) -> Body:
    """A node's body with its operands."""
    count, counts = len(op.streams), stream.node_trips(op.streams)
    return Body(evaluator, op, counts, args[:count], args[count:])


def store(
    into: Sequence[Array], rank: int, numbers: Array, values: Sequence[Array]
) -> None:
    """Put the tokens of the trips with these numbers into new streams."""
    for tokens, value in zip(into, values, strict=True):
        tokens.reshape(-1, *tokens.shape[rank:])[numbers] = value


def fold(
    evaluator: Evaluator, body: Body, kept: int, made: Sequence[Array]
) -> list[Array]:
    """
    Fire a node that carries states, which start anew with each trip of the first `kept` dimensions.

    What is yielded behind the states goes into the streams `made`. Gives the last states.
    """
    runs = firings(evaluator, body.counts).runs(kept)
    states = [np.stack([start] * len(runs)) for start in initial(body.op)]
    for numbers in runs.T:
        (now,) = np.nonzero(numbers >= 0)
        results = body.fire(numbers[now], [state[now] for state in states])
        for state, value in zip(states, results[: len(states)], strict=True):
            state[now] = value
        store(made, len(body.counts), numbers[now], results[len(states) :])
    return states


def kinds(op: Compute) -> list[StreamType]:
    """The types of a node's results."""
    return [stream_type(result) for result in op.outputs]


@register_impls
class StreamFunctions(InterpreterFunctions):
    """One method per node; a stream is an array with an axis per trip."""

    @impl(stream.GraphOp)
    def graph(
        self, interpreter: Interpreter, op: stream.GraphOp, args: PythonValues
    ) -> PythonValues:
        """On tensors and in a unit that holds it node by node, else on buffers and round cycles token by token."""
        assert isinstance(interpreter, Evaluator)
        rows = None if op.bound is None else Rows(op.bound.data, cast("Any", args))
        interpreter.rows.append(rows)
        if has_cycle(op) or (has_places(op) and not is_held(interpreter, op)):
            results = run_network(interpreter, op)
        else:
            results = interpreter.run_block(op.body.block, ())
        interpreter.rows.pop()
        return results

    @impl(stream.ReadOp)
    def read(
        self, interpreter: Interpreter, op: stream.ReadOp, args: PythonValues
    ) -> PythonValues:
        """All tiles of a tensor or buffer."""
        assert isinstance(interpreter, Evaluator)
        source = args[0]
        if isinstance(source, View):
            source = interpreter.machine.read(source, Step(op, interpreter.place))
        return (cut(stream_type(op.tokens), source),)

    @impl(stream.WriteOp)
    def write(
        self, interpreter: Interpreter, op: stream.WriteOp, args: PythonValues
    ) -> PythonValues:
        """A tensor of tiles, or tiles into a buffer."""
        assert isinstance(interpreter, Evaluator)
        kind = stream_type(op.tokens)
        happen = firings(interpreter, kind.counts)
        if op.target is None:
            shape = shape_of(op.result[0].type)
            return (joined(kind, args[0], shape, happen.numbers),)
        tiles = Tiles(interpreter, op, kind, args[1], happen.trips)
        for trip in happen.trips:
            tiles.push(args[0][trip])
        return ()

    @impl(stream.MapOp)
    def map(
        self, interpreter: Interpreter, op: stream.MapOp, args: PythonValues
    ) -> PythonValues:
        """One firing per trip."""
        assert isinstance(interpreter, Evaluator)
        body = body_of(interpreter, op, args)
        numbers = firings(interpreter, body.counts).numbers
        made = [empty(kind) for kind in kinds(op)]
        store(made, len(body.counts), numbers, body.fire(numbers))
        return tuple(made)

    @impl(stream.ReduceOp)
    def reduce(
        self, interpreter: Interpreter, op: stream.ReduceOp, args: PythonValues
    ) -> PythonValues:
        """One firing per trip; a result whenever the inner trips are through."""
        assert isinstance(interpreter, Evaluator)
        outer = kinds(op)[0].counts
        states = fold(interpreter, body_of(interpreter, op, args), len(outer), ())
        return tuple(state.reshape(*outer, *state.shape[1:]) for state in states)

    @impl(stream.ScanOp)
    def scan(
        self, interpreter: Interpreter, op: stream.ScanOp, args: PythonValues
    ) -> PythonValues:
        """One firing per trip; the states start anew with the inner trips."""
        assert isinstance(interpreter, Evaluator)
        body = body_of(interpreter, op, args)
        made = [empty(kind) for kind in kinds(op)]
        fold(interpreter, body, len(body.counts) - op.over.value.data, made)
        return tuple(made)

    @impl(stream.RepeatOp)
    def repeat(
        self, interpreter: Interpreter, op: stream.RepeatOp, args: PythonValues
    ) -> PythonValues:
        """Each token over the further trips."""
        rank = len(stream_type(op.tokens).counts)
        return (repeated(args[0], rank, stream_type(op.out).counts[rank:]),)

    @impl(stream.WindowOp)
    def window(
        self, interpreter: Interpreter, op: stream.WindowOp, args: PythonValues
    ) -> PythonValues:
        """The last tokens at each trip."""
        rank = len(stream_type(op.tokens).counts)
        fill = 0 if op.fill is None else constant(op.fill)
        return (windows(args[0], rank, op.size.value.data, fill),)

    @impl(stream.ConvertOp)
    def convert(
        self, interpreter: Interpreter, op: stream.ConvertOp, args: PythonValues
    ) -> PythonValues:
        """Other tiles of the same tensor."""
        return (converted(stream_type(op.tokens), stream_type(op.out), args[0]),)

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
        """The same stream, behind the initial tokens: a depth changes no value."""
        assert isinstance(interpreter, Evaluator)
        counts = stream_type(op.out).counts
        initial = [constant(number) for number in op.initial or ()]
        numbers = firings(interpreter, counts).numbers
        return (delayed(args[0], len(counts), initial, numbers),)

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


def has_cycle(graph: stream.GraphOp) -> bool:
    """Whether a node uses a stream that stands below it: what it gives comes back to it."""
    block = graph.body.block
    place = {op: number for number, op in enumerate(block.ops)}
    return any(
        place.get(cast("Any", operand.owner), -1) > number
        for op, number in place.items()
        for operand in op.operands
    )


def has_places(graph: stream.GraphOp) -> bool:
    """Whether a graph writes to buffers."""
    return any(
        isinstance(op, stream.WriteOp) and op.target is not None
        for op in graph.body.block.ops
    )


def is_held(evaluator: Evaluator, graph: stream.GraphOp) -> bool:
    """Whether a unit holds the graph as a whole, FIFOs included: only its ends are bytes of a tier."""
    units = {} if evaluator.target is None else evaluator.target.unit
    names = {
        name
        for op in graph.body.block.ops
        for name in strings(op.properties.get("unit"))
    }
    return any(name in units and units[name].holds_graphs for name in names)
