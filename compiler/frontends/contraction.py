"""The exact product of an int8 matrix with the rows of another, as ops of `linalg`."""

from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    IntegerAttr,
    TensorType,
    i8,
    i32,
)
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.dialects.linalg.ops import FillOp, GenericOp, YieldOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineMap

from dfc.dialects.utils import shape

M, N, K = (AffineDimExpr(number) for number in range(3))

MAPS = tuple(AffineMapAttr(AffineMap(3, 0, e)) for e in ((M, K), (N, K), (M, N)))
"""What q, w and the result have at token m, row n, column k."""


def int8_product(q: SSAValue, w: SSAValue) -> list[Operation]:
    """
    `q @ w.T` of q (M x K, i8) and w (N x K, i8), exact in 32-bit integers; the last op gives M x N.

        %a = linalg.generic ins(%q, %w : tensor<MxKxi8>, tensor<NxKxi8>) outs(%zeros : tensor<MxNxi32>)
    """
    kind = TensorType(i32, [shape(q)[0], shape(w)[0]])
    zero = arith.ConstantOp(IntegerAttr(0, i32))
    empty = tensor.EmptyOp((), kind)
    zeros = FillOp([zero.result], [empty.tensor], [kind])
    parallel, reduction = IteratorTypeAttr.parallel(), IteratorTypeAttr.reduction()
    product = GenericOp(
        [q, w],
        list(zeros.results),
        Region(multiply_and_add()),
        ArrayAttr(MAPS),
        [parallel, parallel, reduction],
        [kind],
    )
    return [zero, empty, zeros, product]


def multiply_and_add() -> Block:
    """The body: two bytes widened, multiplied, added to a sum."""
    block = Block(arg_types=[i8, i8, i32])
    q, w, total = block.args
    wide = [arith.ExtSIOp(value, i32) for value in (q, w)]
    each = arith.MuliOp(wide[0].result, wide[1].result)
    added = arith.AddiOp(total, each.result)
    block.add_ops([*wide, each, added, YieldOp(added.result)])
    return block
