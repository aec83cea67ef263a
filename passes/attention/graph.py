"""Builds the element-level `stream.graph` of an attention: one score of each row of a block per firing."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.builder import ImplicitBuilder
from xdsl.dialects.builtin import FloatAttr
from xdsl.ir import Attribute, Block, Region, SSAValue

from dfc.dialects import attention, stream
from dfc.dialects.utils import element
from dfc.passes.attention.graph_bodies import (
    LOWEST,
    ZERO,
    ScoreBody,
    ValueBody,
    grown,
    quotient,
    rescaled,
    running_maximum,
    share,
    weighted,
)
from dfc.passes.attention.graph_nest import AttentionNest
from dfc.passes.attention.graph_nodes import NodeMaker
from dfc.passes.attention.graph_ops import (
    Make,
    add,
    exp,
    larger,
    narrow,
    subtract,
)


class AttentionGraph:
    """The graph of one attention in one schedule; its nodes have the names of the papers."""

    def __init__(self, op: attention.SdpaOp, schedule: attention.ScheduleAttr) -> None:
        self.op = op
        self.softmax = schedule.softmax.data
        self.nest = AttentionNest(op, schedule)
        self.nodes = NodeMaker(op)
        self.values = ValueBody(self.nest)

    def build(self) -> stream.GraphOp:
        """The graph; its result is that of the op."""
        block = Block()
        with ImplicitBuilder(block):
            scores, v = self._scores(), self._rows("v", self.op.v)
            softmax = {
                "naive": self._naive,
                "reordered": self._reordered,
                "streaming": self._streaming,
            }[self.softmax]
            stream.YieldOp(self._write("write", softmax(scores, v), self.op.y.type))
        return self.nest.graph([self.op.y.type], Region(block))

    def _write(self, label: str, tokens: SSAValue, kind: Attribute) -> SSAValue:
        """A node that collects a result of the graph."""
        made = stream.WriteOp(tokens, result_type=kind)
        return self.nodes.named(made, label).result[0]

    def _scores(self) -> SSAValue:
        """The node `qk` with what it reads."""
        q = self.nodes.named(stream.ReadOp(self.op.q, self.nest.query), "q").tokens
        operands = [self._repeat(q), self._rows("k", self.op.k)]
        if self.op.mask is not None:
            mask = stream.ReadOp(self.op.mask, self.nest.mask)
            operands.append(self.nodes.named(mask, "mask").tokens)
        body = ScoreBody(self.nest)
        return self.nodes.map(
            "qk", operands, self.nest.scores, body.build, body.controls
        )

    def _rows(self, label: str, source: SSAValue) -> SSAValue:
        """Keys or values, one per firing; where they are held, from a window over those read so far."""
        read = self.nodes.named(stream.ReadOp(source, self.nest.key), label).tokens
        if not self.nest.held:
            return read
        kind = stream.WindowOp.result_type(self.nest.key, self.nest.keys)
        made = stream.WindowOp(read, self.nest.keys, kind)
        return self.nodes.named(made, f"{label}_window").out

    def _repeat(self, tokens: SSAValue) -> SSAValue:
        """What there is once per block, once per key."""
        return self.nodes.repeat(tokens, self.nest.keys)

    def _naive(self, scores: SSAValue, v: SSAValue) -> SSAValue:
        """A row's softmax is finished before its product with V begins."""
        e, total = self._exponentials(scores)
        p = self.nodes.map("div", [e, self._repeat(total)], self.nest.scores, share)
        y = self._weighted_sum(p, v)
        if self.nest.sums == self.nest.query:
            return y
        return self.nodes.map("cast", [y], self.nest.query, self._rounded)

    def _reordered(self, scores: SSAValue, v: SSAValue) -> SSAValue:
        """The division comes after the product with V, once per row."""
        e, total = self._exponentials(scores)
        return self._quotient(self._weighted_sum(e, v), total)

    def _exponentials(self, scores: SSAValue) -> tuple[SSAValue, SSAValue]:
        """The exponentials of a row's scores less their maximum, and their sum."""
        nodes, kind = self.nodes, self.nest.scores
        scores, again = nodes.fork(scores)
        largest = self._per_row("rowmax", [scores], LOWEST, larger)
        less = nodes.map("sub", [again, self._repeat(largest)], kind, subtract)
        e, again = nodes.fork(nodes.map("exp", [less], kind, exp))
        return again, self._per_row("rowsum", [e], ZERO, add)

    def _per_row(
        self, label: str, streams: Sequence[SSAValue], init: FloatAttr, make: Make
    ) -> SSAValue:
        """One number for each row, folded from those of its keys."""
        return self.nodes.reduce(label, streams, init, self.nest.per_row, make)

    def _weighted_sum(self, weights: SSAValue, v: SSAValue) -> SSAValue:
        """The node `pv`: the sum of the value rows, each times its weight."""

        def body(
            old: SSAValue, weight: SSAValue, v: SSAValue, *position: SSAValue
        ) -> SSAValue:
            return weighted(old, weight, self.values.build(v, *position))

        return self._product("pv", [weights, v], body)

    def _product(self, label: str, streams: Sequence[SSAValue], make: Make) -> SSAValue:
        """Sums of value rows."""
        controls = self.values.controls
        return self.nodes.reduce(label, streams, ZERO, self.nest.sums, make, controls)

    def _streaming(self, scores: SSAValue, v: SSAValue) -> SSAValue:
        """A running maximum: the sums so far are scaled down whenever it grows."""
        nodes, kind = self.nodes, self.nest.scores
        state = self.nest.per_row.token
        by, e = nodes.scan(
            "scan", [scores], LOWEST, state, [kind, kind], running_maximum
        )
        (by, by_again), (e, e_again) = nodes.fork(by), nodes.fork(e)
        total = self._per_row("sum", [by, e], ZERO, grown)

        def body(
            old: SSAValue, by: SSAValue, e: SSAValue, v: SSAValue, *position: SSAValue
        ) -> SSAValue:
            return rescaled(old, by, e, self.values.build(v, *position))

        return self._quotient(self._product("pv", [by_again, e_again, v], body), total)

    def _quotient(self, sums: SSAValue, total: SSAValue) -> SSAValue:
        """The node `div`, once per block."""

        def body(sums: SSAValue, total: SSAValue) -> SSAValue:
            return self._rounded(quotient(sums, total))

        return self.nodes.map("div", [sums, total], self.nest.query, body)

    def _rounded(self, y: SSAValue) -> SSAValue:
        """A block in the dtype of the result."""
        return narrow(y, element(self.op.y))
