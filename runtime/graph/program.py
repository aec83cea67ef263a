"""A schedule as a table that compiled code follows: rows of functions to call and loops to close."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfc.runtime.graph.layout import Layout, Words
from dfc.runtime.graph.machine_code import Function, functions_of
from dfc.runtime.graph.step_code import StepCode, queues
from dfc.runtime.graph.steps import Action, Loop, Schedule, Step

LOOP = 0
"""The address in a row that closes a loop."""

HOT = 64
"""A step has a function of its own from this part of all firings on."""

LARGE = 20_000
"""Firings below which no step has a function of its own: compiling it takes longer."""


@dataclass(frozen=True)
class Part:
    """One item of a schedule and its rows; where it is repeated, the last row has the count."""

    item: Step | Loop
    first: int
    end: int


Rows = list[tuple[int, int, int, int]]
"""The number of a function and how often it repeats its step; or LOOP, how often, and back to which row."""


@dataclass(frozen=True)
class Program:
    """A table, with the functions that it calls."""

    table: Words
    parts: tuple[Part, ...]
    functions: Sequence[Function]


class Functions:
    """The functions that a table calls, by their numbers."""

    def __init__(
        self, layout: Layout, hot: set[tuple[Action, ...]], statistics: bool
    ) -> None:
        self.layout, self.hot, self.statistics = layout, hot, statistics
        self.numbers: dict[object, int] = {}
        self.texts: list[str] = []

    def number(self, actions: Sequence[Action], held: dict[int, int]) -> int:
        """The function that repeats these actions."""
        key = (tuple(actions), tuple(sorted(held.items())))
        if key not in self.numbers:
            code = StepCode(self.layout, actions, held, self.statistics)
            self.numbers[key] = len(self.texts)
            self.texts.append(code.function())
        return self.numbers[key]


def program_of(schedule: Schedule, layout: Layout, statistics: bool) -> Program:
    """The program of a schedule."""
    numbers = Functions(layout, hot_steps(schedule), statistics)
    rows: Rows = []
    parts: list[Part] = []
    for item in schedule.items:
        first = len(rows)
        add_rows(item, rows, numbers)
        parts.append(Part(item, first, len(rows)))
    functions = functions_of(numbers.texts)
    table = np.array(rows, np.int64).reshape(-1, 4)
    addresses = np.array([LOOP, *(each.address for each in functions)], np.int64)
    table[:, 0] = addresses[table[:, 0]]
    return Program(table, tuple(parts), functions)


def hot_steps(schedule: Schedule) -> set[tuple[Action, ...]]:
    """The steps that are worth a function of their own."""
    spent: dict[tuple[Action, ...], int] = {}
    for step, times in schedule.steps():
        firings = times * step.firings
        spent[step.actions] = spent.get(step.actions, 0) + firings
    whole = sum(spent.values())
    if whole < LARGE:
        return set()
    return {actions for actions, firings in spent.items() if firings * HOT >= whole}


def add_rows(item: Step | Loop, rows: Rows, functions: Functions) -> None:
    """The rows of an item: one for a step that has its function, else one for each of its firings."""
    first = len(rows)
    if isinstance(item, Loop):
        for each in item.body:
            add_rows(each, rows, functions)
        rows.append((LOOP, item.count, first, 0))
    elif item.actions in functions.hot:
        held = queues(functions.layout, item)
        rows.append((1 + functions.number(item.actions, held), item.count, 0, 0))
    elif len(item.actions) == 1:
        rows.append((1 + functions.number(item.actions, {}), item.count, 0, 0))
    else:
        rows += [(1 + functions.number([a], {}), 1, 0, 0) for a in item.actions]
        if item.count > 1:
            rows.append((LOOP, item.count, first, 0))
