"""
Check that every stream graph runs to its end with the FIFOs it has.

    %a, %b = stream.map (…) -> (!score, !score) {label = "qk"}
    %f = stream.fifo %b depth 15 : !score
    %m = stream.reduce (%a) -> (!row) {label = "rowmax"}
    %s = stream.map (%f, %m) -> (!score) {label = "sub"}
    // rows of 16 scores
  -->
    error: expected a graph that runs to its end, got a deadlock: `qk` waits for room in `qk->sub` (depth 15) from `sub`,
    `sub` waits for a token of `rowmax->sub` from `rowmax`, `rowmax` waits for a token of `qk->rowmax` from `qk`

The module does not change. Checked is every graph, at the longest rows and at the shortest where an
index operand cuts them short. Which firings a graph can make depends on rates and depths alone, not
on time, so that the check looks for an order of all firings and holds for every timing.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dfc.passes.analysis.graph_places import fail
from dfc.passes.analysis.graph_variants import graphs_of, variants_of
from dfc.runtime.errors import DfcError
from dfc.runtime.graph.schedule import schedule_of


@dataclass(frozen=True)
class StreamVerifyDeadlockPass(ModulePass):
    """Refuses stream graphs whose nodes come to wait for each other."""

    name = "stream-verify-deadlock"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for graph in graphs_of(op):
            for variant in variants_of(graph):
                try:
                    variant.balanced()
                    schedule_of(variant.trimmed())
                except DfcError as error:
                    fail(graph, str(error))
