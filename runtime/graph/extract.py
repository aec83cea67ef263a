"""The engine's graph of a `stream.graph`: its nodes, its edges and their rates."""

from collections.abc import Mapping
from typing import TypeGuard

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Operation, SSAValue

from dfc.dialects.stream import (
    ConvertOp,
    FifoOp,
    ForkOp,
    GraphOp,
    MapOp,
    NodeOp,
    ReadOp,
    ReduceOp,
    RepeatOp,
    ScanOp,
    StreamType,
    WindowOp,
    WriteOp,
    convert_phases,
    node_names,
    node_trips,
    stream_type,
)
from dfc.dialects.stream.phases import Phases
from dfc.dialects.ternary import TritType
from dfc.runtime.errors import ExecutionError
from dfc.runtime.graph.model import Edge, Graph, Node, Rate
from dfc.runtime.graph.trips import Nest, Trips
from dfc.runtime.machine.structure import element_bytes

SHORT = 2
"""Tokens of a FIFO that nobody sized."""


def graph_of(op: GraphOp, controls: Mapping[SSAValue, int] | None = None) -> Graph:
    """
    The nodes and edges of a graph, in its order.

    Operands and results that are read or written in place are neither; a `stream.fifo` is its
    edge. An edge is named by its FIFO's label, else `producer->consumer`. `controls` are the
    values of the bound's symbols. Errors: `ExecutionError` for a symbol without a value.
    """
    return Extraction(op, controls or {}).graph()


class Extraction:
    """One reading of a graph; `ends` is the stream that the target of each edge takes, by the edge's name."""

    def __init__(self, op: GraphOp, controls: Mapping[SSAValue, int]) -> None:
        self.op = op
        self.names = node_names(op)
        self.nest = nest_of(op, controls)
        self.nodes = [each for each in op.body.block.ops if is_node(each)]
        self.edges: list[Edge] = []
        self.ends: dict[str, SSAValue] = {}

    def graph(self) -> Graph:
        """The nodes, and an edge for each stream between two of them."""
        for node in self.nodes:
            for result in node.results:
                if isinstance(result.type, StreamType):
                    self.follow(node, result)
        return Graph(tuple(map(self.node, self.nodes)), tuple(self.edges))

    def node(self, op: NodeOp) -> Node:
        """A node and how often it fires."""
        if isinstance(op, ConvertOp):
            phases = self.phases(op)
            firings = phases.periods * phases.firings
        else:
            firings = self.nest.firings(trips_of(op))
        return Node(self.names[op], firings, op.latency_cycles, op.interval_cycles)

    def follow(self, source: NodeOp, result: SSAValue) -> None:
        """Add the edge that a stream is, if a node takes it."""
        use = next(iter(result.uses), None)
        fifo = None if use is None else use.operation
        end = result
        if isinstance(fifo, FifoOp):
            end = fifo.out
            use = next(iter(end.uses), None)
            if use is not None and isinstance(use.operation, FifoOp):
                raise ExecutionError(
                    f"expected one `stream.fifo` behind `{self.names[source]}`, got two in a row"
                )
        if use is None or not is_node(use.operation):
            return
        target = use.operation
        ends = f"{self.names[source]}->{self.names[target]}"
        sized = fifo if isinstance(fifo, FifoOp) else None
        label = "" if sized is None or sized.label is None else sized.label.data
        name = self.unique(label or ends)
        self.ends[name] = end
        self.edges.append(
            Edge(
                name,
                self.names[source],
                self.names[target],
                self.gives(source, result),
                self.takes(target, end),
                SHORT if sized is None else sized.depth.value.data,
                0 if sized is None else len(sized.initial or ()),
                token_bytes(stream_type(result).token),
            )
        )

    def unique(self, name: str) -> str:
        """A name that no edge has yet: two streams between two nodes are numbered."""
        made, number = name, 1
        while made in self.ends:
            number += 1
            made = f"{name}#{number}"
        return made

    def gives(self, op: NodeOp, result: SSAValue) -> Rate:
        """When a node gives the tokens of a result."""
        if isinstance(op, ConvertOp):
            return Rate(self.phases(op).give)
        return self.nest.last(trips_of(op), len(stream_type(result).counts))

    def takes(self, op: NodeOp, operand: SSAValue) -> Rate:
        """When a node takes the tokens of an operand."""
        if isinstance(op, ConvertOp):
            return Rate(self.phases(op).take)
        return self.nest.first(trips_of(op), len(stream_type(operand).counts))

    def phases(self, op: ConvertOp) -> Phases:
        """When a converter takes and gives; under a bound its rows would have to be equal."""
        ranks = (len(stream_type(end).counts) for end in (op.tokens, op.out))
        if self.nest.rank is not None and self.nest.rank in ranks:
            raise ExecutionError(
                f"expected `{self.names[op]}` on streams that the bound does not end, got one of all trips"
            )
        return convert_phases(op)


def is_node(op: Operation) -> TypeGuard[NodeOp]:
    """Whether an op fires: a node of the dialect that is not read or written in place."""
    placed = isinstance(op, ReadOp | WriteOp) and op.in_place is not None
    return isinstance(op, NodeOp) and not placed


def trips_of(op: NodeOp) -> Trips:
    """The trips over which a node fires."""
    match op:
        case ReadOp() | WriteOp() | ForkOp():
            return stream_type(op.tokens).counts
        case RepeatOp() | WindowOp():
            return stream_type(op.out).counts
        case MapOp() | ReduceOp() | ScanOp():
            return node_trips(op.streams)
        case _:
            raise ExecutionError(f"expected a node of a graph, got `{op.name}`")


def nest_of(op: GraphOp, controls: Mapping[SSAValue, int]) -> Nest:
    """The trips of a graph, with the bound's symbols known."""
    if op.bound is None:
        return Nest()
    for symbol in op.symbols:
        if symbol not in controls:
            name = symbol.name_hint or "value"
            raise ExecutionError(
                f"expected a number for `%{name}` of the bound of `stream.graph`, got none"
            )
    return Nest(op.bound.data, [controls[symbol] for symbol in op.symbols])


def token_bytes(token: TensorType[Attribute]) -> int:
    """Bytes of one token; trits have no size of their own and count 0."""
    kind = token.element_type
    return (
        0 if isinstance(kind, TritType) else token.element_count() * element_bytes(kind)
    )
