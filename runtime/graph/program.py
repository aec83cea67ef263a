"""A schedule as a table that compiled code follows: rows of functions to call and loops to close."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dfc.runtime.graph.layout import Layout, Words
from dfc.runtime.graph.schedule import Action, Loop, Schedule, Step
from dfc.runtime.graph.step_code import StepCode, queues

LOOP = -1
"""The operation of a row that closes a loop; others are numbers of functions."""

HOT = 64
"""A step has a function of its own from this part of all firings on."""

LARGE = 20_000
"""Firings below which no step has a function of its own: compiling it takes longer."""

DRIVER = """
func.func @run(%state: !llvm.ptr, %table: !llvm.ptr, %first: i64, %end: i64) {{
  %none = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %words = arith.constant 4 : i64
  cf.br ^head(%first : i64)
^head(%row: i64):
  %more = arith.cmpi slt, %row, %end : i64
  cf.cond_br %more, ^read, ^exit
^read:
  %next = arith.addi %row, %one : i64
  %at = arith.muli %row, %words : i64
  %here = llvm.getelementptr %table[%at] : (!llvm.ptr, i64) -> !llvm.ptr, i64
  %op = llvm.load %here : !llvm.ptr -> i64
  %counts = llvm.getelementptr %here[1] : (!llvm.ptr) -> !llvm.ptr, i64
  %count = llvm.load %counts : !llvm.ptr -> i64
  cf.switch %op : i64, [default: ^loop{cases}]
{blocks}
^loop:
  %backs = llvm.getelementptr %here[2] : (!llvm.ptr) -> !llvm.ptr, i64
  %back = llvm.load %backs : !llvm.ptr -> i64
  %dones = llvm.getelementptr %here[3] : (!llvm.ptr) -> !llvm.ptr, i64
  %done = llvm.load %dones : !llvm.ptr -> i64
  %now = arith.addi %done, %one : i64
  %again = arith.cmpi slt, %now, %count : i64
  %kept = arith.select %again, %now, %none : i64
  llvm.store %kept, %dones : i64, !llvm.ptr
  %to = arith.select %again, %back, %next : i64
  cf.br ^head(%to : i64)
^exit:
  func.return
}}
"""


@dataclass(frozen=True)
class Part:
    """One item of a schedule and its rows; where it is repeated, the last row has the count."""

    item: Step | Loop
    first: int
    end: int


@dataclass(frozen=True)
class Program:
    """Code and the table that it follows; the code is the same for graphs that differ in lengths only."""

    text: str
    table: Words
    parts: tuple[Part, ...]


class Functions:
    """The functions of a program, by what they do."""

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
            number = self.numbers[key] = len(self.texts)
            code = StepCode(self.layout, actions, held, self.statistics)
            self.texts.append(code.function(f"f{number}"))
        return self.numbers[key]

    def text(self) -> str:
        """The functions and the one that follows a table."""
        numbers = range(len(self.texts))
        cases = "".join(f", {n}: ^f{n}" for n in numbers)
        blocks = "\n".join(
            f"^f{n}:\n  func.call @f{n}(%state, %count) : (!llvm.ptr, i64) -> ()\n"
            "  cf.br ^head(%next : i64)"
            for n in numbers
        )
        return "\n".join([*self.texts, DRIVER.format(cases=cases, blocks=blocks)])


def program_of(schedule: Schedule, layout: Layout, statistics: bool) -> Program:
    """The program of a schedule."""
    functions = Functions(layout, hot_steps(schedule), statistics)
    rows: list[tuple[int, int, int, int]] = []
    parts: list[Part] = []
    for item in schedule.items:
        first = len(rows)
        add_rows(item, rows, functions)
        parts.append(Part(item, first, len(rows)))
    table = np.array(rows, np.int64).reshape(-1, 4)
    return Program(functions.text(), table, tuple(parts))


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


def add_rows(
    item: Step | Loop, rows: list[tuple[int, int, int, int]], functions: Functions
) -> None:
    """The rows of an item: one for a step that has its function, else one for each of its firings."""
    first = len(rows)
    if isinstance(item, Loop):
        for each in item.body:
            add_rows(each, rows, functions)
        rows.append((LOOP, item.count, first, 0))
    elif item.actions in functions.hot:
        held = queues(functions.layout, item)
        rows.append((functions.number(item.actions, held), item.count, 0, 0))
    elif len(item.actions) == 1:
        rows.append((functions.number(item.actions, {}), item.count, 0, 0))
    else:
        rows += [(functions.number([a], {}), 1, 0, 0) for a in item.actions]
        if item.count > 1:
            rows.append((LOOP, item.count, first, 0))
