"""A body in many firings at once: arrays with a leading axis, for each op that has such a form."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Operation, SSAValue

from dfc.dialects import stream
from dfc.runtime.interpreter.batched_ops import FORMS, Form, spread
from dfc.runtime.interpreter.dtypes import Array
from dfc.runtime.interpreter.evaluator import Evaluator


def captured(op: Operation) -> list[SSAValue]:
    """The values from outside that stand in the regions of an op."""
    inside = {value for each in op.walk() for value in each.results}
    inside |= {arg for r in op.regions for each in r.blocks for arg in each.args}
    found: dict[SSAValue, None] = {}
    for each in op.walk():
        for block in (b for r in each.regions for b in r.blocks):
            inside.update(block.args)
        if each is not op:
            found |= dict.fromkeys(each.operands)
    return [value for value in found if value not in inside]


def asks_for_trip(op: Operation) -> bool:
    """Whether an op, or one in it, depends on the trip by itself."""
    return any(isinstance(each, stream.IndexOp) for each in op.walk())


@dataclass(frozen=True)
class Step:
    """An op that differs from firing to firing."""

    op: Operation
    form: Form | None
    """How it runs for many at once, if it can."""
    inside: Sequence[SSAValue]
    """What its regions use that each firing has its own of."""


@dataclass
class Batch:
    """A body, and which of its values are the same in every firing: these are made once."""

    evaluator: Evaluator
    block: Block
    own: set[SSAValue]
    """Values that each firing has its own of."""
    shared: dict[SSAValue, Any]
    """The others."""
    steps: list["Step"] = field(default_factory=list["Step"])
    """The ops that run for all firings of a batch."""

    def __post_init__(self) -> None:
        """Run what does not depend on the firing."""
        self.evaluator.push_scope()
        self.evaluator.set_values(self.shared.items())
        for op in self.block.ops:
            if isinstance(op, stream.YieldOp):
                continue
            inside = [value for value in captured(op) if value in self.own]
            asks = asks_for_trip(op)
            if asks or inside or any(value in self.own for value in op.operands):
                form = None if asks or inside else FORMS.get(type(op))
                self.steps.append(Step(op, form, inside))
                self.own.update(op.results)
            else:
                self._share(op)
        self.evaluator.pop_scope()

    def _share(self, op: Operation) -> None:
        made = self.evaluator.run_op(op, self.evaluator.get_values(op.operands))
        self.shared |= dict(zip(op.results, made, strict=True))
        self.evaluator.set_values(zip(op.results, made, strict=True))

    def run(
        self, trips: Sequence[Array], args: Sequence[tuple[SSAValue, Array]]
    ) -> list[Array]:
        """What the body yields in each firing, at these trips (an array per dimension)."""
        values = self.shared | dict(args)
        count = len(args[0][1]) if args else len(trips[0])
        self.evaluator.push_scope()
        self.evaluator.set_values(self.shared.items())
        for step in self.steps:
            made = self._results(step, values, trips)
            values |= zip(step.op.results, made, strict=True)
        self.evaluator.pop_scope()
        last = self.block.last_op
        assert last is not None
        return [
            values[v] if v in self.own else spread(values[v], count, v.type)
            for v in last.operands
        ]

    def _results(
        self, step: Step, values: dict[SSAValue, Any], trips: Sequence[Array]
    ) -> Sequence[Array]:
        op = step.op
        if isinstance(op, stream.IndexOp):
            return (trips[op.dim.value.data],)
        if step.form is not None:
            own = [operand in self.own for operand in op.operands]
            args = [values[operand] for operand in op.operands]
            made = step.form(self.evaluator, op, args, own)
            if made is not None:
                return made
        return self._one_by_one(step, values, trips)

    def _one_by_one(
        self, step: Step, values: dict[SSAValue, Any], trips: Sequence[Array]
    ) -> Sequence[Array]:
        """An op without such a form, firing by firing."""
        made: list[Sequence[Any]] = []
        for i in range(len(trips[0])):
            self.evaluator.trips.append(tuple(int(axis[i]) for axis in trips))
            self.evaluator.push_scope()
            inside = ((v, self._at(v, values, i)) for v in step.inside)
            self.evaluator.set_values(inside)
            args = tuple(self._at(v, values, i) for v in step.op.operands)
            made.append(self.evaluator.run_op(step.op, args))
            self.evaluator.pop_scope()
            self.evaluator.trips.pop()
        return [np.stack(each) for each in zip(*made, strict=True)]

    def _at(self, value: SSAValue, values: dict[SSAValue, Any], i: int) -> Any:
        if value not in self.own:
            return values[value]
        found = values[value][i]
        return int(found) if isinstance(value.type, IndexType) else found
