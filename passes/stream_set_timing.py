"""
Write on every node how long it takes, from the model of the unit that runs it.

    %t = stream.map (%s) -> (!score) { … }
  -->
    %t = stream.map on "fabric" (%s) -> (!score) { … } {latency = 6 : i64, interval = 2 : i64}

`latency` are the cycles from a firing until its tokens are visible, `interval` those until the node
may fire again. Fires on every node of every graph; a node that names no unit is given to the unit of
the target that holds graphs. Values do not change; cycles become those of the target,
where a node without timing takes one of each.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, StringAttr, i64
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from dfc.dialects import stream
from dfc.passes.analysis.graph_places import fail
from dfc.passes.fabric.node_units import unit_of
from dfc.runtime.machine import Access, Target, target_of
from dfc.runtime.machine.units.stream_fabric import tiles_of


def body_of(node: stream.NodeOp) -> Iterator[Operation]:
    """The ops of one firing; none for a node that only hands tokens on."""
    for region in node.regions:
        yield from (op for op in region.block.ops if not isinstance(op, stream.YieldOp))


def set_timing(node: stream.NodeOp, target: Target) -> None:
    """Write one node's latency and interval."""
    unit = unit_of(node, target)
    if unit is None:
        fail(
            node,
            f"expected a unit on `{node.name}`, or one of target `{target.name}` that holds"
            " graphs, got neither",
        )
    if isinstance(node, stream.MapOp | stream.ReduceOp | stream.ScanOp):
        node.unit = StringAttr(unit)
    access = Access(target, unit, ())
    firing = target.unit[unit].firing(list(body_of(node)), access, tiles_of(node))
    node.latency = IntegerAttr(firing.latency, i64)
    node.interval = IntegerAttr(firing.interval, i64)


@dataclass(frozen=True)
class StreamSetTimingPass(ModulePass):
    """Writes `latency` and `interval` of the nodes of stream graphs."""

    name = "stream-set-timing"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = target_of(op)
        for node in op.walk():
            if isinstance(node, stream.NodeOp):
                set_timing(node, target)
