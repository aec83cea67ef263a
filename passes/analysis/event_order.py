"""
Which events each op of a function must start after, from the bytes that it and earlier ops touch.

A function (a kernel's, or one that calls kernels) takes its events in *groups*: one for each copy
that may run ahead of everything else in it, and a last one, the main group, for the rest. So the
next kernel's weights are on their way while the present one computes, wherever their slots are free.
It gives back the events after which nothing of it is left to happen.

Two ops conflict when they touch the same bytes and one of them writes. An op waits for the ops
it conflicts with; what a later op that has waited itself stands for is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from xdsl.ir import BlockArgument, Operation, SSAValue

from dfc.dialects import tier
from dfc.passes.analysis.memory_views import buffer_bytes, root_of

Ref = tuple[int, int]
"""An event of a function: the op that gives it (by its place among the ops) and which of its events."""


@dataclass(frozen=True)
class Region:
    """Bytes of a tier, or all of a buffer that is an argument."""

    root: str | SSAValue
    begin: int = 0
    end: int = 1

    def overlaps(self, other: Region) -> bool:
        """Whether a byte is in both."""
        same = self.root == other.root
        return same and self.begin < other.end and other.begin < self.end

    def holds(self, other: Region) -> bool:
        """Whether the other's bytes are all in this one."""
        same = self.root == other.root
        return same and self.begin <= other.begin and other.end <= self.end


@dataclass(frozen=True)
class Start:
    """Bytes that ops of a group touch, and whether one of them writes."""

    region: Region
    writes: bool
    group: int


@dataclass(frozen=True)
class End:
    """Bytes that are no longer touched once the events of these numbers have happened."""

    region: Region
    writes: bool
    done: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """What a caller needs to know of an op: its groups of events, the last being main, and those it gives."""

    groups: int
    units: tuple[str | None, ...]
    """For each event it gives, the unit that it is the last launch on, if it is one."""
    starts: tuple[Start, ...]
    ends: tuple[End, ...]


def region_of(value: SSAValue) -> Region:
    """The bytes of the buffer that a memref is, or is a view of."""
    root = root_of(value)
    if isinstance(root, BlockArgument):
        return Region(root)
    alloc = root.owner
    assert isinstance(alloc, tier.AllocOp)
    begin = 0 if alloc.offset_bytes is None else alloc.offset_bytes.value.data
    return Region(tier.tier_of(root), begin, begin + buffer_bytes(alloc.buffer.type))


def in_caller(plan: Plan, operands: Sequence[SSAValue]) -> Plan:
    """A function's plan with the caller's buffers in place of its arguments."""

    def outside(region: Region) -> Region:
        root = region.root
        return (
            region_of(operands[root.index])
            if isinstance(root, BlockArgument)
            else region
        )

    starts = [Start(outside(s.region), s.writes, s.group) for s in plan.starts]
    ends = [End(outside(e.region), e.writes, e.done) for e in plan.ends]
    return Plan(plan.groups, plan.units, tuple(starts), tuple(ends))


@dataclass
class Step:
    """An op of a function with what its groups wait for: own events, and groups of the function's."""

    op: Operation
    plan: Plan
    needs: list[list[Ref]] = field(default_factory=list[list[Ref]])
    outer: list[int | None] = field(default_factory=list["int | None"])


@dataclass
class _Record:
    region: Region
    writes: bool
    refs: tuple[Ref, ...]


class Order:
    """The order of a function's ops."""

    def __init__(
        self, ops: Iterable[tuple[Operation, Plan]], takes_events: bool
    ) -> None:
        self.steps: list[Step] = []
        self.takes_events = takes_events
        self.results: list[Ref] = []
        self._records: dict[str | SSAValue, list[_Record]] = {}
        self._waited: set[Ref] = set()
        self._past: list[set[Ref]] = []
        self._covers: list[bool] = []
        self._early: list[tuple[int, int]] = []
        for op, plan in ops:
            self._add(Step(op, plan))
        self._number_groups()
        self.last = self._unwaited()

    @property
    def groups(self) -> int:
        """How many groups of events the function takes."""
        return len(self._early) + 1

    def plan(self) -> Plan:
        """What the function's callers need to know of it; fixes the events it gives."""
        starts = [
            Start(start.region, start.writes, self._group(index, start.group))
            for index, step in enumerate(self.steps)
            for start in step.plan.starts
        ]
        ahead = [start for start in starts if start.group < len(self._early)]
        self.results = list(self.last)
        every = [record for records in self._records.values() for record in records]
        ends = [self._end(record, ahead) for record in every]
        units = tuple(self._unit(ref) for ref in self.results)
        return Plan(self.groups, units, tuple(dict.fromkeys(starts)), tuple(ends))

    def _end(self, record: _Record, ahead: Sequence[Start]) -> End:
        """
        When a region is no longer touched.

        Exactly, where the next call's early copies go; otherwise with the function's last events.
        """
        exact = any(
            start.region.overlaps(record.region) and (start.writes or record.writes)
            for start in ahead
        )
        refs = record.refs if exact else self.last
        self.results += [ref for ref in refs if ref not in self.results]
        done = tuple(self.results.index(ref) for ref in refs)
        return End(record.region, record.writes, done)

    def _add(self, step: Step) -> None:
        index, main = len(self.steps), step.plan.groups - 1
        self.steps.append(step)
        outer: list[bool] = []
        for group in range(step.plan.groups):
            starts = [start for start in step.plan.starts if start.group == group]
            step.needs.append(self._needs(starts))
            outer.append(self.takes_events and self._touches_outside(starts))
        self._choose_outer(step, outer, index)
        self._waited.update(ref for needs in step.needs for ref in needs)
        alone = len(step.plan.units) == 1
        before = [r for n in (step.needs if alone else [step.needs[main]]) for r in n]
        self._past.append({*before, *(r for b in before for r in self._past[b[0]])})
        self._record(step, index)

    def _choose_outer(self, step: Step, outer: Sequence[bool], index: int) -> None:
        """
        Which groups wait for the function's callers, and with which of the function's groups.

        A copy that waits for nothing in the function gets a group of its own. The others wait with
        the main group, unless something they wait for did.
        """
        main = step.plan.groups - 1
        covered = [any(self._covers[ref[0]] for ref in needs) for needs in step.needs]
        step.outer = [None] * step.plan.groups
        for group, asked in enumerate(outer):
            if asked and not covered[group]:
                early = group < main and not step.needs[group]
                if early:
                    self._early.append((index, group))
                else:
                    step.outer[group] = MAIN
        self._covers.append(covered[main] or step.outer[main] is not None)

    def _number_groups(self) -> None:
        for number, (index, group) in enumerate(self._early):
            self.steps[index].outer[group] = number
        for step in self.steps:
            step.outer = [len(self._early) if o == MAIN else o for o in step.outer]

    def _group(self, index: int, group: int) -> int:
        """The function's group in which a group of one of its ops waits."""
        pair = (index, group)
        return self._early.index(pair) if pair in self._early else len(self._early)

    def _needs(self, starts: Sequence[Start]) -> list[Ref]:
        """The events of earlier ops that conflict, without those that another of them stands for."""
        found: dict[Ref, None] = {}
        for start in starts:
            for record in self._at(start.region):
                if (record.writes or start.writes) and record.region.overlaps(
                    start.region
                ):
                    found |= dict.fromkeys(record.refs)
        past = {ref for index, _ in found for ref in self._past[index]}
        self._waited |= set(found) & past
        return [ref for ref in found if ref not in past]

    def _touches_outside(self, starts: Sequence[Start]) -> bool:
        """Whether bytes are touched that no op of the function has written before."""
        return not all(
            any(
                r.writes and r.region.holds(start.region)
                for r in self._at(start.region)
            )
            for start in starts
        )

    def _at(self, region: Region) -> list[_Record]:
        """The records of a region's tier or argument."""
        return self._records.setdefault(region.root, [])

    def _record(self, step: Step, index: int) -> None:
        for end in step.plan.ends:
            records = self._at(end.region)
            if end.writes:
                records[:] = [
                    r
                    for r in records
                    if not end.region.holds(r.region) or r.refs[0][0] == index
                ]
            refs = tuple((index, done) for done in end.done)
            record = _Record(end.region, end.writes, refs)
            if record not in records:
                records.append(record)

    def _unit(self, ref: Ref) -> str | None:
        return self.steps[ref[0]].plan.units[ref[1]]

    def _unwaited(self) -> list[Ref]:
        """The events after which all is done: those nobody waits for, the last of each unit."""
        found: list[Ref] = []
        units: set[str] = set()
        for index in reversed(range(len(self.steps))):
            for done, unit in enumerate(self.steps[index].plan.units):
                if unit is not None and unit in units:
                    continue
                if unit is not None:
                    units.add(unit)
                if (index, done) not in self._waited:
                    found.append((index, done))
        return found[::-1]


MAIN = -1
"""Stands for the main group until the early ones are counted."""
