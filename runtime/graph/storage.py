"""What a graph keeps between firings: tokens in FIFOs, and the state of its nodes."""

from dataclasses import dataclass
from typing import cast

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, SSAValue

from dfc.dialects.stream import (
    ConvertOp,
    FifoOp,
    GraphOp,
    MapOp,
    NodeOp,
    ReduceOp,
    RepeatOp,
    ScanOp,
    WindowOp,
    convert_phases,
    node_trips,
    stream_type,
)
from dfc.runtime.graph.extract import graph_of, is_node, token_bytes


@dataclass(frozen=True)
class Storage:
    """
    The intermediate memory of a graph, in bytes.

    `fifo_bytes` is depth times the bytes of a token over all FIFOs; `state_bytes` holds
    accumulators, states of scans and windows, buffers of converters and held tokens.
    """

    fifo_bytes: int
    state_bytes: int

    @property
    def bytes(self) -> int:
        """Both together."""
        return self.fifo_bytes + self.state_bytes


def storage_of(op: GraphOp) -> Storage:
    """What a graph keeps between firings; operands that are read in place are not part of it."""
    controls = dict.fromkeys(op.symbols, 0)
    edges = graph_of(op, controls).edges
    state = sum(
        state_of(node) for node in op.body.block.ops if isinstance(node, NodeOp)
    )
    return Storage(sum(_held(edge.depth, edge.token_bytes) for edge in edges), state)


def _held(depth: int | None, token: int) -> int:
    assert depth is not None, "every edge of a `stream.graph` has a depth"
    return depth * token


def state_of(op: NodeOp) -> int:
    """Bytes that a node keeps from one firing to the next."""
    match op:
        case MapOp():
            return held_bytes(op)
        case ReduceOp() | ScanOp():
            states = op.body.block.args[: len(op.inits)]
            return sum(_bytes(value) for value in states) + held_bytes(op)
        case WindowOp():
            return op.size.value.data * _token(op.tokens)
        case RepeatOp():
            return _token(op.tokens)
        case ConvertOp():
            return convert_phases(op).buffer * _token(op.tokens)
        case _:
            return 0


def held_bytes(op: MapOp | ReduceOp | ScanOp) -> int:
    """Bytes of the tokens that a node holds over its inner trips; a tensor's own are where they are."""
    rank = len(node_trips(op.streams))
    return sum(
        _token(value)
        for value in op.streams
        if len(stream_type(value).counts) < rank and _is_made(value)
    )


def _is_made(value: SSAValue) -> bool:
    """Whether a stream comes from a node, not from a tensor that is read in place."""
    owner = value.owner
    while isinstance(owner, FifoOp):
        owner = owner.tokens.owner
    return isinstance(owner, NodeOp) and is_node(owner)


def _token(value: SSAValue) -> int:
    return token_bytes(stream_type(value).token)


def _bytes(value: SSAValue) -> int:
    return token_bytes(cast("TensorType[Attribute]", value.type))
