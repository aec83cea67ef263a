"""The bodies of the nodes of an attention graph: what one firing does to scores and rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.dialects import arith, math, tensor
from xdsl.dialects.builtin import FloatAttr, IndexType, TensorType, f32
from xdsl.ir import SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from dfc.dialects import stream
from dfc.dialects.utils import shape
from dfc.passes.attention.graph_nest import OUTER, AttentionNest
from dfc.passes.attention.graph_ops import (
    Values,
    add,
    divide,
    exp,
    full,
    generic,
    larger,
    multiply,
    multiply_add,
    number,
    scalar,
    subtract,
    wide,
)

LOWEST = FloatAttr(-3.4028234663852886e38, f32)
"""Where a running maximum starts: finite, so that a row whose keys are all hidden gives zeros, not NaN."""

ZERO = FloatAttr(0.0, f32)

SMALLEST = 1.1754943508222875e-38
"""The least a row is divided by: no sum of exponentials whose largest is 1 is below it but that of no keys."""


def dot(q: SSAValue, k: SSAValue) -> SSAValue:
    """The products of each row of q (1x1xRxD) with the key k (1x1x1xD): 1x1xRx1."""
    kind = TensorType(f32, (1, 1, shape(q)[2], 1))
    start = tensor.SplatOp(scalar(0.0), [], kind).result
    batch, head, row, key, depth = (AffineExpr.dimension(d) for d in range(5))
    return generic(
        [
            (q, AffineMap(5, 0, (batch, head, row, depth))),
            (k, AffineMap(5, 0, (batch, head, key, depth))),
        ],
        (start, AffineMap(5, 0, (batch, head, row, key))),
        1,
        multiply_add,
    )


def fold_rows(old: SSAValue, rows: Values, make: Callable[..., SSAValue]) -> SSAValue:
    """An accumulator (1x1x1x1) folded with numbers of each row (1x1xRx1 each); the old value comes last."""
    batch, head, one, key, row = (AffineExpr.dimension(d) for d in range(5))
    along = AffineMap(5, 0, (batch, head, row, key))
    return generic(
        [(value, along) for value in rows],
        (old, AffineMap(5, 0, (batch, head, one, key))),
        1,
        make,
    )


def over_rows(
    sums: SSAValue, others: Values, make: Callable[..., SSAValue]
) -> SSAValue:
    """An elementwise function of a block (1x1xRxD) and of what is 1x1xRx1 or 1x1x1xD beside it; the block comes last."""
    loops = [AffineExpr.dimension(d) for d in range(4)]

    def along(value: SSAValue) -> AffineMap:
        """The value's own elements: dimensions of size 1 stand still."""
        return AffineMap(
            4,
            0,
            tuple(
                loop if size == whole else AffineExpr.constant(0)
                for loop, size, whole in zip(
                    loops, shape(value), shape(sums), strict=True
                )
            ),
        )

    inputs = [(value, along(value)) for value in others]
    return generic(inputs, (sums, AffineMap.identity(4)), 0, make)


def running_maximum(old: SSAValue, score: SSAValue) -> Values:
    """The maximum with one score more; what that does to sums so far; the score's exponential."""
    new = larger(old, score)
    return [new, exp(subtract(old, new)), exp(subtract(score, new))]


def safe(total: SSAValue) -> SSAValue:
    """The sum of a row's exponentials to divide by: a row without keys has 0 and gives 0."""
    return larger(total, full(SMALLEST, total))


def share(e: SSAValue, total: SSAValue) -> SSAValue:
    """e / total."""
    return divide(e, safe(total))


def grown(total: SSAValue, by: SSAValue, e: SSAValue) -> SSAValue:
    """total * by + e."""
    return add(multiply(total, by), e)


def weighted(sums: SSAValue, weight: SSAValue, v: SSAValue) -> SSAValue:
    """`sums + weight * v`: 1x1xRxD, 1x1xRx1, 1x1x1xD."""
    return over_rows(sums, [weight, wide(v)], multiply_add)


def rescaled(sums: SSAValue, by: SSAValue, weight: SSAValue, v: SSAValue) -> SSAValue:
    """`sums * by + weight * v`: 1x1xRxD, 1x1xRx1, 1x1xRx1, 1x1x1xD."""

    def one(by: SSAValue, weight: SSAValue, v: SSAValue, old: SSAValue) -> SSAValue:
        return add(multiply(old, by), multiply(weight, v))

    return over_rows(sums, [by, weight, wide(v)], one)


def quotient(sums: SSAValue, total: SSAValue) -> SSAValue:
    """`sums / total`: 1x1xRxD, 1x1xRx1."""

    def one(total: SSAValue, old: SSAValue) -> SSAValue:
        return divide(old, total)

    return over_rows(sums, [safe(total)], one)


@dataclass(frozen=True)
class ScoreBody:
    """What one firing of `qk` computes: products, scale, softcap, mask, and what a row may not see."""

    nest: AttentionNest

    @property
    def controls(self) -> Values:
        """The position, where what a row sees depends on it."""
        position = self.nest.op.position
        return [] if position is None or self.nest.op.causal is None else [position]

    def build(self, q: SSAValue, k: SSAValue, *rest: SSAValue) -> Values:
        """The scores; `rest` is the mask's token and the position, where there are such."""
        op, more = self.nest.op, list(rest)
        scores = self._scaled(dot(wide(q), wide(k)))
        if op.mask is not None:
            scores = add(scores, wide(more.pop(0)))
        if op.causal is None:
            return [scores]
        return [self._visible(scores, more.pop(0) if more else None)]

    def _scaled(self, scores: SSAValue) -> SSAValue:
        """The scores times the scale, within the softcap."""
        op = self.nest.op
        scale = shape(op.q)[3] ** -0.5 if op.scale is None else op.scale.value.data
        scores = multiply(scores, full(scale, scores))
        if op.softcap is None:
            return scores
        cap = full(op.softcap.value.data, scores)
        return multiply(cap, math.TanhOp(divide(scores, cap)).result)

    def _visible(self, scores: SSAValue, position: SSAValue | None) -> SSAValue:
        """The scores of the rows that see the key of this trip, -inf for the others."""
        nest, window = self.nest, self.nest.op.window
        if nest.held:
            # the window holds no later key and none too old, but begins before the first key
            places, reach = self._all_rows(held_key(nest)), None
        else:
            places = self._keys_back(position)
            reach = None if window is None else window.value.data

        def visible(place: SSAValue, score: SSAValue) -> SSAValue:
            seen = arith.CmpiOp(place, number(0), "sge").result
            if reach is not None:
                near = arith.CmpiOp(place, number(reach), "slt").result
                seen = arith.AndIOp(seen, near).result
            return arith.SelectOp(seen, score, scalar(float("-inf"))).result

        return over_rows(scores, [places], visible)

    def _keys_back(self, position: SSAValue | None) -> SSAValue:
        """How many keys before each row's own the key of this trip is."""
        rows = self.nest.rows
        own = arith.MuliOp(block_index(self.nest), number(rows)).result
        if position is not None:
            own = arith.AddiOp(own, position).result
        back = arith.SubiOp(own, stream.IndexOp(OUTER).index).result
        first = self._all_rows(back)
        return arith.AddiOp(first, full(range(rows), first)).result

    def _all_rows(self, value: SSAValue) -> SSAValue:
        """An index for each row of the block."""
        kind = TensorType(IndexType(), (1, 1, self.nest.rows, 1))
        return tensor.SplatOp(value, [], kind).result


@dataclass(frozen=True)
class ValueBody:
    """
    The value row as the sums take it.

    A block that stands over looks at keys behind the last one written, in reversed order with a
    position. No row of it counts them, but they may hold anything, and 0 * NaN is NaN: zeros stand
    for them.
    """

    nest: AttentionNest

    @property
    def controls(self) -> Values:
        """The position, where there can be such keys."""
        nest = self.nest
        guarded = nest.reversed and not nest.whole
        return [nest.op.position] if guarded and nest.op.position is not None else []

    def build(self, v: SSAValue, *position: SSAValue) -> SSAValue:
        """The row, in its own dtype."""
        if not position:
            return v
        last = arith.AddiOp(position[0], number(shape(self.nest.op.q)[2])).result
        written = arith.CmpiOp(stream.IndexOp(OUTER).index, last, "slt").result
        return arith.SelectOp(written, v, full(0.0, v)).result


def block_index(nest: AttentionNest) -> SSAValue:
    """The number of the block of a trip."""
    trip = stream.IndexOp(OUTER - 1).index
    return arith.SubiOp(number(nest.blocks - 1), trip).result if nest.reversed else trip


def held_key(nest: AttentionNest) -> SSAValue:
    """The key at a trip of a window: that of the row, less the places up to the window's end."""
    first = arith.AddiOp(stream.IndexOp(2).index, stream.IndexOp(OUTER).index).result
    return arith.SubiOp(first, number(nest.keys - 1)).result
