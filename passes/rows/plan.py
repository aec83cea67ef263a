"""The loops over a row that a program takes: what each folds, stores, and keeps for those behind it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from dfc.passes.native.code import size_bytes
from dfc.passes.rows.graph import Apply, Fold, Node, Result, RowProgram
from dfc.passes.rows.ops import cost, is_stored, working

WORTH = 6
"""Instructions from which on a value that is needed again is kept rather than computed again."""

ROOM = 1 << 17
"""Bytes of a stack that kept rows may take."""


@dataclass
class Loop:
    """One loop over the columns."""

    folds: list[Fold] = field(default_factory=list[Fold])
    rows: list[Result] = field(default_factory=list[Result])
    kept: list[Node] = field(default_factory=list[Node])

    def roots(self) -> list[Node]:
        """What the loop must compute."""
        return [*(each.inputs[0] for each in self.folds), *(r.node for r in self.rows)]


@dataclass
class Plan:
    """The loops in order; which loop first makes a value that later ones read, and where."""

    loops: list[Loop]
    first: dict[Node, int]
    places: dict[Node, int | Result]
    """Bytes behind the start of the room, or the result that the value is."""
    room: int


def below(roots: Iterable[Node]) -> list[Node]:
    """Some nodes and all that they are made of, each behind its inputs."""
    found: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node not in found:
            for each in node.inputs:
                visit(each)
            found[node] = None

    for root in roots:
        visit(root)
    return list(found)


def plan(program: RowProgram) -> Plan:
    """Loops as few as the folds that depend on one another allow."""
    nodes = below(result.node for result in program.results)
    ready: dict[Node, int] = {}
    for node in nodes:
        first = max((ready[each] for each in node.inputs), default=0)
        ready[node] = first + isinstance(node, Fold)
    rows = [result for result in program.results if result.is_row]
    folds = [node for node in nodes if isinstance(node, Fold)]
    last = max(
        [*(ready[f] - 1 for f in folds), *(ready[r.node] for r in rows)], default=-1
    )
    loops = [Loop() for _ in range(last + 1)]
    for fold in folds:
        loops[ready[fold] - 1].folds.append(fold)
    for row in rows:
        loops[ready[row.node]].rows.append(row)
    return Keeper(program.columns, loops, {row.node: row for row in rows}).plan()


@dataclass
class Keeper:
    """Finds what is computed in two loops: a row that is stored anyway is read again, a dear one is kept."""

    columns: int
    loops: list[Loop]
    stored: dict[Node, Result]
    first: dict[Node, int] = field(default_factory=dict[Node, int])
    last: dict[Node, int] = field(default_factory=dict[Node, int])

    def plan(self) -> Plan:
        """The loops with what they keep."""
        for number, loop in enumerate(self.loops):
            seen: set[Node] = set()
            for root in loop.roots():
                self.visit(root, number, seen)
        places: dict[Node, int | Result] = {
            node: self.stored[node] for node in self.last if node in self.stored
        }
        room = self.place(places)
        first = {node: self.first[node] for node in places}
        return Plan(self.loops, first, places, room)

    def visit(self, node: Node, number: int, seen: set[Node]) -> None:
        """Note that a loop computes a value, or reads it where an earlier one did and it is worth that."""
        if node in seen or not node.by_column or not isinstance(node, Apply):
            return
        seen.add(node)
        if self.first.setdefault(node, number) < number and is_worth(node):
            self.last[node] = number
            return
        for each in node.inputs:
            self.visit(each, number, seen)

    def place(self, places: dict[Node, int | Result]) -> int:
        """Give kept rows room, in that of rows that no later loop reads; how much is taken."""
        taken: list[tuple[int, int, int]] = []
        room = 0
        for node in sorted(self.last, key=lambda node: self.first[node]):
            if node in places:
                continue
            size = -(-self.columns * size_bytes(working(node.kind)) // 64) * 64
            free = [
                slot
                for slot in taken
                if slot[1] == size and slot[2] <= self.first[node]
            ]
            at = free[0][0] if free else room
            if at + size > ROOM:
                continue
            if free:
                taken.remove(free[0])
            room = max(room, at + size)
            taken.append((at, size, self.last[node]))
            places[node] = at
            self.loops[self.first[node]].kept.append(node)
        return room


def is_worth(node: Node) -> bool:
    """Whether reading a value is cheaper than computing it."""
    return node.by_token and is_stored(node.kind) and effort(node) >= WORTH


def effort(node: Node) -> int:
    """About how many instructions the elements of a row take, from what is read."""
    found: set[Node] = set()

    def visit(each: Node) -> None:
        if each not in found and each.by_column:
            found.add(each)
            for below in each.inputs:
                visit(below)

    visit(node)
    return sum(cost(n.op, n.kind) if isinstance(n, Apply) else 2 for n in found)
