"""Attention written out in products and elementwise ops, recognised from its last product."""

from dataclasses import dataclass

from xdsl.dialects.builtin import IntegerAttr, i64
from xdsl.ir import Operation, SSAValue

from dfc.dialects.utils import shape
from dfc.passes.analysis.tensor_forms import (
    Elementwise,
    elementwise,
    is_full_operand,
    is_row_operand,
    number,
    plain,
    product,
    row_reduction,
    structured,
    unary,
    unshaped,
)


@dataclass(frozen=True)
class Attention:
    """
    What a written-out attention computes: its operands as they were found, in any shape.

    `k` has the head dimension last when `keys_by_row`, else the keys.
    """

    q: SSAValue
    k: SSAValue
    keys_by_row: bool
    v: SSAValue
    mask: Elementwise | None
    causal: bool
    scale: float
    scores: tuple[int, ...]


def match(op: Operation) -> Attention | None:
    """The attention whose last product is `op`."""
    last = product(op.results[0]) if op.results else None
    if last is None or last.transposed:
        return None
    scores = softmax_of(last.left)
    if scores is None:
        return None
    extents = shape(scores)
    scores, scale, mask = unscaled(scores)
    first = product(scores)
    if first is None or len(extents) not in (3, 4):
        return None
    q, by_q = without_factor(first.left)
    k, by_k = without_factor(first.right)
    causal = mask is not None and is_causal(mask.operands[1])
    scale *= by_q * by_k
    mask = None if causal else mask
    return Attention(q, k, first.transposed, last.right, mask, causal, scale, extents)


def softmax_of(value: SSAValue) -> SSAValue | None:
    """The scores whose softmax along the last dimension a value is."""
    quotient = binary(plain(value), "arith.divf")
    if quotient is None or not is_row_operand(quotient, 1):
        return None
    exponentials = plain(quotient.operands[0])
    total = row_reduction(plain(quotient.operands[1]))
    inner = unary(exponentials, "math.exp")
    if total is None or total.function != "arith.addf" or inner is None:
        return None
    difference = binary(plain(inner), "arith.subf")
    if plain(total.source) is not exponentials or difference is None:
        return None
    largest = row_reduction(plain(difference.operands[1]))
    if largest is None or largest.function == "arith.addf":
        return None
    scores = difference.operands[0]
    same = plain(largest.source) is plain(scores)
    return scores if same and is_row_operand(difference, 1) else None


def binary(value: SSAValue, function: str) -> Elementwise | None:
    """An elementwise function of two operands, the first walked like the result."""
    found = elementwise(value)
    good = found is not None and found.function == function and len(found.operands) == 2
    return found if found is not None and good and is_full_operand(found, 0) else None


def unscaled(scores: SSAValue) -> tuple[SSAValue, float, Elementwise | None]:
    """Scores before scaling and mask, their factor, and the addition of the mask."""
    value, mask = plain(scores), None
    found = elementwise(value)
    if found is not None and found.function == "arith.addf" and None not in found.maps:
        found = found if is_full_operand(found, 0) else mirrored(found)
        if not is_full_operand(found, 0):
            return value, 1.0, None
        mask, value = found, plain(found.operands[0])
    value, factor = without_factor(value)
    return plain(value), factor, mask


def mirrored(found: Elementwise) -> Elementwise:
    """A sum with its operands the other way round."""
    return Elementwise(found.op, found.function, found.operands[::-1], found.maps[::-1])


def without_factor(value: SSAValue) -> tuple[SSAValue, float]:
    """A value before it is multiplied or divided by constants, and the product of these."""
    factor = 1.0
    while (found := elementwise(plain(value))) is not None and len(found.operands) == 2:
        constant = number(found.operands[1])
        if constant is None or not is_full_operand(found, 0):
            break
        if found.function == "arith.mulf":
            factor *= constant
        elif found.function == "arith.divf" and constant:
            factor /= constant
        else:
            break
        value = found.operands[0]
    return value, factor


def is_causal(mask: SSAValue) -> bool:
    """Whether a mask is made as 0 where the key is not after the query and -inf elsewhere."""
    op = structured(unshaped(mask))
    if op is None or op.inputs:
        return False
    names = [inner.name for inner in op.body.block.ops]
    if names != [
        "linalg.index",
        "linalg.index",
        "arith.cmpi",
        "arith.select",
        "linalg.yield",
    ]:
        return False
    row, column, compare, select, _ = op.body.block.ops
    rank = len(op.get_iterator_types())
    dims = [inner.properties["dim"] for inner in (row, column)]
    in_order = list(compare.operands) == [row.results[0], column.results[0]]
    at_least = compare.properties["predicate"] == IntegerAttr(5, i64)
    values = [number(value) for value in select.operands[1:]]
    return (
        in_order
        and at_least
        and dims == [IntegerAttr(rank - 2, i64), IntegerAttr(rank - 1, i64)]
        and select.operands[0] is compare.results[0]
        and values == [0.0, float("-inf")]
    )
