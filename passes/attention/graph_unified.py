"""The graph of `unified_max` attention: no score waits for its row's maximum, and a flag says where that fails."""

from __future__ import annotations

from xdsl.builder import ImplicitBuilder
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    AffineMapAttr,
    IntegerAttr,
    TensorType,
    i8,
)
from xdsl.ir import Block, Region, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from dfc.dialects import attention, stream
from dfc.dialects.stream import StreamType
from dfc.passes.attention.graph import AttentionGraph
from dfc.passes.attention.graph_bodies import LOWEST, ZERO, fold_rows
from dfc.passes.attention.graph_ops import (
    Values,
    add,
    exp,
    full,
    larger,
    scalar,
    subtract,
)

FLAG = TensorType(i8, (1, 1, 1, 1))
"""1 where the result may not be used."""

VANISHING = 2.0**-100
"""A sum of exponentials below this has lost what it is divided for: 26 binary digits above the least f32."""


class UnifiedGraph(AttentionGraph):
    """Exponentials of scores less a number that is thought to be at least the largest of all."""

    def __init__(
        self,
        op: attention.SdpaOp,
        schedule: attention.ScheduleAttr,
        assumed_max: float,
    ) -> None:
        super().__init__(op, schedule)
        self.assumed_max = assumed_max

    def build(self) -> stream.GraphOp:
        """The graph; its results are the op's and the flag."""
        block = Block()
        with ImplicitBuilder(block):
            y, flag = self._unified(self._scores(), self._rows("v", self.op.v))
            made = self._write("write", y, self.op.y.type)
            flagged = self._write("write_flag", flag, FLAG)
            stream.YieldOp(made, flagged)
        return self.nest.graph([self.op.y.type, FLAG], Region(block))

    def _unified(self, scores: SSAValue, v: SSAValue) -> tuple[SSAValue, SSAValue]:
        """The result's blocks, and the flag."""
        scores, again = self.nodes.fork(scores)
        e = self.nodes.map("exp", [scores], self.nest.scores, self._exp)
        largest = self._per_row("rowmax", [again], LOWEST, larger)
        e, e_again = self.nodes.fork(e)
        total, total_again = self.nodes.fork(self._per_row("sum", [e], ZERO, add))
        y = self._quotient(self._weighted_sum(e_again, v), total)
        flag = self.nodes.reduce(
            "flag", [largest, total_again], IntegerAttr(0, i8), flag_type(), self._fails
        )
        return y, flag

    def _exp(self, score: SSAValue) -> Values:
        return [exp(subtract(score, full(self.assumed_max, score)))]

    def _fails(self, old: SSAValue, largest: SSAValue, total: SSAValue) -> Values:
        """Whether a row has failed so far: a score above the assumed maximum, or too small a sum."""

        def fails(largest: SSAValue, total: SSAValue, old: SSAValue) -> SSAValue:
            above = arith.CmpfOp(largest, scalar(self.assumed_max), "ugt").result
            below = arith.CmpfOp(total, scalar(VANISHING), "ult").result
            failed = arith.OrIOp(above, below).result
            return arith.OrIOp(old, arith.ExtUIOp(failed, i8).result).result

        return [fold_rows(old, [largest, total], fails)]


def flag_type() -> StreamType:
    """One token behind all trips."""
    return StreamType(
        FLAG, (), AffineMapAttr(AffineMap(0, 0, (AffineExpr.constant(0),) * 4))
    )
