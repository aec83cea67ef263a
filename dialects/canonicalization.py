"""The rewrites that `canonicalize` applies to the ops of the dialects, by op."""

from collections.abc import Sequence

from xdsl.dialects import tensor
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, IntegerAttr, i32, i64
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import (
    PatternRewriter,
    RewritePattern,
    op_type_rewrite_pattern,
)

from dfc.dialects.accel import ConfigureOp, LaunchOp, StartOp, WaitOp
from dfc.dialects.attention import SdpaOp
from dfc.dialects.socket import ExchangeOp
from dfc.dialects.stream import ConvertOp, ForkOp
from dfc.dialects.ternary import PackOp, UnpackOp
from dfc.dialects.tier import CopyOp
from dfc.dialects.utils import shape


class ForgetUnpackOfPack(RewritePattern):
    """`unpack(pack(%w))` of one whole tile is `%w`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: UnpackOp, rewriter: PatternRewriter) -> None:
        pack = op.packed.owner
        if not isinstance(pack, PackOp) or pack.packing != op.packing:
            return
        if pack.w.type != op.w.type or pack.tile.get_values() != shape(pack.w):
            return
        rewriter.replace(op, [], [pack.w])


class ForgetPackOfUnpack(RewritePattern):
    """
    `pack(unpack(%p))` of one whole tile is `%p`.

    What `%p` holds behind the edges of the weight stays; no `unpack` reads it.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: PackOp, rewriter: PatternRewriter) -> None:
        unpack = op.w.owner
        if not isinstance(unpack, UnpackOp) or unpack.packing != op.packing:
            return
        if op.tile.get_values() != shape(op.w):
            return
        if unpack.packed.type == op.packed.type:
            rewriter.replace(op, [], [unpack.packed])
        else:
            groups = ArrayAttr([ArrayAttr([IntegerAttr(n, i64) for n in (0, 1)])])
            row = tensor.ExpandShapeOp(
                unpack.packed, (), groups, shape(op.packed), op.packed.type
            )
            rewriter.replace(op, row)


class DropWideWindow(RewritePattern):
    """A `window` as long as the keys hides none of them, unless the schedule holds keys by it."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SdpaOp, rewriter: PatternRewriter) -> None:
        held = op.schedule is not None and op.schedule.keys.data == "held"
        if op.window is None or held or op.window.value.data < shape(op.k)[2]:
            return
        op.window = None
        rewriter.notify_op_modified(op)


class ShrinkFork(RewritePattern):
    """Copies without a use go; the only copy left is the stream itself."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ForkOp, rewriter: PatternRewriter) -> None:
        used = [copy for copy in op.copies if copy.first_use is not None]
        if len(used) == 1:
            new = [op.tokens if copy in used else None for copy in op.copies]
            rewriter.replace(op, [], new)
        elif used and len(used) < len(op.copies):
            fork = ForkOp(op.tokens, len(used))
            fork.attributes.update(op.attributes)
            fork.properties.update(op.properties)
            copies = iter(fork.copies)
            new = [next(copies) if copy in used else None for copy in op.copies]
            rewriter.replace(op, fork, new)


class ForgetConvert(RewritePattern):
    """A stream converted to its own type is itself."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ConvertOp, rewriter: PatternRewriter) -> None:
        if op.out.type == op.tokens.type:
            rewriter.replace(op, [], [op.tokens])


def open_events(events: Sequence[SSAValue]) -> list[SSAValue]:
    """The events that are not known to have happened, each once."""
    return [
        event for event in dict.fromkeys(events) if not isinstance(event.owner, StartOp)
    ]


class DropHappenedEvents(RewritePattern):
    """An op need not start after what has happened (`accel.start`), nor twice after one event."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        assert isinstance(op, LaunchOp | ConfigureOp | CopyOp | ExchangeOp)
        after = open_events(op.after)
        if len(after) == len(op.after):
            return
        if isinstance(op, LaunchOp):
            sizes = [len(after), len(op.inputs), len(op.outs)]
            segments = DenseArrayBase.from_list(i32, sizes)
            op.operands = [*after, *op.inputs, *op.outs]
            op.properties["operandSegmentSizes"] = segments
        elif isinstance(op, CopyOp | ExchangeOp):
            op.operands = [op.source, op.target, *after]
        else:
            op.operands = after
        rewriter.notify_op_modified(op)


class ShortenWait(RewritePattern):
    """A wait for what has happened waits for nothing."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: WaitOp, rewriter: PatternRewriter) -> None:
        events = open_events(op.events)
        if not events:
            rewriter.erase(op)
        elif len(events) < len(op.events):
            op.operands = events
            rewriter.notify_op_modified(op)


PATTERNS: dict[type[Operation], tuple[RewritePattern, ...]] = {
    UnpackOp: (ForgetUnpackOfPack(),),
    PackOp: (ForgetPackOfUnpack(),),
    SdpaOp: (DropWideWindow(),),
    ForkOp: (ShrinkFork(),),
    ConvertOp: (ForgetConvert(),),
    LaunchOp: (DropHappenedEvents(),),
    ConfigureOp: (DropHappenedEvents(),),
    CopyOp: (DropHappenedEvents(),),
    ExchangeOp: (DropHappenedEvents(),),
    WaitOp: (ShortenWait(),),
}
"""The rewrites of each op that is `Canonicalized`."""
