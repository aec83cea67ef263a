"""
Give every FIFO the smallest depth with which its graph takes no longer than with unbounded FIFOs.

    %r = stream.graph -> tensor<16x16xf32> {
      %a, %b = stream.map (…) -> (!score, !score) {label = "qk"}
      %m = stream.reduce (%a) -> (!row) {label = "rowmax"}
      %s = stream.map (%b, %m) -> (!score) {label = "sub"}
    }
  -->
    %r = stream.graph -> tensor<16x16xf32> {
      %a, %b = stream.map (…) -> (!score, !score) {label = "qk"}
      %m = stream.reduce (%a) -> (!row) {label = "rowmax"}
      %f = stream.fifo %b depth 18 {dfc.sizing = "a depth of 17 takes 15 cycles more"} : !score
      %s = stream.map (%f, %m) -> (!score) {label = "sub"}
    } {dfc.sizing = "276 cycles, as with unbounded FIFOs; 1 of 3 FIFOs is deeper than 2"}

Fires on every graph over tensors. A deeper FIFO never makes a graph slower, so that each depth is
found by bisection on the exact engine, most bytes first; what one token less would cost is written
beside it. A graph whose rows an index operand cuts short is sized for the longest rows and for the
shortest. Values do not change; cycles become those of unbounded FIFOs.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, StringAttr, i64
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import stream
from dfc.passes.analysis.graph_places import fail
from dfc.passes.analysis.graph_variants import edge_streams, graphs_of, variants_of
from dfc.passes.fabric.fifo_sizing import Sizer, Sizing
from dfc.passes.fabric.node_units import short_depth
from dfc.runtime.errors import DfcError
from dfc.runtime.graph.extract import SHORT
from dfc.runtime.machine import target_of

REASON = "dfc.sizing"
"""Why a FIFO has its depth, and what all of a graph's keep up."""


def set_depth(value: SSAValue, depth: int, reason: str) -> None:
    """Give the edge that ends in a stream its depth, with a FIFO where it is no short one."""
    fifo, use = value.owner, value.first_use
    if not isinstance(fifo, stream.FifoOp):
        if use is None or (depth == SHORT and not reason):
            return
        fifo = stream.FifoOp(value, depth)
        Rewriter.insert_op(fifo, InsertPoint.before(use.operation))
        use.operation.operands[use.index] = fifo.out
    fifo.depth = IntegerAttr(depth, i64)
    fifo.attributes.pop(REASON, None)
    if reason:
        fifo.attributes[REASON] = StringAttr(reason)


def summary(sizing: Sizing, least: int) -> str:
    """What the depths of a graph keep up, as one sentence."""
    longest, *shortest = sizing.cycles
    cycles = f"{longest} cycles"
    if shortest:
        cycles = (
            f"{longest} cycles at the longest rows and {shortest[0]} at the shortest"
        )
    deep, every = len(sizing.reasons), len(sizing.depths)
    verb = "is" if deep == 1 else "are"
    return (
        f"{cycles}, as with unbounded FIFOs;"
        f" {deep} of {every} FIFOs {verb} deeper than {least}"
    )


def sizing_reasons(op: stream.GraphOp) -> dict[str, str]:
    """Why each FIFO of a graph has its depth, by the engine's name of the edge, where it was sized."""
    found: dict[str, str] = {}
    for name, value in edge_streams(op).items():
        fifo = value.owner
        reason = (
            fifo.attributes.get(REASON) if isinstance(fifo, stream.FifoOp) else None
        )
        if isinstance(reason, StringAttr):
            found[name] = reason.data
    return found


def size_fifos(op: stream.GraphOp, least: int) -> None:
    """Size the FIFOs of one graph."""
    try:
        sizing = Sizer(variants_of(op), least).run()
    except DfcError as error:
        fail(op, str(error))
    reasons = {reason.edge.name: reason.text for reason in sizing.reasons}
    for name, value in edge_streams(op).items():
        set_depth(value, sizing.depths[name], reasons.get(name, ""))
    op.attributes[REASON] = StringAttr(summary(sizing, least))


@dataclass(frozen=True)
class StreamSizeFifosPass(ModulePass):
    """Sizes the FIFOs of stream graphs."""

    name = "stream-size-fifos"

    least: int | None = None
    """Depth that every FIFO has at least: the fabric's `fifo_depth` by default, 2 without a target."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.least is not None and self.least < 1:
            message = f"expected `least` of at least 1, got {self.least}"
            raise PassFailedException(message)
        target = target_of(op) if "accel.target" in op.attributes else None
        for graph in graphs_of(op):
            if graph.outputs:
                size_fifos(graph, self.least or short_depth(graph, target))
