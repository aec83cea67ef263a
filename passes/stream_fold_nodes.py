"""
Fold the nodes that only hand tokens on into the nodes that make or take them.

    %k = stream.read %keys : tensor<16x64xf32> -> !row
    %m = stream.map (%k) -> (!one) { … stream.yield %t }
    %a, %b = stream.fork %m : !one -> (!one, !one)
    %c = stream.reduce (%a) -> (!total) { … }
    %d = stream.repeat %c : !total -> !totals
    %e = stream.map (%b, %d) -> (!one) { … }
  -->
    %k = stream.read %keys {in_place} : tensor<16x64xf32> -> !row
    %a, %b = stream.map (%k) -> (!one, !one) { … stream.yield %t, %t }
    %c = stream.reduce (%a) -> (!total) { … }
    %e = stream.map (%b, %c) -> (!one) { … }

A `fork` goes into the node before it, which then writes each copy itself; a `fork` of a `repeat`
becomes one of these per copy. A `repeat` goes into the `map`, `reduce` or `scan` behind
it, which holds the token over its inner trips, unless no other operand brings those trips. A `read`
goes into the node behind it, which then indexes the tensor itself (a `fork` too, so that no tensor
is read twice), unless a tile stands over the tensor's edge or the stream only goes on to a `write`. A `stream.fifo` between keeps both nodes
apart. Each node that goes takes the latency of its firing with it, and the FIFO before or behind it;
tokens and values do not change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, UnitAttr
from xdsl.ir import Attribute, Operation, OpResult, SSAValue
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
    op_type_rewrite_pattern,
)
from xdsl.utils.exceptions import PassFailedException, VerifyException

from dfc.dialects import stream
from dfc.dialects.stream.tiles import verify_views

T = TypeVar("T")
Firing = stream.MapOp | stream.ReduceOp | stream.ScanOp
"""Nodes with a body."""


def insert_copies(items: Sequence[T], index: int, copies: int) -> list[T]:
    """`copies` times the item at `index`, in its place."""
    return [*items[:index], *[items[index]] * copies, *items[index + 1 :]]


def sole_user(value: SSAValue) -> Operation | None:
    """The op that uses a stream, which has one use at most."""
    use = value.first_use
    return None if use is None else use.operation


def states_of(op: Firing) -> int:
    """How many values of a body's yield are state that no stream takes."""
    return len(op.inits) if isinstance(op, stream.ScanOp) else 0


def write_copies(op: Firing, index: int, copies: int) -> list[Attribute]:
    """Make a body yield its result `index` several times; the types of the results then."""
    kinds = [result.type for result in op.results]
    made, at = stream.body_yield(op.body), states_of(op) + index
    if isinstance(op, stream.ReduceOp):
        inits = insert_copies(list(op.inits), index, copies)
        op.properties["inits"] = ArrayAttr(inits)
        for place in range(index + 1, index + copies):
            op.body.block.insert_arg(op.body.block.args[index].type, place)
    made.operands = insert_copies(made.operands, at, copies)
    return insert_copies(kinds, index, copies)


def rebuilt(
    op: stream.NodeOp, operands: Sequence[SSAValue], kinds: Sequence[Attribute]
) -> Operation:
    """The same node on other operands with other results; it takes over the body."""
    return type(op).create(
        operands=operands,
        result_types=kinds,
        properties=op.properties,
        attributes=op.attributes,
        regions=[op.detach_region(region) for region in list(op.regions)],
    )


def copies_of(op: stream.RepeatOp, count: int) -> list[stream.RepeatOp]:
    """The node `count` times; the first keeps its label."""
    made = [op.clone() for _ in range(count)]
    for each in made[1:]:
        each.label = None
    return made


class FoldFork(RewritePattern):
    """A producer that writes each copy itself, instead of a `fork` behind it."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: stream.ForkOp, rewriter: PatternRewriter) -> None:
        used = [copy for copy in op.copies if copy.first_use is not None]
        made = op.tokens
        if not used or not isinstance(made, OpResult):
            return
        new: Sequence[SSAValue]
        if isinstance(made.op, Firing):
            index, count = made.index, len(used)
            kinds = write_copies(made.op, index, count)
            node = rebuilt(made.op, made.op.operands, kinds)
            new = node.results[index : index + count]
            kept = [*node.results[:index], new[0], *node.results[index + count :]]
            rewriter.replace(made.op, node, kept)
        elif isinstance(made.op, stream.RepeatOp):
            repeats = copies_of(made.op, len(used))
            new = [repeat.out for repeat in repeats]
            fork = stream.ForkOp(made.op.tokens, len(used))
            for repeat, copy in zip(repeats, fork.copies, strict=True):
                repeat.operands = [copy]
            rewriter.replace(made.op, [fork, *repeats], new[:1])
        else:
            return
        streams = dict(zip(used, new, strict=True))
        rewriter.replace(op, [], [streams.get(copy) for copy in op.copies])


class FoldRepeat(RewritePattern):
    """A consumer that holds a token over its inner trips, instead of a `repeat` before it."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: stream.RepeatOp, rewriter: PatternRewriter) -> None:
        user, once = sole_user(op.out), op.tokens
        if not isinstance(user, Firing):
            return
        held = [once if s is op.out else s for s in user.streams]
        if stream.node_trips(held) == stream.node_trips(user.streams):
            rewriter.replace(op, [], [once])


class FoldRead(RewritePattern):
    """A consumer that indexes the tensor itself, instead of a `read` before it."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: stream.ReadOp, rewriter: PatternRewriter) -> None:
        takers = Firing | stream.ForkOp | stream.RepeatOp | stream.WindowOp
        if op.in_place is not None or not isinstance(sole_user(op.tokens), takers):
            return
        try:
            verify_views(stream.stream_type(op.tokens), op.source)
        except VerifyException:
            return
        op.in_place = UnitAttr()
        rewriter.notify_op_modified(op)


PATTERNS = {"fork": FoldFork, "repeat": FoldRepeat, "read": FoldRead}


@dataclass(frozen=True)
class StreamFoldNodesPass(ModulePass):
    """Folds `fork`, `repeat` and `read` into their neighbours."""

    name = "stream-fold-nodes"

    nodes: tuple[str, ...] = ("fork", "repeat", "read")
    """Which nodes to fold."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        unknown = [node for node in self.nodes if node not in PATTERNS]
        if unknown:
            known = ", ".join(PATTERNS)
            message = f"expected nodes of {known}, got `{unknown[0]}`"
            raise PassFailedException(message)
        patterns: list[RewritePattern] = [PATTERNS[node]() for node in self.nodes]
        walker = PatternRewriteWalker(GreedyRewritePatternApplier(patterns))
        walker.rewrite_module(op)
