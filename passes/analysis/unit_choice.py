"""Which unit of the target runs each op of a kernel: the cheapest that can, one for all if possible."""

from collections.abc import Hashable, Sequence
from fractions import Fraction

from xdsl.ir import Operation

from dfc.dialects.attention import SdpaOp
from dfc.passes.analysis.equal_ops import op_key
from dfc.passes.kernels.fusion_graph import FusionGraph, Group
from dfc.passes.kernels.legality import fits
from dfc.runtime.machine import Access, Target
from dfc.runtime.machine.work import unknown

Choice = dict[Operation, str]
"""The name of the unit of each op."""


class UnitChooser:
    """Chooses units of one target for groups of one function, and remembers the costs."""

    def __init__(self, target: Target, graph: FusionGraph) -> None:
        self.target = target
        self.graph = graph
        self._kinds: dict[Operation, int] = {}
        self._numbers: dict[Hashable, int] = {}
        self._ticks: dict[tuple[str, int], Fraction | None] = {}

    def ticks(self, unit: str, op: Operation) -> Fraction | None:
        """Ticks of an op on a unit before rounding, `None` when the unit cannot run it."""
        key = (unit, self.kind(op))
        if key not in self._ticks:
            self._ticks[key] = self._effort(unit, op)
        return self._ticks[key]

    def kind(self, op: Operation) -> int:
        """A number that ops of equal cost have in common."""
        if op not in self._kinds:
            inputs = self.graph.inputs[op]
            key = op_key(op, [value.type for value in inputs])
            self._kinds[op] = self._numbers.setdefault(key, len(self._numbers))
        return self._kinds[op]

    def _effort(self, unit: str, op: Operation) -> Fraction | None:
        model = self.target.unit[unit]
        if not model.supports(op):
            return None
        return model.compute_ticks([op], unknown, Access(self.target, unit, ()))

    def ranked(self, ops: Sequence[Operation]) -> list[str]:
        """
        The units that can run all of `ops`, best first.

        Units that work in the host's memory come last, then counts the cost; of equals the
        first in the file.
        """
        order: dict[str, tuple[bool, Fraction]] = {}
        for unit, model in self.target.unit.items():
            ticks = [self.ticks(unit, op) for op in ops]
            known = [t for t in ticks if t is not None]
            if len(known) != len(ticks):
                continue
            last = model.data_tier == self.target.host_tier
            order[unit] = (last, sum(known, Fraction()))
        return sorted(order, key=order.__getitem__)

    def choices(self, group: Group) -> list[Choice]:
        """Ways to run a group, the best first: on one unit, else its anchor and the rest apart."""
        anchor = self.graph.anchor_of(group)
        if anchor is None:
            ways = [dict.fromkeys(group, unit) for unit in self.ranked(group)]
            return ways or self._apart(group)
        rest = [op for op in group if op is not anchor]
        ways: list[Choice] = []
        for unit in self.ranked([anchor]):
            here = [op for op in rest if self.ticks(unit, op) is not None]
            if len(here) == len(rest):
                ways.append(dict.fromkeys(group, unit))
                continue
            left = [op for op in rest if op not in here]
            for other in self.ranked(left):
                riding = dict.fromkeys(rest, other) if self._all(other, rest) else None
                split = dict.fromkeys(here, unit) | dict.fromkeys(left, other)
                ways.append({anchor: unit} | (riding or split))
        return ways

    def _all(self, unit: str, ops: Sequence[Operation]) -> bool:
        return all(self.ticks(unit, op) is not None for op in ops)

    def _apart(self, group: Group) -> list[Choice]:
        """Each op on the cheapest unit that runs it, when no unit runs them all."""
        best = {op: ranked[0] for op in group if (ranked := self.ranked([op]))}
        return [best] if len(best) == len(group) else []

    def choose(self, group: Group) -> Choice | None:
        """The best way to run a group whose smallest tiles fit in the memories, `None` if there is none."""
        for choice in self.choices(group):
            if self._crowds_attention(choice) or self._is_split(choice):
                continue
            unit_of = {op: self.target.unit[name] for op, name in choice.items()}
            if fits(group, self.graph, self.target, unit_of):
                return choice
        return None

    def _is_split(self, choice: Choice) -> bool:
        """Whether a kernel would stand on more units than the target's kernels do."""
        most = self.target.units_per_kernel
        return most is not None and len(set(choice.values())) > most.value

    def _crowds_attention(self, choice: Choice) -> bool:
        """Whether attention is not alone on a unit that holds graphs: its schedule makes the graph."""
        return len(choice) > 1 and any(
            isinstance(op, SdpaOp) and self.target.unit[name].holds_graphs
            for op, name in choice.items()
        )
