"""
Lower attention to a stream graph in which one node fires per score.

    %y = attention.sdpa %q, %k, %v {schedule = #attention.schedule<streaming>}
  -->
    %y = accel.kernel "attention" ins(%q, %k, %v) {
      stream.graph {
        %a = stream.repeat (stream.read %q)                 // "q": once per row, given once per key
        %s = stream.map (%a, stream.read %k) {label = "qk"} // scaled, capped, masked
        %r, %e = stream.scan (%s) {label = "scan"}          // running maximum: exp(old - new), exp(s - new)
        %l = stream.reduce (%r, %e) {label = "sum"}
        %o = stream.reduce (%r, %e, stream.read %v) {label = "pv"}
        stream.write (stream.map (%o, %l) {label = "div"})
      }
    }

Fires on an attention at function level, which becomes a kernel, and on a kernel that holds nothing
else, unless its unit holds no graphs; the loops are [batch, heads, blocks of the schedule's `rows`
query rows, keys], a token one score of each row of a block. The head dimension is fully parallel.
Without a schedule it is that of its unit, or `naive`:

- `naive`: rowmax, sub, exp, rowsum, div, pv; two edges hold a whole row of scores.
- `reordered`: the division comes after pv, once per row; one edge holds a row.
- `streaming`: nothing of a row's length is kept.
- `reversed`: streaming, the last block first; the graph's bound ends each block's keys at its last row.
- `windowed`: reordered; each key and value is read once per head and kept for the `window` rows that see it.
- `unified_max`: exponentials are taken of scores less `assumed_max`, so no row waits for its maximum.
  Where a score is above it, or all are so far below that their sum vanishes, a second kernel
  behind an `scf.if` computes the attention in the streaming schedule.

With a position, the bound ends the keys at the last one written. Scores and sums are in f32, the
result is rounded once. What a schedule cannot do is an error that names the op. Sums are taken key by
key, so results differ in the last bits.
"""

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import accel, attention
from dfc.passes.analysis.functions import functions
from dfc.passes.attention.graph_legality import check
from dfc.passes.attention.kernel import (
    own_kernel,
    stream_kernel,
    unified_kernels,
)
from dfc.runtime.machine import Target, Unit, target_of


@dataclass(frozen=True)
class ConvertAttentionToStreamPass(ModulePass):
    """Replaces attention by element-level stream graphs."""

    name = "convert-attention-to-stream"

    exact: ClassVar[bool] = False
    reassociates: ClassVar[str] = "sums over the keys of attention, taken one by one"

    assumed_max: float | int = 16.0
    """What `unified_max` takes for the largest score."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not isfinite(self.assumed_max):
            raise PassFailedException(
                f"expected a finite assumed maximum, got {self.assumed_max}"
            )
        target = target_of(op) if "accel.target" in op.attributes else None
        for function in functions(op):
            for each in list(function.walk()):
                if isinstance(each, attention.SdpaOp):
                    self._convert(each, unit_of(each, target))

    def _convert(self, op: attention.SdpaOp, unit: Unit | None) -> None:
        kernel = op.parent_op()
        if isinstance(kernel, accel.KernelOp) and len(kernel.body.block.ops) > 2:
            return
        if unit is not None and not unit.holds_graphs:
            return
        schedule = op.schedule if unit is None else unit.schedule_of(op)
        schedule = schedule or attention.ScheduleAttr()
        check(op, schedule)
        if not isinstance(kernel, accel.KernelOp):
            kernel = own_kernel(op)
        if schedule.softmax.data == "unified_max":
            unified_kernels(kernel, schedule, float(self.assumed_max))
        else:
            stream_kernel(kernel, schedule)


def unit_of(op: attention.SdpaOp, target: Target | None) -> Unit | None:
    """The unit of the target that an attention names, where both are known."""
    name = op.attributes.get("accel.unit")
    if target is None or not isinstance(name, StringAttr):
        return None
    return target.unit.get(name.data)
