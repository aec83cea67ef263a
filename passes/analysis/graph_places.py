"""
A placed `stream.graph` as nodes and the places between them where tokens stand.

A *place* is a FIFO's slots or the tiles of a buffer. Launches of a node fill it, or a copy from
another place does; launches and copies empty it. A `read` that is not in place is a buffer's place
that a copy empties into the FIFO behind it; a `write` that is not in place is one that a copy fills.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import stream
from dfc.dialects.stream import StreamType


@dataclass(eq=False)
class Node:
    """A `map` or `reduce`: what it reads, in operand order, and where each result goes."""

    op: stream.MapOp | stream.ReduceOp
    inputs: list[Place] = field(default_factory=list["Place"])
    outputs: list[list[Place]] = field(default_factory=list["list[Place]"])

    @property
    def trips(self) -> tuple[int, ...]:
        """The trips of its launches."""
        return stream.node_trips(self.op.streams)

    @property
    def depth(self) -> int:
        """How many loops stand around its launches."""
        return len(self.trips)

    @property
    def unit(self) -> str:
        """The unit it runs on."""
        if self.op.unit is None:
            fail(self.op, f"expected a unit on `{self.op.name}`, got none")
        return self.op.unit.data

    @property
    def reduces(self) -> bool:
        """Whether results are accumulated over the inner trips."""
        return isinstance(self.op, stream.ReduceOp)


@dataclass(eq=False)
class Place:
    """Where the tokens of a stretch of an edge stand."""

    op: stream.FifoOp | stream.ReadOp | stream.WriteOp
    type: StreamType
    buffer: SSAValue | None = None
    maker: Node | None = None
    source: Place | None = None
    readers: list[Node | Place] = field(default_factory=list["Node | Place"])

    @property
    def depth(self) -> int:
        """How many loops stand around one token."""
        return len(self.type.counts)

    @property
    def slots(self) -> int:
        """How many tokens a FIFO holds; 0 for a buffer."""
        return self.op.depth.value.data if isinstance(self.op, stream.FifoOp) else 0

    @property
    def tier(self) -> str:
        """The tier of a FIFO."""
        op = self.op
        assert isinstance(op, stream.FifoOp)
        if op.tier is None:
            fail(op, "expected a FIFO in a tier, got none; run place-buffers")
        return op.tier.data

    @property
    def offset(self) -> int:
        """The byte offset of a FIFO in its tier."""
        op = self.op
        assert isinstance(op, stream.FifoOp)
        if op.offset_bytes is None:
            fail(op, "expected a FIFO with an offset, got none; run place-buffers")
        return op.offset_bytes.value.data


Item = Node | Place
"""What stands in the loop nest: a node's launch, or the copy that fills a place."""


def fail(op: Operation, message: str) -> NoReturn:
    """Stop the pass at this op."""
    op.emit_error(message, PassFailedException(message))
    raise AssertionError("emit_error raises")


TURNS = (
    stream.ReadOp, stream.MapOp, stream.ReduceOp, stream.ForkOp, stream.FifoOp,
    stream.WriteOp,
)  # fmt: skip
"""What loops of copies and launches can run, on units that take turns."""


def expect_turns(graph: stream.GraphOp) -> None:
    """Stop the pass at what only a unit that holds the graph as a whole can run."""
    what = "on units that take turns, not on one that holds a graph as a whole"
    if graph.bound is not None:
        fail(graph, f"expected rows that all have one length {what}, got a `bound`")
    for op in graph.body.block.ops:
        if isinstance(op, stream.NodeOp) and not isinstance(op, TURNS):
            known = ", ".join(each.name.partition(".")[2] for each in TURNS)
            fail(op, f"expected nodes of {known} {what}, got `{op.name}`")
        if isinstance(op, stream.FifoOp) and op.initial is not None:
            fail(op, f"expected an empty FIFO {what}, got one with initial tokens")


@dataclass
class Graph:
    """The nodes of a graph and the places of its edges, each in the order of the text."""

    nodes: list[Node]
    places: list[Place]
    items: list[Item]

    @property
    def trips(self) -> tuple[int, ...]:
        """The trips of the loop nest."""
        return max((node.trips for node in self.nodes), key=len, default=())

    def copied_in(self) -> list[Place]:
        """The FIFOs that copies fill from a buffer: their copies may run ahead of the nodes."""
        return [
            p
            for p in self.places
            if p.source is not None and p.source.buffer is not None
        ]


@dataclass(eq=False)
class _Made:
    """A node's result before it has a place."""

    node: Node
    index: int


def graph_of(op: stream.GraphOp) -> Graph:
    """The nodes and places of a placed graph."""
    expect_turns(op)
    made: dict[SSAValue, Place | _Made] = {}
    graph = Graph([], [], [])
    for inner in _body(op).ops:
        if isinstance(inner, stream.MapOp | stream.ReduceOp):
            _add_node(graph, inner, made)
        elif isinstance(inner, stream.ReadOp):
            place = Place(inner, stream.stream_type(inner.tokens), inner.source)
            graph.places.append(place)
            made[inner.tokens] = place
        elif isinstance(inner, stream.ForkOp):
            made |= {copy: made[inner.tokens] for copy in inner.copies}
        elif isinstance(inner, stream.FifoOp):
            made[inner.out] = _add_place(graph, inner, made[inner.tokens], None)
        elif isinstance(inner, stream.WriteOp):
            _add_place(graph, inner, made[inner.tokens], inner.target)
    _check(graph)
    return graph


def _body(op: stream.GraphOp) -> Block:
    return op.body.block


def _add_node(
    graph: Graph,
    op: stream.MapOp | stream.ReduceOp,
    made: dict[SSAValue, Place | _Made],
) -> None:
    node = Node(op, outputs=[[] for _ in op.outputs])
    for operand in op.streams:
        place = made[operand]
        if isinstance(place, _Made):
            fail(op, "expected a FIFO between two nodes, got none; run place-buffers")
        place.readers.append(node)
        node.inputs.append(place)
    graph.nodes.append(node)
    graph.items.append(node)
    for index, result in enumerate(op.outputs):
        made[result] = _Made(node, index)


def _add_place(
    graph: Graph,
    op: stream.FifoOp | stream.WriteOp,
    above: Place | _Made,
    buffer: SSAValue | None,
) -> Place:
    """A FIFO or a written buffer, filled by a launch when nothing stands above it, else by a copy."""
    place = Place(op, stream.stream_type(op.tokens), buffer)
    graph.places.append(place)
    if isinstance(above, _Made):
        place.maker = above.node
        above.node.outputs[above.index].append(place)
    else:
        place.source = above
        above.readers.append(place)
        graph.items.append(place)
    return place


def _check(graph: Graph) -> None:
    """Check that in-place marks agree with where the tokens stand, and that the nodes share one nest."""
    trips = graph.trips
    for place in graph.places:
        if isinstance(place.op, stream.FifoOp):
            continue
        direct = (
            any(isinstance(reader, Node) for reader in place.readers)
            or place.maker is not None
        )
        if direct and place.op.in_place is None:
            fail(place.op, "expected a FIFO between a buffer and a node, or `in_place`")
    for node in graph.nodes:
        if node.trips != trips[: node.depth]:
            fail(
                node.op,
                f"expected trips that are a prefix of {list(trips)}, got {list(node.trips)}",
            )


def in_order(
    items: Sequence[Item], depth: int
) -> tuple[list[Item], list[Item], list[Item]]:
    """Items of this depth before the loop, the items inside it, and those of this depth behind it."""
    inner = [item for item in items if item.depth > depth]
    late: set[Item] = set(inner)
    before: list[Item] = []
    after: list[Item] = []
    for item in items:
        if item.depth > depth:
            if late & set(_needs(item)) - set(inner):
                name = item.op.name
                fail(item.op, f"`{name}` needs a result of the whole loop it stands in")
            continue
        needed = late & set(_needs(item))
        (after if needed else before).append(item)
        if needed:
            late.add(item)
    return before, inner, after


def _needs(item: Item) -> list[Item]:
    """The items that make what an item reads."""
    places = item.inputs if isinstance(item, Node) else [item.source]
    found: list[Item] = []
    for place in places:
        if place is not None:
            found += [item for item in (place.maker,) if item is not None]
            found += [place] if place.source is not None else []
    return found
