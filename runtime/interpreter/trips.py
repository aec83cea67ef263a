"""Which trips of a node happen, and in which order a fold or a scan takes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from xdsl.ir.affine import AffineMap

from dfc.runtime.interpreter.dtypes import Array

Trip = tuple[int, ...]


def trip_at(number: int, counts: Sequence[int]) -> Trip:
    """The trip with a number in row-major order."""
    trip: list[int] = []
    for count in reversed(counts):
        number, i = divmod(number, count)
        trip.append(i)
    return tuple(reversed(trip))


@dataclass(frozen=True)
class Rows:
    """How far the innermost trips of a bounded graph go, for each trip of the outer ones."""

    bound: AffineMap
    symbols: tuple[int, ...]

    @property
    def rank(self) -> int:
        """How many trips a stream has that the bound ends."""
        return self.bound.num_dims + 1

    def lengths(self, counts: Sequence[int]) -> Array:
        """The length of each row of these trips, an axis per outer trip: at least 1, at most the count."""
        outer, inner = tuple(counts[:-1]), counts[-1]
        grid = np.indices(outer) if outer else np.zeros(0, np.int64)
        (expr,) = self.bound.results
        found = expr.eval(list(grid), list(self.symbols))  # pyright: ignore[reportArgumentType]
        return np.clip(np.broadcast_to(found, outer), 1, inner)


@dataclass(frozen=True)
class Firings:
    """The trips of a node that happen, by their numbers in row-major order."""

    counts: tuple[int, ...]
    rows: Rows | None = None

    @property
    def bounded(self) -> bool:
        """Whether some of the trips do not happen."""
        return self.rows is not None and self.rows.rank == len(self.counts)

    @property
    def happen(self) -> Array:
        """Whether each trip happens, over the trips."""
        if self.rows is None or not self.bounded:
            return np.ones(self.counts, np.bool_)
        return np.arange(self.counts[-1]) < self.rows.lengths(self.counts)[..., None]

    @property
    def numbers(self) -> Array:
        """The numbers of the trips that happen, in order."""
        if not self.bounded:
            return np.arange(prod(self.counts))
        return np.flatnonzero(self.happen)

    @property
    def trips(self) -> list[Trip]:
        """These trips."""
        return [trip_at(int(number), self.counts) for number in self.numbers]

    def runs(self, kept: int) -> Array:
        """
        The numbers of the trips that each trip of the first `kept` dimensions is made of.

        A row for each of these, in it the numbers in order, -1 behind the last.
        """
        outer = prod(self.counts[:kept])
        happen = self.happen.reshape(outer, -1)
        lengths = happen.sum(1)
        runs = np.full((outer, lengths.max(initial=0)), -1)
        runs[np.arange(runs.shape[1]) < lengths[:, None]] = self.numbers
        return runs
