"""How often the nodes of a nest of trips fire, and in which firing they take and give."""

from collections.abc import Sequence
from itertools import product
from math import prod

from xdsl.ir.affine import AffineMap

from dfc.runtime.graph.model import Rate

Trips = tuple[int, ...]


class Nest:
    """
    The trips of a graph; with a bound, the innermost of `bound.num_dims + 1` trips ends early.

    The innermost count is then the bound's value for the outer trips, at least 1 and at most the
    static count. Outer trips that the bound does not depend on are not written out: rates repeat.
    """

    def __init__(
        self, bound: AffineMap | None = None, symbols: Sequence[int] = ()
    ) -> None:
        self.bound, self.symbols = bound, list(symbols)
        self.rank = None if bound is None else bound.num_dims + 1
        self._rows: dict[Trips, tuple[int, tuple[int, ...]]] = {}

    def firings(self, trips: Trips) -> int:
        """Firings of a node of these trips."""
        if len(trips) != self.rank:
            return prod(trips)
        first, rows = self.rows(trips)
        return prod(trips[:first]) * sum(rows)

    def first(self, trips: Trips, rank: int) -> Rate:
        """One token in the first firing of each of the outer `rank` trips."""
        blocks = self.blocks(trips, rank)
        return Rate(tuple(run for n in blocks for run in ((1, 1), (n - 1, 0))))

    def last(self, trips: Trips, rank: int) -> Rate:
        """One token in the last firing of each of the outer `rank` trips."""
        blocks = self.blocks(trips, rank)
        return Rate(tuple(run for n in blocks for run in ((n - 1, 0), (1, 1))))

    def blocks(self, trips: Trips, rank: int) -> tuple[int, ...]:
        """Firings in each of the outer `rank` trips, repeated."""
        if rank == len(trips):
            return (1,)
        if len(trips) != self.rank:
            return (prod(trips[rank:]),)
        first, rows = self.rows(trips)
        if rank <= first:
            return (prod(trips[rank:first]) * sum(rows),)
        size = prod(trips[rank:-1])
        return tuple(sum(rows[at : at + size]) for at in range(0, len(rows), size))

    def rows(self, trips: Trips) -> tuple[int, tuple[int, ...]]:
        """The first trip that the bound depends on, and the innermost counts over it and those after it."""
        if trips not in self._rows:
            assert self.bound is not None
            first = min(self.bound.used_dims(), default=len(trips) - 1)
            zeros, most = [0] * first, trips[-1]
            counts = tuple(
                max(1, min(most, self.bound.eval([*zeros, *at], self.symbols)[0]))
                for at in product(*map(range, trips[first:-1]))
            )
            self._rows[trips] = first, counts
        return self._rows[trips]
