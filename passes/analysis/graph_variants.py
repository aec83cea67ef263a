"""The graphs that a `stream.graph` can be: one, or one per extreme of its index operands."""

from collections.abc import Iterator, Mapping

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.ir import SSAValue

from dfc.dialects import stream
from dfc.passes.analysis.graph_places import fail
from dfc.runtime.errors import DfcError
from dfc.runtime.graph import Graph
from dfc.runtime.graph.extract import Extraction, graph_of


def graphs_of(module: ModuleOp) -> Iterator[stream.GraphOp]:
    """The stream graphs of a module, in order."""
    return (op for op in module.walk() if isinstance(op, stream.GraphOp))


def constant(value: SSAValue) -> int | None:
    """The number that an index is, where the module says it."""
    if isinstance(value.owner, arith.ConstantOp):
        number = value.owner.value
        return number.value.data if isinstance(number, IntegerAttr) else None
    return None


def extremes(op: stream.GraphOp) -> list[dict[SSAValue, int]]:
    """
    Values of a graph's index operands: the longest rows, and the shortest.

    An index operand is at least 0; one as large as the innermost static count makes every row as
    long as it gets. Without operands, and where all are constants, there is one choice.
    """
    known = {symbol: constant(symbol) for symbol in op.symbols}
    most = max(
        (stream.stream_type(value).counts[-1] for value in streams_of(op)), default=0
    )
    made: list[dict[SSAValue, int]] = []
    for unknown in (most, 0):
        values = {s: unknown if n is None else n for s, n in known.items()}
        if values not in made:
            made.append(values)
    return made


def streams_of(op: stream.GraphOp) -> Iterator[SSAValue]:
    """The streams of all the trips that a graph's bound cuts short."""
    for node in op.body.block.ops:
        for value in node.results:
            if (
                isinstance(value.type, stream.StreamType)
                and len(value.type.counts) == op.bounded_rank
            ):
                yield value


def edge_streams(op: stream.GraphOp) -> Mapping[str, SSAValue]:
    """The stream that each edge of a graph ends in, behind its FIFO, by the name the engine gives it."""
    reading = Extraction(op, extremes(op)[0])
    reading.graph()
    return reading.ends


def variants_of(op: stream.GraphOp) -> list[Graph]:
    """What the engine sees of a graph, for each extreme of its index operands."""
    try:
        return [graph_of(op, values) for values in extremes(op)]
    except DfcError as error:
        fail(op, str(error))
