"""Shapes of computation in linalg on tensors, recognised by structure: elementwise ops, products, reductions."""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    TensorType,
    i64,
)
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import FillOp, GenericOp, TransposeOp, YieldOp
from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineMap

from dfc.dialects.utils import element, shape
from dfc.runtime.machine.structure import contraction_of

CONVERSIONS = ("arith.extf", "arith.truncf")


@dataclass(frozen=True)
class Elementwise:
    """One scalar op per element: its operands are tensors with their maps, or scalars (map `None`)."""

    op: LinalgStructuredOperation
    function: str
    operands: tuple[SSAValue, ...]
    maps: tuple[AffineMap | None, ...]


@dataclass(frozen=True)
class Product:
    """`left` (.. x m x k) times `right` (.. x k x n, or .. x n x k when `transposed`) into .. x m x n."""

    op: LinalgStructuredOperation
    left: SSAValue
    right: SSAValue
    transposed: bool


@dataclass(frozen=True)
class RowReduction:
    """A reduction of `source` along its last dimension by `function`."""

    function: str
    source: SSAValue


def structured(value: SSAValue) -> LinalgStructuredOperation | None:
    """The linalg op that makes a value."""
    owner = value.owner
    return owner if isinstance(owner, LinalgStructuredOperation) else None


def maps_of(op: LinalgStructuredOperation) -> list[AffineMap]:
    """The indexing maps of inputs and outputs."""
    return [attr.data for attr in op.get_indexing_maps()]


def is_parallel(op: LinalgStructuredOperation) -> bool:
    """Whether no loop of an op reduces."""
    kinds = op.get_iterator_types()
    return all(attr.data == IteratorType.PARALLEL for attr in kinds)


def elementwise(value: SSAValue) -> Elementwise | None:
    """The op behind a value when its body is one scalar op (or none: a move) into an identity map."""
    op = structured(value)
    if op is None or len(op.outputs) != 1 or not is_parallel(op):
        return None
    maps = maps_of(op)
    *body, last = op.body.block.ops
    if maps[-1] != AffineMap.identity(maps[-1].num_dims) or len(body) > 1:
        return None
    made = last.operands[0] if isinstance(last, YieldOp) and last.operands else None
    if not body:
        operands, function = ([made] if made is not None else []), "move"
    elif made is not None and made.owner is body[0]:
        operands, function = list(body[0].operands), body[0].name
    else:
        return None
    outer = [outside(op, operand) for operand in operands]
    return Elementwise(
        op, function, tuple(v for v, _ in outer), tuple(m for _, m in outer)
    )


def outside(
    op: LinalgStructuredOperation, value: SSAValue
) -> tuple[SSAValue, AffineMap | None]:
    """What a body's value is outside: an operand with its map, or a scalar."""
    if isinstance(value, BlockArgument) and value.block is op.body.block:
        operand = op.operands[value.index]
        indexing = maps_of(op)[value.index]
        return operand, indexing if indexing.results else None
    return value, None


def unary(value: SSAValue, function: str) -> SSAValue | None:
    """The operand of an elementwise function of one tensor, both walked alike."""
    found = elementwise(value)
    if found is None or found.function != function or len(found.operands) != 1:
        return None
    indexing = found.maps[0]
    alike = indexing is not None and indexing == maps_of(found.op)[-1]
    return found.operands[0] if alike else None


def unshaped(value: SSAValue) -> SSAValue:
    """The value behind reshapes."""
    while isinstance(value.owner, tensor.ExpandShapeOp | tensor.CollapseShapeOp):
        value = value.owner.operands[0]
    return value


def plain(value: SSAValue) -> SSAValue:
    """The value behind reshapes and conversions between floats."""
    while True:
        value = unshaped(value)
        inner = next(
            (v for c in CONVERSIONS if (v := unary(value, c)) is not None), None
        )
        if inner is None:
            return value
        value = inner


def number(value: SSAValue) -> float | None:
    """The number that a scalar, or every element of a tensor, is known to be."""
    owner = value.owner
    if isinstance(owner, arith.ConstantOp):
        held = owner.value
        if isinstance(held, FloatAttr | IntegerAttr):
            return float(held.value.data)
        if not isinstance(held, DenseIntOrFPElementsAttr) or not held.is_splat():
            return None
        first = held.get_values()[0]
        return None if isinstance(first, tuple) else float(first)
    if isinstance(owner, FillOp):
        return number(owner.inputs[0])
    found = elementwise(value)
    if found is not None and found.function == "move" and found.maps == (None,):
        return number(found.operands[0])
    return None


def product(value: SSAValue) -> Product | None:
    """The matrix product behind a value that starts from zero, batch dimensions first."""
    op = structured(value)
    if op is None or contraction_of(op) is None or number(op.outputs[0]) != 0:
        return None
    left, right, out = (_positions(indexing) for indexing in maps_of(op))
    if left is None or right is None or out is None or len(out) < 2:
        return None
    *batch, m, n = out
    k = len(out)
    inner = [d for d in range(maps_of(op)[0].num_dims) if d not in out]
    if len(inner) != 1 or left != [*batch, m, inner[0]] or k < 2:
        return None
    if right == [*batch, inner[0], n]:
        return Product(op, op.inputs[0], op.inputs[1], False)
    if right == [*batch, n, inner[0]]:
        return Product(op, op.inputs[0], op.inputs[1], True)
    return None


def _positions(indexing: AffineMap) -> list[int] | None:
    """The loops of a map whose results are plain loops."""
    found = [e.position for e in indexing.results if isinstance(e, AffineDimExpr)]
    return found if len(found) == len(indexing.results) else None


def permutation(value: SSAValue) -> tuple[SSAValue, list[int]] | None:
    """The tensor whose dimensions a value has in another order, and that order: `value[i]` is `[order[i]]`."""
    found = elementwise(value)
    if found is None or found.function != "move" or found.maps[0] is None:
        return None
    positions = _positions(found.maps[0])
    if positions is None or sorted(positions) != list(range(found.maps[0].num_dims)):
        return None
    return found.operands[0], [positions.index(i) for i in range(len(positions))]


def swapped(value: SSAValue) -> SSAValue | None:
    """The tensor whose last two dimensions a value has the other way round."""
    found = permutation(value)
    if found is None:
        return None
    source, order = found
    rank = len(order)
    return source if order == [*range(rank - 2), rank - 1, rank - 2] else None


def transpose(value: SSAValue, order: Sequence[int]) -> tuple[Operation, GenericOp]:
    """An empty tensor and the op that puts a value's dimensions into an order, into it."""
    extents = shape(value)
    kind = TensorType(element(value), [extents[dim] for dim in order])
    empty = tensor.EmptyOp((), kind)
    named = TransposeOp(value, empty.tensor, DenseArrayBase.from_list(i64, order))
    made = generic(named)
    named.erase()
    return empty, made


def generic(op: LinalgStructuredOperation) -> GenericOp:
    """A named linalg op as a `linalg.generic` with its attributes."""
    made = GenericOp(
        op.inputs,
        op.outputs,
        op.body.clone(),
        op.get_indexing_maps(),
        op.get_iterator_types(),
        [result.type for result in op.res],
    )
    made.attributes.update(op.attributes)
    return made


def row_reduction(value: SSAValue) -> RowReduction | None:
    """The reduction along the last dimension behind a value, started from its neutral element."""
    op = structured(value)
    if op is None or len(op.inputs) != 1 or not isinstance(value, OpResult):
        return None
    kinds = [attr.data for attr in op.get_iterator_types()]
    rank = len(kinds)
    last_only = kinds == [*[IteratorType.PARALLEL] * (rank - 1), IteratorType.REDUCTION]
    source, *outs = maps_of(op)
    if not last_only or source != AffineMap.identity(rank):
        return None
    if _row_positions(outs[value.index]) != list(range(rank - 1)):
        return None
    function = _accumulation(op, value.index)
    if function is None or number(op.outputs[value.index]) != NEUTRAL[function]:
        return None
    return RowReduction(function, op.inputs[0])


NEUTRAL = {
    "arith.addf": 0.0,
    "arith.maximumf": float("-inf"),
    "arith.maxnumf": float("-inf"),
}


def _row_positions(indexing: AffineMap) -> list[int]:
    """The loops of a map, without a constant 0 in the last place."""
    return [e.position for e in indexing.results if isinstance(e, AffineDimExpr)]


def _accumulation(op: LinalgStructuredOperation, index: int) -> str | None:
    """The scalar op that joins the element with result `index`, when it is one of `NEUTRAL`."""
    block = op.body.block
    last = block.last_op
    made = last.operands[index].owner if last is not None else None
    if not isinstance(made, Operation) or made.name not in NEUTRAL:
        return None
    joins = {block.args[0], block.args[len(op.inputs) + index]}
    return made.name if set(made.operands) == joins else None


def is_row_operand(found: Elementwise, operand: int) -> bool:
    """Whether an operand has one element per row of the result."""
    indexing = found.maps[operand]
    rank = maps_of(found.op)[-1].num_dims
    return indexing is not None and _row_positions(indexing) == list(range(rank - 1))


def is_full_operand(found: Elementwise, operand: int) -> bool:
    """Whether an operand is walked like the result."""
    return found.maps[operand] == maps_of(found.op)[-1]


def only_user(op: Operation) -> Operation | None:
    """The op with results that alone uses an op's only result."""
    users = {use.operation for use in op.results[0].uses}
    user = next(iter(users), None)
    return user if len(users) == 1 and user is not None and user.results else None


def reassociation(groups: Sequence[Sequence[int]]) -> ArrayAttr[ArrayAttr[IntegerAttr]]:
    """Groups of dimensions as reshapes write them."""
    return ArrayAttr(
        [ArrayAttr([IntegerAttr(d, i64) for d in group]) for group in groups]
    )
