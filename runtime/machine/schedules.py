"""The attention schedules that a target file can name, and which of them fits an op."""

from typing import Literal

from dfc.dialects.attention import ScheduleAttr, SdpaOp

Schedule = Literal[
    "naive", "reordered", "streaming", "unified_max", "reversed", "windowed"
]


def named_schedule(name: Schedule, op: SdpaOp, rows: int = 1) -> ScheduleAttr:
    """
    The schedule of this name where the op allows it, else `streaming`.

    `reversed` skips what `causal` hides, and `windowed` holds a `window`; without these there is
    nothing to skip or to hold.
    """
    missing = (name == "reversed" and op.causal is None) or (
        name == "windowed" and op.window is None
    )
    return ScheduleAttr.named("streaming" if missing else name, rows)
