"""When a converter between two streams over one tensor takes tokens, and when it gives them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby, product
from math import gcd, prod

from xdsl.ir.affine import AffineExpr

from dfc.dialects.stream.tiles import is_linear, tile_ranges
from dfc.dialects.stream.types import StreamType

Runs = tuple[tuple[int, int], ...]
"""(firings, tokens in each of them), one after the other."""
Cell = tuple[int, ...]


@dataclass(frozen=True)
class Phases:
    """
    The firings of one period: at most one token taken and one given in each.

    A period is one trip of the outer dimensions in which both streams move alike.
    """

    periods: int
    take: Runs
    give: Runs
    buffer: int
    """The most tokens of the operand that are held at once, that of the firing included."""

    @property
    def firings(self) -> int:
        """Firings in a period."""
        return sum(count for count, _ in self.take)


@lru_cache(maxsize=256)
def phases_between(source: StreamType, made: StreamType) -> Phases | None:
    """The phases of a converter; None where a result has elements that no token of `source` has."""
    for shared in range(shared_trips(source, made), -1, -1):
        needs = needed(source, made, shared)
        if needs is not None:
            return schedule(source, shared, needs)
    return None


def shared_trips(source: StreamType, made: StreamType) -> int:
    """How many of the outer dimensions have equal trips and move both streams by the same elements."""
    count = 0
    for d, (one, other) in enumerate(zip(source.counts, made.counts, strict=False)):
        if one != other or not moves_alike(source, made, d):
            break
        count += 1
    return count


def moves_alike(source: StreamType, made: StreamType, dim: int) -> bool:
    """Whether a trip of a dimension moves both streams by the same elements, wherever it is."""
    steps = [
        (step(a, dim, n), step(b, dim, m))
        for a, b, n, m in zip(
            source.map.data.results, made.map.data.results,
            source.token.get_shape(), made.token.get_shape(), strict=True,
        )
    ]  # fmt: skip
    return all(a is not None and a == b for a, b in steps)


def step(expr: AffineExpr, dim: int, size: int) -> int | None:
    """The elements that a trip of a dimension moves a coordinate by; None where that varies."""
    if dim not in expr.used_dims():
        return 0
    if not is_linear(expr):
        return None
    dims = [0] * (max(expr.used_dims()) + 1)
    start = expr.eval(dims, ())
    dims[dim] = 1
    return (expr.eval(dims, ()) - start) * size


def cells(
    stream: StreamType, shared: int, sizes: Sequence[int]
) -> Iterator[Iterator[Cell]]:
    """The cells of these sizes that each token of the first period is made of."""
    shape = stream.token.get_shape()
    for trip in product(*(range(n) for n in stream.counts[shared:])):
        at = stream.map.data.eval([0] * shared + list(trip), ())
        yield product(
            *(
                range(c * n // size, (c + 1) * n // size)
                for c, n, size in zip(at, shape, sizes, strict=True)
            )
        )


def needed(source: StreamType, made: StreamType, shared: int) -> list[set[int]] | None:
    """The tokens of `source`, by number in a period, that each result of a period is made of."""
    shapes = source.token.get_shape(), made.token.get_shape()
    sizes = [gcd(a, b) for a, b in zip(*shapes, strict=True)]
    first: dict[Cell, int] = {}
    for number, own in enumerate(cells(source, shared, sizes)):
        for cell in own:
            first.setdefault(cell, number)
    ends = behind(source, shared, sizes)
    found: list[set[int]] = []
    for own in cells(made, shared, sizes):
        needs: set[int] = set()
        for cell in own:
            if cell in first:
                needs.add(first[cell])
            elif all(c < end for c, end in zip(cell, ends, strict=True)):
                return None
        found.append(needs)
    return found


def behind(source: StreamType, shared: int, sizes: Sequence[int]) -> list[float]:
    """The first cell behind the tensor in each dimension; none where the shared trips move it."""
    ranges = tile_ranges(source.map.data, source.counts)
    results, shape = source.map.data.results, source.token.get_shape()
    return [
        float("inf")
        if expr.used_dims() & set(range(shared))
        else (last + 1) * n // size
        for expr, (_, last), n, size in zip(results, ranges, shape, sizes, strict=True)
    ]


def schedule(source: StreamType, shared: int, needs: Sequence[set[int]]) -> Phases:
    """The fewest firings; a result as early as these allow, a token as late."""
    count = prod(source.counts[shared:])
    latest = accumulate((max(need, default=-1) for need in needs), max)
    latest = list(latest)
    gives: list[int] = []
    for last in latest:
        gives.append(max(gives[-1] + 1 if gives else 0, last))
    firings = max(gives[-1] + 1, count)
    takes, at, k = [0] * count, firings, len(needs)
    for token in range(count - 1, -1, -1):
        while k and latest[k - 1] >= token:
            k -= 1
        wanted = gives[k] if k < len(needs) and latest[k] >= token else firings - 1
        takes[token] = at = min(at - 1, wanted)
    held = most_held(takes, gives, needs, firings)
    return Phases(
        prod(source.counts[:shared]), runs(takes, firings), runs(gives, firings), held
    )


def most_held(
    takes: Sequence[int], gives: Sequence[int], needs: Sequence[set[int]], firings: int
) -> int:
    """The most tokens that stand inside at once, from their taking to their last use."""
    until: dict[int, int] = {}
    for at, need in zip(gives, needs, strict=True):
        until.update(dict.fromkeys(need, at))
    change = [0] * (firings + 1)
    for token, at in until.items():
        change[takes[token]] += 1
        change[at + 1] -= 1
    return max(accumulate(change))


def runs(busy: Sequence[int], firings: int) -> Runs:
    """Run lengths of the firings that move a token."""
    moving = set(busy)
    return tuple(
        (len(list(group)), int(moved))
        for moved, group in groupby(at in moving for at in range(firings))
    )
