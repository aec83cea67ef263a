"""A stream cut into other tiles, or put into another order."""

import numpy as np

from dfc.dialects.stream import StreamType
from dfc.dialects.stream.tiles import tile_ranges
from dfc.runtime.interpreter.dtypes import Array, shape_of
from dfc.runtime.interpreter.tokens import cut, joined


def extents(kind: StreamType) -> list[int]:
    """Where the last tile of a stream ends in each dimension."""
    ranges = tile_ranges(kind.map.data, kind.counts)
    return [
        (last + 1) * size
        for (_, last), size in zip(ranges, shape_of(kind.token), strict=True)
    ]


def converted(source: StreamType, made: StreamType, tokens: Array) -> Array:
    """The tokens of `made` from those of `source`: the first of a tile that comes twice, 0 behind the last."""
    count = source.tokens
    tensor = joined(source, tokens, extents(source), np.arange(count)[::-1])
    over = [
        (0, max(0, end - have))
        for end, have in zip(extents(made), tensor.shape, strict=True)
    ]
    return cut(made, np.pad(tensor, over))
