"""Which unit of the target runs a node of a stream graph."""

from xdsl.dialects.builtin import StringAttr

from dfc.dialects import stream
from dfc.passes.analysis.graph_places import fail
from dfc.runtime.graph.extract import SHORT
from dfc.runtime.machine import Target
from dfc.runtime.machine.units.stream_fabric import StreamFabric


def unit_of(node: stream.NodeOp, target: Target) -> str | None:
    """The unit that a node names, else the first of the target that holds graphs, if one does."""
    named = node.properties.get("unit")
    if not isinstance(named, StringAttr):
        held = (name for name, unit in target.unit.items() if unit.holds_graphs)
        return next(held, None)
    if named.data not in target.unit:
        known = ", ".join(target.unit)
        fail(node, f"expected a unit of {known} on `{node.name}`, got `{named.data}`")
    return named.data


def short_depth(graph: stream.GraphOp, target: Target | None) -> int:
    """The depth of a short FIFO of the unit that runs a graph; that of an edge without a FIFO by default."""
    for node in graph.body.block.ops:
        if target is not None and isinstance(node, stream.NodeOp):
            unit = target.unit.get(unit_of(node, target) or "")
            if isinstance(unit, StreamFabric):
                return unit.fifo_depth.value
    return SHORT
