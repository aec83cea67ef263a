"""Replaces one fused kernel by its tiled form."""

from __future__ import annotations

from xdsl.builder import Builder
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Block, Region, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.dialects import accel, attention, stream, ternary
from dfc.dialects.utils import shape
from dfc.passes.analysis.graph_places import fail
from dfc.passes.analysis.origins import copy_origin
from dfc.passes.analysis.unused_results import drop_unused_results
from dfc.passes.analysis.weight_layout import weight_layout
from dfc.passes.fabric.loops import (
    FabricLoops,
    element_tiling,
    is_on_fabric,
)
from dfc.passes.kernels.loops import KernelLoops
from dfc.passes.tiling.cost import Tiling
from dfc.passes.tiling.edges import is_trits, token_shape
from dfc.passes.tiling.graph import TileGraph
from dfc.passes.tiling.search import Choice, choose_tiling
from dfc.runtime.machine import Target, Unit


def tile_kernel(op: accel.KernelOp, target: Target) -> None:
    """Replace a kernel on tensors by one with a graph; a kernel that has a graph stays."""
    if isinstance(op.body.block.first_op, stream.GraphOp):
        return
    for inner in op.body.block.ops:
        if isinstance(inner, attention.SdpaOp):
            _add_schedule(inner, KernelLoops(op, target).unit(inner))
    loops = KernelLoops(op, target)
    if is_on_fabric(op, loops):
        drop_unused_results(op.body.block)
        tiling, report = element_tiling(FabricLoops(op, target)), "one point per token"
    else:
        choice = choose_tiling(loops, target)
        tiling, report = choice.tiling, _report(choice)
    Rewriter.replace_op(op, _tiled(op, tiling, report))


def _add_schedule(op: attention.SdpaOp, unit: Unit) -> None:
    """Give attention the schedule in which its unit runs it."""
    schedule = unit.schedule_of(op)
    if schedule is not None:
        op.properties["schedule"] = schedule


def _tiled(op: accel.KernelOp, tiling: Tiling, report: str) -> accel.KernelOp:
    old = list(op.body.block.args)
    inputs = [
        _packed(op, value, argument, tiling) if is_trits(argument) else value
        for value, argument in zip(op.inputs, old, strict=True)
    ]
    block = Block(arg_types=[value.type for value in inputs])
    arguments: dict[SSAValue, SSAValue] = {}
    for before, after in zip(old, block.args, strict=True):
        after.name_hint = before.name_hint
        arguments[before] = after
    builder = Builder(InsertPoint.at_end(block))
    graph = builder.insert(TileGraph(tiling, arguments).build())
    builder.insert(accel.YieldOp(*graph.outputs))
    made = accel.KernelOp(
        op.sym.data, inputs, Region(block), [result.type for result in op.outputs]
    )
    made.properties |= {
        name: names
        for name in ("operand_values", "result_values")
        if (names := op.properties.get(name)) is not None
    }
    made.attributes |= op.attributes | {"dfc.tiling": StringAttr(report)}
    for before, after in zip(op.outputs, made.outputs, strict=True):
        after.name_hint = before.name_hint
    return made


def _report(choice: Choice) -> str:
    """What the search looked at."""
    return (
        f"bound {int(choice.ticks)} cycles, best of {choice.costed} costed"
        f" and {choice.ranked} that fit"
    )


def _packed(
    op: accel.KernelOp, weight: SSAValue, argument: SSAValue, tiling: Tiling
) -> SSAValue:
    """The weight, packed in tiles in front of the kernel."""
    loops = tiling.nest.loops
    users = [use.operation for use in argument.uses]
    for user in users:
        if not isinstance(user, ternary.MatmulOp | ternary.LookupMatmulOp):
            fail(
                user,
                f"expected a ternary weight to be used by a product, got `{user.name}`",
            )
    layout = weight_layout(loops.unit(users[0]))
    sizes = token_shape(loops, argument, tiling.sizes)
    assert len(sizes) == len(shape(weight))
    pack = ternary.PackOp(weight, layout.packing, layout.tile(sizes[0], sizes[1]))
    copy_origin(users[0], pack)
    return Builder(InsertPoint.before(op)).insert(pack).packed
