"""
Recognise softmax attention that is written out in products and elementwise ops.

    %s = linalg.generic ins(%q, %kt) …            // q @ k.T
    %m = linalg.generic ins(%s) …                 // times a constant, plus a mask
    %p = …                                        // exp(m - max m) / sum exp(m - max m)
    %y = linalg.generic ins(%p, %v) …             // p @ v
  -->
    %y = attention.sdpa %q, %k, %v mask %mask {scale = 0.125}

Fires when every step is there in this order: products from zero, a softmax along the keys that
subtracts the maximum, constants that scale the scores, the queries or the keys, at most one mask,
added after scaling. A mask that is 0 on and below the diagonal and -inf above becomes `causal`.
Batch and heads may be one dimension. Sums are taken in another order and in f32, so results
differ in the last bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects import tensor
from xdsl.dialects.builtin import (
    ModuleOp,
    TensorType,
)
from xdsl.ir import Operation, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineDimExpr, AffineMap
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.dialects import attention
from dfc.dialects.utils import element, shape
from dfc.passes.analysis.functions import erase_unused, functions
from dfc.passes.analysis.origins import origins_of, set_origins
from dfc.passes.analysis.tensor_forms import (
    Elementwise,
    only_user,
    permutation,
    reassociation,
    transpose,
    unary,
)
from dfc.passes.attention.form import Attention, match


class Raiser:
    """Builds the attention op in front of the product it replaces."""

    def __init__(self, op: Operation, found: Attention) -> None:
        self.op = op
        self.found = found
        self.full = found.scores if len(found.scores) == 4 else (1, *found.scores)

    def replace(self) -> bool:
        """Replace the product; `False`, and nothing done, where an operand does not fit."""
        found, (batch, heads, rows, keys) = self.found, self.full
        depth = shape(found.q)[-1]
        q = self.shaped(found.q, (batch, heads, rows, depth))
        k = self.keys((batch, heads, keys, depth))
        v = self.shaped(found.v, (batch, heads, keys, depth))
        mask = None if found.mask is None else self.mask(found.mask)
        lost = found.mask is not None and mask is None
        if q is None or k is None or v is None or lost:
            return False
        if len({element(value) for value in (q, k, v)}) > 1:
            return False
        made = attention.SdpaOp(
            q, k, v, mask=mask, causal=found.causal, scale=found.scale
        )
        target = self.target(made)
        if target is None:
            return False
        self.insert(made)
        result = self.shaped(made.y, shape(target.results[0]))
        assert result is not None
        assert isinstance(result.owner, Operation)
        set_origins(result.owner, origins_of(target))
        target.results[0].replace_all_uses_with(result)
        return True

    def keys(self, want: tuple[int, int, int, int]) -> SSAValue | None:
        """The keys as B x H x S x D; a permutation in front of the product is taken in."""
        if self.found.keys_by_row:
            return self.shaped(self.found.k, want)
        batch, heads, keys, depth = want
        turned = self.shaped(self.found.k, (batch, heads, depth, keys))
        if turned is None:
            return None
        source, order = permutation(turned) or (turned, [0, 1, 2, 3])
        order = [*order[:2], order[3], order[2]]
        if order == [0, 1, 2, 3]:
            return source
        ops = transpose(source, order)
        for op in ops:
            self.insert(op)
        return ops[1].results[0]

    def target(self, made: attention.SdpaOp) -> Operation | None:
        """
        The op whose result the attention replaces.

        The product, its rounding to the dtype of q where that follows, and the reshape to the
        attention's own shape where that follows.
        """
        target = self.op
        if element(target.results[0]) != element(made.y):
            rounded = only_user(target)
            if rounded is None or unary(rounded.results[0], "arith.truncf") is None:
                return None
            target = rounded
        reshaped = only_user(target)
        if (
            isinstance(reshaped, tensor.ExpandShapeOp)
            and reshaped.result.type == made.y.type
        ):
            target = reshaped
        return target if element(target.results[0]) == element(made.y) else None

    def insert(self, op: Operation) -> None:
        """Insert an op in front of the product, under its name with `#attention` behind it."""
        set_origins(op, (f"{origin}#attention" for origin in origins_of(self.op)))
        Rewriter.insert_op(op, InsertPoint.before(self.op))

    def shaped(self, value: SSAValue, want: Sequence[int]) -> SSAValue | None:
        """A value in another shape: what it was reshaped from, or reshaped; batch and heads may be one."""
        seen = value
        while shape(seen) != tuple(want):
            if not isinstance(
                seen.owner, tensor.ExpandShapeOp | tensor.CollapseShapeOp
            ):
                break
            seen = seen.owner.operands[0]
        if shape(seen) == tuple(want):
            return seen
        got = shape(value)
        if (len(got), len(want)) == (3, 4) and got == (want[0] * want[1], *want[2:]):
            return self._expand(value, want)
        if (len(got), len(want)) == (4, 3) and tuple(want) == (
            got[0] * got[1],
            *got[2:],
        ):
            return self._collapse(value, want)
        return None

    def _expand(self, value: SSAValue, want: Sequence[int]) -> SSAValue:
        kind = TensorType(element(value), want)
        op = tensor.ExpandShapeOp(value, (), HEADS, want, kind)
        self.insert(op)
        return op.result

    def _collapse(self, value: SSAValue, want: Sequence[int]) -> SSAValue:
        op = tensor.CollapseShapeOp.create(
            operands=[value],
            result_types=[TensorType(element(value), want)],
            properties={"reassociation": HEADS},
        )
        self.insert(op)
        return op.result

    def mask(self, found: Elementwise) -> SSAValue | None:
        """The mask as B x H x M x S (B and H may be 1), `None` where it is broadcast otherwise."""
        value, indexing = found.operands[1], found.maps[1]
        rows_and_keys = shape(value)[-2:] == self.full[2:]
        if indexing is None or not rows_and_keys or not _in_order(indexing):
            return None
        if len(shape(value)) == 4:
            return value
        if len(shape(value)) == 2:
            return self._leading_ones(value)
        return self.shaped(value, (1, *shape(value))) if self.full[0] == 1 else None

    def _leading_ones(self, value: SSAValue) -> SSAValue:
        want = (1, 1, *shape(value))
        groups = reassociation([[0, 1, 2], [3]])
        op = tensor.ExpandShapeOp(
            value, (), groups, want, TensorType(element(value), want)
        )
        self.insert(op)
        return op.result


def _in_order(indexing: AffineMap) -> bool:
    """Whether a map walks the last loops in order, or stays at 0, which broadcasts."""
    first = indexing.num_dims - len(indexing.results)
    return all(
        expr == AffineDimExpr(first + place) or expr == AffineConstantExpr(0)
        for place, expr in enumerate(indexing.results)
    )


HEADS = reassociation([[0, 1], [2], [3]])


@dataclass(frozen=True)
class RaiseAttentionPass(ModulePass):
    """Replaces written-out attention by `attention.sdpa`."""

    name = "raise-attention"
    exact: ClassVar[bool] = False
    reassociates: ClassVar[str] = (
        "scores are scaled and the softmax is summed in another order, in f32"
    )

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in functions(op):
            block = function.body.block
            tried = [
                Raiser(o, found) for o in block.ops if (found := match(o)) is not None
            ]
            for each in tried:
                each.replace()
            if tried:
                erase_unused(function)
