"""
Run passes of upstream MLIR on the module, in process.

    %c = arith.constant 0 : index
    %i = arith.addi %x, %c : index
    %y = ternary.linear %a, %w scale %s
  -->
    %y = ternary.linear %a, %w scale %s

Fires on every module. dfc's own ops are opaque to upstream: they stay, unused ones and equal ones
too, and so do their attributes. What an op came from (`dfc.origin`) travels as its location, so an
op that upstream makes in place of another keeps it. The numbers change only where the upstream
passes change them; `canonicalize` and `cse` do not. The pipeline is written as inside
`builtin.module(…)`: `run-upstream{pipeline="canonicalize,func.func(cse)"}`.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass


@dataclass(frozen=True)
class RunUpstreamPass(ModulePass):
    """Crosses to upstream MLIR's own objects and back."""

    name = "run-upstream"

    pipeline: str = "canonicalize,cse"
    """Upstream passes in upstream's own syntax."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        from dfc.runtime.mlir import run_pipeline

        result = run_pipeline(op, self.pipeline)
        for old in list(op.ops):
            old.detach()
            old.erase(safe_erase=False)
        for new in list(result.ops):
            new.detach()
            op.body.block.add_op(new)
