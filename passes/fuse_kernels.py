"""
Group the ops of a function into kernels, each op on a unit of the target.

    %q, %s = ternary.quantize %x
    %a = ternary.matmul %q, %w
    %y = ternary.dequantize %a, %s, %scale
    %z = linalg.generic ins(%y, %residual) …
  -->
    %q, %s = accel.kernel "up_quantize" ins(%x) {
      %q = ternary.quantize %x {accel.unit = "vector"}
    }
    %z = accel.kernel "up" ins(%q, %w, %s, %scale, %residual) {
      %a = ternary.matmul %q, %w {accel.unit = "array"}
      %y = ternary.dequantize %a, %s, %scale {accel.unit = "vector"}
      %z = linalg.generic ins(%y, %residual) … {accel.unit = "vector"}
    }

Fires on every function but `@weights`. Each op starts as a kernel of its own; kernels grow along
producer-consumer edges, the edge that saves most traffic first, while one loop nest can tile the
result, its smallest tiles fit in the target's memories, and a value stays inside that had to
leave. So elementwise work rides behind a product, norms and quantisation are row kernels, and
attention is a kernel of its own. Each op goes to the cheapest unit that runs it, beside the rest
of its kernel where that unit can. Views, calls and cache writes stay between kernels. An op that
no unit runs is an error. The numbers do not change.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import accel
from dfc.passes.analysis.functions import (
    WEIGHTS,
    entry_names,
    erase_unused,
    functions,
)
from dfc.passes.analysis.origins import origin_of
from dfc.passes.analysis.unit_choice import UnitChooser
from dfc.passes.kernels.building import KernelBuilder, replace_groups
from dfc.passes.kernels.fusion_graph import FusionGraph, Group
from dfc.passes.kernels.growth import Growth
from dfc.passes.kernels.legality import shortage
from dfc.passes.kernels.names import unique_names
from dfc.runtime.machine import Target, target_of


def refuse(op: Operation, target: Target, chooser: UnitChooser) -> None:
    """Say why no unit of the target can run an op."""
    units = ", ".join(target.unit)
    where = f" ({origin})" if (origin := origin_of(op)) else ""
    able = chooser.ranked([op])
    if able:
        unit_of = {op: target.unit[able[0]]}
        short = shortage((op,), chooser.graph, target, unit_of)
        assert short is not None
        got = f"got {short.needed_bytes} bytes for tier `{short.tier}` of {short.capacity_bytes} bytes"
        reason = f"expected the smallest tile of `{op.name}`{where} to fit in the memories of {', '.join(able)}, {got}; use a larger memory or add a unit of kind `fixed-rate`"
    else:
        kinds = ", ".join(
            dict.fromkeys(str(v.type) for v in (*op.operands, *op.results))
        )
        reason = f"expected a unit of target `{target.name}` that runs `{op.name}`{where} on {kinds}, got {units}; add a unit of kind `fixed-rate` or change the dtype"
    op.emit_error(reason, PassFailedException(reason))


def grow(function: FuncOp, target: Target) -> Growth:
    """The groups of one function's ops."""
    erase_unused(function)
    graph = FusionGraph(function.body.block)
    chooser = UnitChooser(target, graph)
    for op in graph.work:
        if chooser.choose((op,)) is None:
            refuse(op, target, chooser)
    growth = Growth(graph, chooser)
    growth.grow()
    return growth


@dataclass(frozen=True)
class FuseKernelsPass(ModulePass):
    """Turns the ops of every function into `accel.kernel` ops."""

    name = "fuse-kernels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        found = [f for f in functions(op) if f.sym_name.data != WEIGHTS]
        target = target_of(op)
        growths = {function: grow(function, target) for function in found}
        prefixes = entry_names(op)
        owned = [
            (prefixes[function.sym_name.data], group)
            for function, growth in growths.items()
            for group in growth.groups
        ]
        taken = [function.sym_name.data for function in functions(op)]
        names = iter(unique_names(owned, taken))
        for function, growth in growths.items():
            kernels: dict[Group, accel.KernelOp] = {}
            for group in growth.groups:
                builder = KernelBuilder(growth.graph, group, growth.chosen(group))
                kernels[group] = builder.build(next(names))
            replace_groups(function.body.block, growth.graph, kernels)
