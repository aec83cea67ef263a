"""
Max-plus maps from times to times, and what the critical path between two of them is made of.

A program without data-dependent order is linear over (max, +): each time after it is the
maximum, over the times before it, of that time plus a constant. A `Transform` holds these
constants, so a function's is made once for all calls whatever state they meet, and n rounds of
a loop are its n-th power. Beside each constant stands how it came about, unfolded only for the
entries that are asked for.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dfc.runtime.simulator.timing import Category, Spent
from dfc.runtime.simulator.timing import Counter as Quantity

NEVER = -(2**60)
"""The time of what has not to be waited for."""

Vector = NDArray[np.int64]
Composition = Mapping[Category, int]


class Row:
    """One time after a program, as constants over the times before it."""

    __slots__ = ("values",)

    def __init__(self, values: Vector) -> None:
        self.values = values

    def back(self, column: int) -> "tuple[Row, int, Spent] | None":
        """The time that set this one, its column, and what was spent between; none at the beginning."""
        raise NotImplementedError

    def inner(self, column: int) -> Composition:
        """What was spent inside a transform that made this row."""
        return {}


class Input(Row):
    """A time before the program."""

    __slots__ = ("index",)

    def __init__(self, index: int, size: int) -> None:
        values = np.full(size, NEVER, np.int64)
        values[index] = 0
        super().__init__(values)
        self.index = index

    def back(self, column: int) -> None:
        return None


class Never(Row):
    """A time that nothing waits for."""

    __slots__ = ()

    def __init__(self, size: int) -> None:
        super().__init__(np.full(size, NEVER, np.int64))

    def back(self, column: int) -> None:
        return None


class Latest(Row):
    """The latest of several times."""

    __slots__ = ("choice", "rows")
    rows: Sequence[Row]

    def __init__(self, rows: Sequence[Row]) -> None:
        table = np.array([row.values for row in rows])
        self.rows = rows
        self.choice: NDArray[np.intp] = table.argmax(0)
        super().__init__(table.max(0))

    def back(self, column: int) -> tuple[Row, int, Spent]:
        return self.rows[int(self.choice[column])], column, ()


class Later(Row):
    """A time and what is spent after it."""

    __slots__ = ("row", "spent")

    def __init__(self, row: Row, spent: Spent) -> None:
        super().__init__(row.values + sum(ticks for _, ticks in spent))
        self.row, self.spent = row, spent

    def back(self, column: int) -> tuple[Row, int, Spent]:
        return self.row, column, self.spent


class Applied(Row):
    """A time after a transform of other times."""

    __slots__ = ("choice", "index", "rows", "transform")
    rows: Sequence[Row]

    def __init__(
        self,
        transform: "Transform",
        index: int,
        rows: Sequence[Row],
        values: Vector,
        choice: NDArray[np.intp],
    ) -> None:
        super().__init__(values)
        self.transform, self.index, self.rows = transform, index, rows
        self.choice = choice

    def back(self, column: int) -> tuple[Row, int, Spent]:
        # the column stays: what changes is which of the rows before was the latest
        return self.rows[int(self.choice[column])], column, ()

    def inner(self, column: int) -> Composition:
        return self.transform.explain(self.index, int(self.choice[column]))


class Transform:
    """Times after as constants over times before, and the quantities that add up in between."""

    def __init__(
        self, rows: Sequence[Row], columns: int, counters: Mapping[Quantity, float]
    ) -> None:
        self.rows = list(rows)
        self.columns = columns
        self.counters = counters
        self.values = np.array([row.values for row in rows], np.int64)
        self.values = self.values.reshape(len(self.rows), columns)
        self.changed = [
            index for index, row in enumerate(rows) if not isinstance(row, Input)
        ]
        self._explained: dict[tuple[int, int], Composition] = {}
        self._powers: dict[int, Transform] = {1: self}

    def apply(self, rows: Sequence[Row]) -> list[Row]:
        """These times after the program."""
        made: list[Row] = [
            rows[row.index] if isinstance(row, Input) else row for row in self.rows
        ]
        if not self.changed:
            return made
        before = np.array([row.values for row in rows])
        sums = self.values[self.changed][:, :, None] + before[None, :, :]
        choice = sums.argmax(1)
        values = np.maximum(sums.max(1), NEVER)
        for at, index in enumerate(self.changed):
            made[index] = Applied(self, index, rows, values[at], choice[at])
        return made

    def power(self, count: int) -> "Transform":
        """The program this many times in a row; its times before and after are the same ones."""
        if count not in self._powers:
            half = self.power(count // 2)
            rest = half if count % 2 == 0 else self.power(count - count // 2)
            self._powers[count] = half.then(rest)
        return self._powers[count]

    def then(self, other: "Transform") -> "Transform":
        """This program, then another."""
        counters = Counter[Quantity]()
        for part in (self, other):
            add_counters(counters, part.counters, 1)
        return Transform(other.apply(self.rows), self.columns, counters)

    def explain(self, index: int, column: int) -> Composition:
        """What the time from one time before to one after is made of; the parts add up to it."""
        key = (index, column)
        if key not in self._explained:
            self._explained[key] = explain(self.rows[index], column)
        return self._explained[key]


def explain(row: Row, column: int) -> Composition:
    """What a row's constant is made of, along the critical path."""
    found: Counter[Category] = Counter()
    at: Row = row
    while True:
        for category, ticks in at.inner(column).items():
            found[category] += ticks
        step = at.back(column)
        if step is None:
            return found
        at, column, spent = step
        for category, ticks in spent:
            found[category] += ticks


def add_counters(
    total: Counter[Quantity], more: Mapping[Quantity, float], times: int
) -> None:
    """Add quantities, this many times over."""
    for key, amount in more.items():
        total[key] += amount * times  # pyright: ignore[reportArgumentType]
