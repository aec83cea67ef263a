"""The function that a placed kernel becomes: its loop nest, with events as further arguments and as results."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue

from dfc.dialects import accel
from dfc.passes.analysis.graph_places import Item
from dfc.passes.analysis.loop_nest import LoopNest, Waits
from dfc.passes.kernels.plan import KernelPlan, event_count

EVENT = accel.EventType()


def kernel_function(plan: KernelPlan, name: str, counts: Sequence[int]) -> FuncOp:
    """The function of a kernel that takes so many events in each of its groups."""
    op = plan.op
    values = (*op.inputs, *op.outs)
    types = [*(value.type for value in values), *[EVENT] * sum(counts)]
    block = Block(arg_types=types)
    buffers: dict[SSAValue, SSAValue] = {}
    for inside, argument in zip(op.body.block.args, block.args, strict=False):
        argument.name_hint = inside.name_hint
        buffers[inside] = argument
    nest = LoopNest(plan.graph, block, buffers, _waits(plan, block, counts))
    nest.emit()
    events = [event for item in plan.done for event in _events(nest, item)]
    block.add_op(ReturnOp(*events))
    nest.drop_unused()
    kind = (types, [event.type for event in events])
    names = value_names(op, sum(counts))
    made = FuncOp(name, kind, Region(block), visibility="private", arg_attrs=names)
    made.attributes |= op.attributes | {"accel.kernel": StringAttr(op.sym.data)}
    return made


def _waits(plan: KernelPlan, block: Block, counts: Sequence[int]) -> Waits:
    """The event arguments that each item starts after."""
    waits: Waits = {}
    given = iter(block.args[len(block.args) - sum(counts) :])
    for heads, count in zip(plan.heads, counts, strict=True):
        events: list[SSAValue] = [next(given) for _ in range(count)]
        for event in events:
            event.name_hint = "before"
        for item in heads:
            waits[item] = [*waits.get(item, []), *events]
    return waits


def _events(nest: LoopNest, item: Item) -> list[SSAValue]:
    """The events of an item's end, as many as the plan says."""
    events = nest.done(item)
    assert len(events) == event_count(item)
    return events


def value_names(op: accel.KernelOp, events: int) -> ArrayAttr[DictionaryAttr]:
    """`dfc.value` on the arguments that hold a tensor-level value."""
    inputs = [""] * len(op.inputs)
    outs = [""] * len(op.outs)
    if op.operand_values is not None:
        inputs = [name.data for name in op.operand_values]
    if op.result_values is not None:
        outs = [name.data for name in op.result_values]
    return ArrayAttr(
        DictionaryAttr({"dfc.value": StringAttr(name)} if name else {})
        for name in [*inputs, *outs, *[""] * events]
    )
