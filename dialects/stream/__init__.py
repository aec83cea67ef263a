"""The `stream` dialect: nodes that fire on tokens, joined by typed streams and bounded FIFOs."""

from xdsl.ir import Dialect

from dfc.dialects.stream.edges import FifoOp, ForkOp, ReadOp, WriteOp
from dfc.dialects.stream.graph import GraphOp, YieldOp
from dfc.dialects.stream.nodes import IndexOp, MapOp, ReduceOp, body_yield, node_trips
from dfc.dialects.stream.tiles import covers, tile_ranges
from dfc.dialects.stream.types import StreamType, stream_type

__all__ = [
    "FifoOp",
    "ForkOp",
    "GraphOp",
    "IndexOp",
    "MapOp",
    "ReadOp",
    "ReduceOp",
    "Stream",
    "StreamType",
    "WriteOp",
    "YieldOp",
    "body_yield",
    "covers",
    "node_trips",
    "stream_type",
    "tile_ranges",
]

Stream = Dialect(
    "stream",
    [
        GraphOp,
        ReadOp,
        WriteOp,
        MapOp,
        ReduceOp,
        ForkOp,
        FifoOp,
        IndexOp,
        YieldOp,
    ],
    [StreamType],
)
