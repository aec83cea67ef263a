"""The function that a kernel becomes whose graph a unit holds as a whole: one launch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import MemRefType, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, BlockArgument, Region, SSAValue

from dfc.dialects import accel, stream
from dfc.passes.analysis.event_order import End, Plan, Start, region_of
from dfc.passes.analysis.origins import copy_origin
from dfc.passes.fabric.graph import value_graph
from dfc.passes.kernels.function import EVENT, value_names


@dataclass
class FabricPlan:
    """A kernel, the unit that holds its graph, and what its callers need to know."""

    op: accel.KernelOp
    unit: str

    @property
    def plan(self) -> Plan:
        """One group of events, and one event: the launch reads its inputs and writes its outs."""
        touched = list(self._touched())
        starts = [Start(region_of(value), writes, 0) for value, writes in touched]
        ends = [End(region_of(value), writes, (0,)) for value, writes in touched]
        return Plan(1, (self.unit,), tuple(starts), tuple(ends))

    def _touched(self) -> Iterator[tuple[SSAValue, bool]]:
        for value in self.op.inputs:
            if isinstance(value.type, MemRefType):
                yield value, False
        yield from ((value, True) for value in self.op.outs)

    def function(self, name: str, counts: Sequence[int]) -> FuncOp:
        """The function, which takes so many events in its one group."""
        op, events = self.op, sum(counts)
        values = (*op.inputs, *op.outs)
        types = [*(value.type for value in values), *[EVENT] * events]
        block = Block(arg_types=types)
        for inside, argument in zip(op.body.block.args, block.args, strict=False):
            argument.name_hint = inside.name_hint
        inner = len(op.inputs)
        launch = accel.LaunchOp(
            self.unit,
            block.args[len(values) :],
            block.args[:inner],
            block.args[inner : len(values)],
            Region(self._body()),
        )
        copy_origin(op, launch)
        block.add_ops([launch, ReturnOp(launch.event)])
        made = FuncOp(
            name,
            (types, [EVENT]),
            Region(block),
            visibility="private",
            arg_attrs=value_names(op, events),
        )
        made.attributes |= op.attributes | {"accel.kernel": StringAttr(op.sym.data)}
        return made

    def _body(self) -> Block:
        """The graph on the values of the launch's operands."""
        old: Sequence[BlockArgument] = self.op.body.block.args
        graph = self.op.body.block.first_op
        assert isinstance(graph, stream.GraphOp)
        block = Block(arg_types=[accel.value_type(argument) for argument in old])
        values: dict[SSAValue, SSAValue] = dict(zip(old, block.args, strict=True))
        for before, after in values.items():
            after.name_hint = before.name_hint
        outs = old[len(self.op.inputs) :]
        made = value_graph(graph, values, outs)
        block.add_ops([made, accel.YieldOp(*made.outputs)])
        return block
