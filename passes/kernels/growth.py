"""
Grow groups of ops, step by step the one that saves most traffic.

A step takes a value that moves between kernels and puts everything that reads it, and what stands
between, into the kernel that makes it. So a value that a norm reads twice joins the whole norm,
not the half of it that comes first, and no path leaves a kernel and comes back.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod

from xdsl.ir import Operation, OpResult, SSAValue

from dfc.dialects.utils import shape
from dfc.passes.analysis.unit_choice import Choice, UnitChooser
from dfc.passes.kernels.fusion_graph import FusionGraph, Group
from dfc.passes.kernels.legality import bits, is_legal


@dataclass(frozen=True)
class Step:
    """Groups that become one, and the bytes that then move no more."""

    parts: tuple[Group, ...]
    whole: Group
    saved_bytes: int


class Paths:
    """What depends on what among groups and the ops outside of them, as bit masks."""

    def __init__(self, graph: FusionGraph, group_of: dict[Operation, Group]) -> None:
        groups = (group_of.get(op) or (op,) for op in graph.ops)
        self.nodes = distinct(groups)
        self.number = {
            op: index for index, node in enumerate(self.nodes) for op in node
        }
        below = [
            {
                self.number[o]
                for op in node
                for r in op.results
                for o in graph.readers(r)
            }
            - {index}
            for index, node in enumerate(self.nodes)
        ]
        above: list[set[int]] = [set() for _ in self.nodes]
        for index, users in enumerate(below):
            for user in users:
                above[user].add(index)
        self.below = reached(below, above)
        self.above = reached(above, below)

    def between(self, first: Group, readers: list[Operation]) -> list[Group]:
        """The nodes of `first` and of `readers`, and all on paths from the one to the others."""
        start = self.number[first[0]]
        found = 0
        for op in readers:
            found |= 1 << self.number[op] | self.above[self.number[op]]
        found &= 1 << start | self.below[start]
        return [self.nodes[index] for index in bits_of(found)]


def reached(nexts: list[set[int]], backs: list[set[int]]) -> list[int]:
    """By node, a mask of all that `nexts` leads to; made from the ends back, however long the chains."""
    found = [0] * len(nexts)
    waiting = [len(each) for each in nexts]
    ready = [index for index, count in enumerate(waiting) if not count]
    while ready:
        index = ready.pop()
        for other in nexts[index]:
            found[index] |= 1 << other | found[other]
        for back in backs[index]:
            waiting[back] -= 1
            if not waiting[back]:
                ready.append(back)
    return found


def distinct(groups: Iterable[Group]) -> list[Group]:
    """Each group once, by identity: a tuple's hash is as much work as it has ops."""
    return list({id(group): group for group in groups}.values())


def bits_of(mask: int) -> Iterator[int]:
    """The bits that are set, the lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Growth:
    """
    The groups of one function while they grow.

    What is known of a group is kept under its identity, with the group, and a step under those of its parts:
    a round looks anew only at what the last one changed.
    """

    def __init__(self, graph: FusionGraph, chooser: UnitChooser) -> None:
        self.graph = graph
        self.chooser = chooser
        self.group_of: dict[Operation, Group] = {op: (op,) for op in graph.work}
        self._known: dict[tuple[int, ...], Step] = {}
        self._choices: dict[int, tuple[Group, Choice | None]] = {}
        self._traffic: dict[int, tuple[Group, int]] = {}
        self._outputs: dict[int, tuple[Group, list[OpResult]]] = {}

    @property
    def groups(self) -> list[Group]:
        """The groups as they are now, by their first op."""
        return distinct(self.group_of[op] for op in self.graph.work)

    def choice(self, group: Group) -> Choice | None:
        """The unit of each op of a group, `None` when it cannot be one kernel."""
        found = self._choices.get(id(group))
        if found is None:
            legal = is_legal(self.graph, group)
            found = group, self.chooser.choose(group) if legal else None
            self._choices[id(group)] = found
        return found[1]

    def chosen(self, group: Group) -> Choice:
        """The unit of each op of a group that is a kernel."""
        found = self.choice(group)
        assert found is not None
        return found

    def grow(self) -> None:
        """Take steps until no legal one saves anything."""
        while (step := self._best()) is not None:
            self.group_of.update(dict.fromkeys(step.whole, step.whole))

    def _best(self) -> Step | None:
        """
        The legal step that saves most.

        Of equals one that brings no further unit into a kernel, then one that rides behind a
        product, whose time it shares, then the last in program order.
        """
        steps = sorted(self._steps(), key=lambda step: -step.saved_bytes)
        best: tuple[int, bool, int, Step] | None = None
        for step in steps:
            if best is not None and step.saved_bytes < best[3].saved_bytes:
                break
            if self.choice(step.whole) is None:
                continue
            rides = self.graph.anchor_of(step.whole) is not None
            place = self.graph.order[step.whole[0]]
            rank = (-self._further_units(step), rides, place)
            if best is None or rank > best[:3]:
                best = (*rank, step)
        return None if best is None else best[3]

    def _further_units(self, step: Step) -> int:
        """How many units a step brings into the kernel of its parts that has most."""
        return self._units(step.whole) - max(map(self._units, step.parts))

    def _units(self, group: Group) -> int:
        return len(set((self.choice(group) or {}).values()))

    def _steps(self) -> Iterator[Step]:
        """Every step that saves something, legal or not."""
        paths = Paths(self.graph, self.group_of)
        seen: set[int] = set()
        for group in self.groups:
            for value in self.outputs(group):
                for readers in self._together(value):
                    step = self._step(paths, group, readers)
                    if step is not None and id(step) not in seen:
                        seen.add(id(step))
                        if step.saved_bytes > 0:
                            yield step

    def _together(self, value: OpResult) -> Iterator[list[Operation]]:
        """
        The readers of a value that may join its maker: all at once, so that the value stays inside.

        Where few units share a kernel, the readers in each kernel too: a value that others read on another
        unit has to leave anyway, and is then read once less.
        """
        readers = self.graph.readers(value)
        yield readers
        if self.chooser.target.units_per_kernel is not None:
            yield from ([reader] for reader in readers if len(readers) > 1)

    def _step(
        self, paths: Paths, group: Group, readers: list[Operation]
    ) -> Step | None:
        """The step that takes in readers of a group's value, saving or not; `None` when something outside kernels stands in the way."""
        parts = paths.between(group, readers)
        if any(part[0] not in self.group_of for part in parts):
            return None
        key = tuple(map(id, parts))
        if key not in self._known:
            whole = self.graph.merged(*parts)
            saved = sum(map(self.traffic, parts)) - self.traffic(whole)
            self._known[key] = Step(tuple(parts), whole, saved)
        return self._known[key]

    def outputs(self, group: Group) -> list[OpResult]:
        """The results of a group that others read."""
        found = self._outputs.get(id(group))
        if found is None:
            found = self._outputs[id(group)] = group, self.graph.group_outputs(group)
        return found[1]

    def traffic(self, group: Group) -> int:
        """Bytes a kernel of this group reads and writes, each value once."""
        found = self._traffic.get(id(group))
        if found is None:
            values = (*self.graph.group_inputs(group), *self.outputs(group))
            found = self._traffic[id(group)] = group, sum(map(size_bytes, values))
        return found[1]


def size_bytes(value: SSAValue) -> int:
    """Bytes of a whole value."""
    return -(-prod(shape(value)) * bits(value) // 8)
