"""What a schedule cannot do with an attention."""

from dfc.dialects import attention
from dfc.dialects.utils import shape
from dfc.passes.analysis.graph_places import fail


def check(op: attention.SdpaOp, schedule: attention.ScheduleAttr) -> None:
    """Stop at an attention that has no element-level graph, with the reason."""
    sizes = (*shape(op.q), *shape(op.k))
    if min(sizes) < 1:
        fail(op, f"expected static sizes above 0 for a stream graph, got {sizes}")
    if schedule.keys.data == "held":
        _check_held(op, schedule)


def _check_held(op: attention.SdpaOp, schedule: attention.ScheduleAttr) -> None:
    """A window that slides one key per query row starts empty and at the first key."""
    rows, keys = shape(op.q)[2], shape(op.k)[2]
    if op.position is not None:
        fail(
            op,
            "expected no position for keys held: the window starts empty in every launch,"
            " got one; take schedule `streaming` for a cache",
        )
    if op.mask is not None:
        fail(op, "expected no mask for keys held beside `causal` and `window`, got one")
    if schedule.rows.data > 1:
        fail(op, f"expected 1 query row for keys held, got {schedule.rows.data}")
    if rows > keys:
        fail(op, f"expected a key for each of {rows} query rows held, got {keys}")
