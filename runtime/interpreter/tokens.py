"""Whole streams: arrays with an axis per trip, then the axes of a token."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from xdsl.ir.affine import AffineMap

from dfc.dialects.stream import StreamType
from dfc.dialects.stream.tiles import is_linear
from dfc.runtime.interpreter.affine import evaluate
from dfc.runtime.interpreter.dtypes import Array, dtype_of, shape_of


def empty(kind: StreamType) -> Array:
    """A stream of zeros, to be filled in."""
    return np.zeros((*kind.counts, *shape_of(kind.token)), dtype_of(kind.token))


def in_tiles(tensor: Array, sizes: Sequence[int]) -> Array:
    """A tensor with an axis per tile coordinate, then those of a tile: a view where no tile stands over."""
    grid = [ceil(n / size) for n, size in zip(tensor.shape, sizes, strict=True)]
    over = [
        (0, tiles * size - n)
        for n, tiles, size in zip(tensor.shape, grid, sizes, strict=True)
    ]
    padded = np.pad(tensor, over) if any(end for _, end in over) else tensor
    split = [n for pair in zip(grid, sizes, strict=True) for n in pair]
    rank = len(grid)
    order = [*range(0, 2 * rank, 2), *range(1, 2 * rank, 2)]
    return padded.reshape(split).transpose(order)


def coordinates(tiles: AffineMap, counts: Sequence[int]) -> tuple[Array, ...]:
    """The tile coordinates of every trip, an array over the trips for each dimension."""
    grid: Sequence[Array] = np.ogrid[tuple(slice(n) for n in counts)] if counts else ()
    return tuple(
        np.broadcast_to(evaluate(expr, grid), tuple(counts)) for expr in tiles.results
    )


def cut(kind: StreamType, tensor: Array) -> Array:
    """
    The tokens of a tensor, zero where they stand over.

    A view where the map is linear; else they are copied, but not for trips that do not move them.
    """
    tiles = in_tiles(tensor, shape_of(kind.token))
    one, counts = kind.map.data, kind.counts
    if not all(is_linear(expr) for expr in one.results):
        used = {d for expr in one.results for d in expr.used_dims()}
        moved = [n if d in used else 1 for d, n in enumerate(counts)]
        return np.broadcast_to(
            tiles[coordinates(one, moved)], (*counts, *shape_of(kind.token))
        )
    rank = len(counts)
    start = one.eval([0] * rank, ())
    steps = [
        sum(
            (c - a) * stride
            for c, a, stride in zip(
                one.eval([int(at == d) for at in range(rank)], ()),
                start, tiles.strides[: len(start)], strict=True,
            )
        )
        for d in range(rank)
    ]  # fmt: skip
    dims = len(start)
    first = tiles[(*(slice(a, a + 1) for a in start), ...)]
    return as_strided(
        first,
        (*counts, *tiles.shape[dims:]),
        (*steps, *tiles.strides[dims:]),
        writeable=False,
    )


def joined(
    kind: StreamType, tokens: Array, extents: Sequence[int], numbers: Array
) -> Array:
    """
    A tensor from the tokens of the trips with these numbers; what stands over is dropped.

    A tile that comes twice keeps the token that stands later in `numbers`.
    """
    sizes = shape_of(kind.token)
    grid = [ceil(n / size) for n, size in zip(extents, sizes, strict=True)]
    full = [tiles * size for tiles, size in zip(grid, sizes, strict=True)]
    result = np.zeros(full, tokens.dtype)
    places = coordinates(kind.map.data, kind.counts)
    at = tuple(axis.reshape(-1)[numbers] for axis in places)
    order = np.ravel_multi_index(at, grid) if grid else np.zeros(len(numbers), int)
    _, last = np.unique(order[::-1], return_index=True)
    kept = len(numbers) - 1 - last
    in_tiles(result, sizes)[tuple(axis[kept] for axis in at)] = taken(
        tokens, len(kind.counts), kind.counts, numbers[kept]
    )
    return result[tuple(slice(n) for n in extents)]


def taken(tokens: Array, rank: int, counts: Sequence[int], numbers: Array) -> Array:
    """The tokens that the trips with these numbers use; a stream of fewer trips is held."""
    if not rank:
        return np.broadcast_to(tokens, (len(numbers), *tokens.shape))
    trips = np.unravel_index(numbers, counts)
    return np.ascontiguousarray(tokens[trips[:rank]])


def repeated(tokens: Array, rank: int, more: Sequence[int]) -> Array:
    """Each token over further trips."""
    at = (*[slice(None)] * rank, *[None] * len(more))
    shape = (*tokens.shape[:rank], *more, *tokens.shape[rank:])
    return np.broadcast_to(tokens[at], shape)


def windows(tokens: Array, rank: int, size: int, fill: object) -> Array:
    """The last `size` tokens of the innermost of `rank` trips at each of them, `fill` before the first."""
    ends = [(size - 1, 0) if d == rank - 1 else (0, 0) for d in range(tokens.ndim)]
    padded = np.pad(tokens, ends, constant_values=np.asarray(fill, tokens.dtype))
    return np.moveaxis(sliding_window_view(padded, size, rank - 1), -1, rank)


def delayed(
    tokens: Array, rank: int, initial: Sequence[object], numbers: Array
) -> Array:
    """A stream behind a FIFO with initial tokens: the last ones stay inside."""
    if not initial:
        return tokens
    counts, token = tokens.shape[:rank], tokens.shape[rank:]
    came = taken(tokens, rank, counts, numbers[: max(0, len(numbers) - len(initial))])
    before = [np.full(token, number, tokens.dtype) for number in initial]
    result = np.zeros(tokens.shape, tokens.dtype)
    made = np.concatenate([np.stack(before), came])[: len(numbers)]
    result.reshape(-1, *token)[numbers] = made
    return result
