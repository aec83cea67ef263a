"""Which tiles of a tensor the tokens of a stream are, found without a walk over the tokens where the map is linear."""

from functools import lru_cache
from itertools import product
from math import ceil, prod

from xdsl.ir import SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.stream.types import StreamType, divisors
from dfc.dialects.utils import element, expect, shape

Counts = tuple[int, ...]
"""Trips, or tiles, one number per dimension."""


def is_linear(expr: AffineExpr) -> bool:
    """Whether an expression is a sum of multiples of dimensions and a constant."""
    return not any(divisors(expr))


def steps(expr: AffineExpr, counts: Counts) -> list[tuple[int, int]]:
    """A linear expression's (step, trips) of each dimension that moves it."""
    rank = len(counts)
    start = expr.eval([0] * rank, ())
    moves = [
        (expr.eval([int(d == at) for at in range(rank)], ()) - start, counts[d])
        for d in sorted(expr.used_dims())
    ]
    return [(step, trips) for step, trips in moves if step and trips > 1]


def values(expr: AffineExpr, counts: Counts) -> set[int]:
    """Every value of an expression, by a walk over the trips of its dimensions."""
    used = expr.used_dims()
    trips = [range(n if d in used else 1) for d, n in enumerate(counts)]
    return {expr.eval(at, ()) for at in product(*trips)}


def same_tiles(one: AffineMap, other: AffineMap, counts: Counts) -> bool:
    """Whether two maps give the same tiles, as far as their form shows."""
    rank = len(counts)
    units = [[int(d == at) for at in range(rank)] for d in range(rank)]
    if (one.num_dims, len(one.results)) != (other.num_dims, len(other.results)):
        return False
    return all(
        a == b
        or (
            is_linear(a)
            and is_linear(b)
            and all(a.eval(at, ()) == b.eval(at, ()) for at in ([0] * rank, *units))
        )
        for a, b in zip(one.results, other.results, strict=True)
    )


@lru_cache(maxsize=4096)
def tile_ranges(map: AffineMap, counts: Counts) -> tuple[tuple[int, int], ...]:
    """The smallest and the largest tile coordinate in each dimension of the tensor."""

    def bounds(expr: AffineExpr) -> tuple[int, int]:
        if not is_linear(expr):
            found = values(expr, counts)
            return min(found), max(found)
        start = expr.eval([0] * len(counts), ())
        reach = [step * (trips - 1) for step, trips in steps(expr, counts)]
        return (
            start + sum(r for r in reach if r < 0),
            start + sum(r for r in reach if r > 0),
        )

    return tuple(bounds(expr) for expr in map.results)


def fills(expr: AffineExpr, counts: Counts, extent: int) -> bool:
    """
    Whether an expression takes every value in [0, extent).

    Steps, smallest first, reach a run of values without a hole as long as none is larger than the
    run; a larger one leaves the value after the run out. A trip down is one up from its last value.
    """
    moves = steps(expr, counts) if is_linear(expr) else []
    down = sum(step * (trips - 1) for step, trips in moves if step < 0)
    low = expr.eval([0] * len(counts), ()) + down
    if low < 0 or not is_linear(expr):
        return values(expr, counts).issuperset(range(extent))
    if low > 0:
        return extent == 0
    reach = 0
    for step, trips in sorted((abs(step), trips) for step, trips in moves):
        if step > reach + 1:
            break
        reach += step * (trips - 1)
    return reach >= extent - 1


@lru_cache(maxsize=4096)
def covers(map: AffineMap, counts: Counts, tiles: Counts) -> bool:
    """Whether every tile of a grid of `tiles` is a token."""
    if prod(tiles) == 0:
        return True
    if prod(counts) < prod(tiles):
        return False
    used = [dim for expr in map.results for dim in expr.used_dims()]
    if len(used) == len(set(used)):
        return all(
            fills(expr, counts, n) for expr, n in zip(map.results, tiles, strict=True)
        )
    found = {map.eval(at, ()) for at in product(*(range(n) for n in counts))}
    return found.issuperset(product(*(range(n) for n in tiles)))


def verify_tiles(stream: StreamType, data: SSAValue) -> None:
    """Check that a stream's tokens are tiles of this tensor or memref, none starting outside."""
    token, extents = stream.token, shape(data)
    if token.element_type != element(data):
        raise VerifyException(
            f"expected tokens of {element(data)}, got {token.element_type}"
        )
    sizes = token.get_shape()
    expect(
        len(sizes) == len(extents),
        f"tokens of rank {len(extents)}",
        f"rank {len(sizes)}",
    )
    ranges = tile_ranges(stream.map.data, stream.counts)
    for (low, high), size, extent in zip(ranges, sizes, extents, strict=True):
        expect(low >= 0, f"tiles within {extent}", f"a tile at {low * size}")
        expect(
            high * size < extent, f"tiles within {extent}", f"a tile at {high * size}"
        )


def verify_cover(stream: StreamType, data: SSAValue) -> None:
    """Check that a stream's tokens are all tiles of this tensor."""
    sizes, extents = stream.token.get_shape(), shape(data)
    tiles = tuple(ceil(n / size) for n, size in zip(extents, sizes, strict=True))
    good = covers(stream.map.data, stream.counts, tiles)
    expect(good, f"tokens for all {prod(tiles)} tiles of the tensor", stream.tokens)


def verify_views(stream: StreamType, data: SSAValue) -> None:
    """Check that a stream's tokens can be views of this buffer: none stands over its edge."""
    ranges = tile_ranges(stream.map.data, stream.counts)
    for (_, high), size, extent in zip(
        ranges, stream.token.get_shape(), shape(data), strict=True
    ):
        end = (high + 1) * size
        expect(end <= extent, f"views within {extent}", f"a view that ends at {end}")
