"""What a schedule is made of: firings in steps, steps in loops."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Moves = tuple[tuple[int, int], ...]
"""Tokens by edge."""


@dataclass(frozen=True, eq=False)
class Action:
    """
    A firing in a step: the node, and what it takes and gives by edge, none of it 0.

    Equal ones of a schedule are one object.
    """

    node: int
    takes: Moves
    gives: Moves


@dataclass(frozen=True)
class Step:
    """Actions one after the other, `count` times; `held` are the tokens of each edge before them."""

    actions: tuple[Action, ...]
    held: tuple[int, ...]
    count: int

    @property
    def firings(self) -> int:
        """Firings of all rounds."""
        return self.count * len(self.actions)


@dataclass(frozen=True)
class Loop:
    """Steps and loops, `count` times."""

    body: "tuple[Step | Loop, ...]"
    count: int

    @property
    def firings(self) -> int:
        """Firings of all rounds."""
        return self.count * sum(item.firings for item in self.body)


def actions_of(item: Step | Loop) -> Iterator[Action]:
    """The firings of an item, those of each step once."""
    if isinstance(item, Step):
        yield from item.actions
    else:
        for each in item.body:
            yield from actions_of(each)


def repeated(body: Sequence[Step | Loop], count: int) -> Step | Loop:
    """A body several times; a single step is repeated by itself."""
    first = body[0]
    if len(body) == 1 and isinstance(first, Step):
        return Step(first.actions, first.held, first.count * count)
    return Loop(tuple(body), count)


@dataclass(frozen=True)
class Schedule:
    """
    All firings of a graph; no node fires for the first time in a loop or in a repeated step.

    `rooms` are the most tokens of each edge in this order: its depth where it has one.
    """

    items: tuple[Step | Loop, ...]
    rooms: tuple[int, ...]

    def steps(self) -> Iterator[tuple[Step, int]]:
        """Every step and how often it comes."""
        left: list[tuple[Step | Loop, int]] = [(item, 1) for item in self.items]
        while left:
            item, times = left.pop()
            if isinstance(item, Step):
                yield item, times
            else:
                left += [(each, times * item.count) for each in item.body]
