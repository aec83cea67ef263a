"""
Say in which schedule attention runs.

    %y = attention.sdpa %q, %k, %v
  -->
    %y = attention.sdpa %q, %k, %v {schedule = #attention.schedule<softmax = streaming, order = forward, keys = reread, rows = 1>}

Every `attention.sdpa` gets the schedule of that name, whether it had one or not: `naive`,
`reordered`, `streaming`, `unified_max`, `reversed` or `windowed`. A schedule that an op cannot have
(`reversed` where nothing is causal, `windowed` without a window) is an error that names the op. No value
changes; costs do.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException, VerifyException

from dfc.dialects import attention
from dfc.passes.analysis.graph_places import fail


@dataclass(frozen=True)
class AttentionSetSchedulePass(ModulePass):
    """Sets the schedule of every attention."""

    name = "attention-set-schedule"

    schedule: str = "streaming"
    """The name of the schedule."""

    rows: int = 1
    """Query rows held at once."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.schedule not in attention.SHORTHANDS:
            known = ", ".join(attention.SHORTHANDS)
            raise PassFailedException(
                f"expected a schedule of {known}, got `{self.schedule}`"
            )
        if self.rows < 1:
            raise PassFailedException(f"expected rows above 0, got {self.rows}")
        made = attention.ScheduleAttr.named(self.schedule, self.rows)
        for each in op.walk():
            if isinstance(each, attention.SdpaOp):
                self._set(each, made)

    def _set(self, op: attention.SdpaOp, made: attention.ScheduleAttr) -> None:
        op.schedule = made
        try:
            op.verify_()
        except VerifyException as error:
            fail(op, f"schedule `{self.schedule}`: {error}")
