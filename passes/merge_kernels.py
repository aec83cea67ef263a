"""
Make kernels that multiply the same quantised activations one kernel.

    %g = accel.kernel "gate_proj" ins(%q, %w1, %s, %c1) {
      %a = ternary.matmul %q, %w1 {accel.unit = "product"}
      %y = ternary.dequantize %a, %s, %c1 {accel.unit = "product"}
    }
    %u = accel.kernel "up_proj" ins(%q, %w2, %s, %c2) { … }
  -->
    %g, %u = accel.kernel "gate_up_proj" ins(%q, %w1, %s, %c1, %w2, %c2) {
      %a1 = ternary.matmul %q, %w1 {accel.unit = "product"}
      %y1 = ternary.dequantize %a1, %s, %c1 {accel.unit = "product"}
      %a2 = ternary.matmul %q, %w2 {accel.unit = "product"}
      %y2 = ternary.dequantize %a2, %s, %c2 {accel.unit = "product"}
    }

Fires on kernels of one function whose products of int8 read the same value, which run on the same units and of
which none needs what another makes, as far as their weights fit beside each other in the target's
memories: the tokens are the only loop that they share. The activations are then read once, and one launch does
what several did. Weights stay separate operands, results separate results. The numbers do not change.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.dialects.accel import KernelOp
from dfc.passes.analysis.block_order import sort_ops
from dfc.passes.analysis.functions import WEIGHTS, functions
from dfc.passes.kernels.merged_kernel import (
    activations,
    fit_beside,
    independent,
    joined_name,
    merged,
    units_of,
)
from dfc.passes.kernels.names import free_name
from dfc.runtime.machine import Target, target_of

Run = list[KernelOp]


@dataclass(frozen=True)
class MergeKernelsPass(ModulePass):
    name = "merge-kernels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = target_of(op)
        used = {function.sym_name.data for function in functions(op)}
        used |= {each.sym.data for each in op.walk() if isinstance(each, KernelOp)}
        for function in functions(op):
            if function.sym_name.data == WEIGHTS:
                continue
            for alike in candidates(function.body.block):
                for run in runs(alike, target):
                    used -= {kernel.sym.data for kernel in run}
                    name = free_name(joined_name([k.sym.data for k in run]), used)
                    used.add(name)
                    merge(run, name)


def candidates(block: Block) -> list[Run]:
    """The kernels of a block by what their products read and the units they run on."""
    found: dict[tuple[SSAValue, frozenset[str]], Run] = {}
    for op in block.ops:
        if isinstance(op, KernelOp) and (source := activations(op)) is not None:
            found.setdefault((source, units_of(op)), []).append(op)
    return list(found.values())


def runs(alike: Run, target: Target) -> Iterator[Run]:
    """Kernels that can be one, two or more at a time; each run is found when those before it are merged."""
    waiting = alike
    while len(waiting) > 1:
        run, rest = waiting[:1], Run()
        for kernel in waiting[1:]:
            more = [*run, kernel]
            if independent(more) and fit_beside(more, target):
                run = more
            else:
                rest.append(kernel)
        if len(run) > 1:
            yield run
        waiting = rest


def merge(run: Run, name: str) -> None:
    """Put one kernel in the place of several."""
    block = run[0].parent
    assert block is not None
    made = merged(run, name)
    places: dict[Operation, int] = {op: at for at, op in enumerate(block.ops)}
    places[made] = places[run[0]]
    Rewriter.insert_op(made, InsertPoint.before(run[0]))
    results = iter(made.outputs)
    for kernel in run:
        for old, new in zip(kernel.outputs, results, strict=False):
            new.name_hint = old.name_hint
            old.replace_all_uses_with(new)
        Rewriter.erase_op(kernel)
    sort_ops(block, places)
