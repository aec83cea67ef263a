"""The `stream` dialect: nodes that fire on tokens, joined by typed streams and bounded FIFOs."""

from xdsl.ir import Dialect

from dfc.dialects.stream.converters import ConvertOp, convert_phases
from dfc.dialects.stream.edges import FifoOp, ForkOp, ReadOp, WriteOp
from dfc.dialects.stream.graph import GraphOp, YieldOp
from dfc.dialects.stream.nodes import IndexOp, MapOp, ReduceOp, body_yield, node_trips
from dfc.dialects.stream.phases import Phases
from dfc.dialects.stream.scans import ScanOp
from dfc.dialects.stream.tiles import covers, tile_ranges
from dfc.dialects.stream.timing import NodeOp, node_name, node_names
from dfc.dialects.stream.types import StreamType, stream_type
from dfc.dialects.stream.windows import RepeatOp, WindowOp, window_map

__all__ = [
    "ConvertOp",
    "FifoOp",
    "ForkOp",
    "GraphOp",
    "IndexOp",
    "MapOp",
    "NodeOp",
    "Phases",
    "ReadOp",
    "ReduceOp",
    "RepeatOp",
    "ScanOp",
    "Stream",
    "StreamType",
    "WindowOp",
    "WriteOp",
    "YieldOp",
    "body_yield",
    "convert_phases",
    "covers",
    "node_name",
    "node_names",
    "node_trips",
    "stream_type",
    "tile_ranges",
    "window_map",
]

Stream = Dialect(
    "stream",
    [
        GraphOp,
        ReadOp,
        WriteOp,
        MapOp,
        ReduceOp,
        ScanOp,
        RepeatOp,
        WindowOp,
        ConvertOp,
        ForkOp,
        FifoOp,
        IndexOp,
        YieldOp,
    ],
    [StreamType],
)
