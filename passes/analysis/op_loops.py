"""The loops of one op: which dimensions of its operands and results move together, and how."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from xdsl.dialects import arith, tensor
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.attrs import IteratorType
from xdsl.dialects.linalg.ops import IndexOp
from xdsl.ir import Operation, SSAValue
from xdsl.ir.affine import AffineConstantExpr, AffineDimExpr, AffineExpr

from dfc.dialects import accel, attention, ternary
from dfc.dialects.utils import shape

Kind = Literal["parallel", "reduction", "whole"]
"""
What a tile may do along a dimension: `parallel` tiles are independent, `reduction` tiles are
accumulated, `whole` is never cut.
"""


@dataclass(frozen=True)
class Slot:
    """Dimension `dim` of `value`, which moves by `step` elements per step of its loop."""

    value: SSAValue
    dim: int
    step: int = 1


@dataclass(frozen=True)
class Loop:
    """One loop of an op's iteration space and the dimensions it walks along."""

    kind: Kind
    slots: tuple[Slot, ...]


def loops_of(op: Operation) -> list[Loop]:
    """The loops of an op; every tensor dimension of its operands and results is in one of them."""
    found = list(_known_loops(op))
    seen = {(slot.value, slot.dim) for loop in found for slot in loop.slots}
    free = isinstance(op, tensor.EmptyOp | arith.ConstantOp | accel.YieldOp)
    rest = [slot for slot in _all_slots(op) if (slot.value, slot.dim) not in seen]
    return found + [
        Loop("parallel" if free or _size(slot) == 1 else "whole", (slot,))
        for slot in rest
    ]


def _known_loops(op: Operation) -> Iterator[Loop]:
    """The loops that are known by the op's kind; dimensions left out are whole."""
    for kinds, loops in _LOOPS:
        if isinstance(op, kinds):
            yield from loops(op)
            return
    if op.name.startswith(("arith.", "math.")) and not op.regions:
        yield from _elementwise(op)


def _all_slots(op: Operation) -> Iterator[Slot]:
    """Every dimension of every tensor that the op reads (in its regions too) or makes."""
    values = dict.fromkeys([*op.operands, *captured(op), *op.results])
    for value in values:
        yield from (Slot(value, dim) for dim in range(len(shape(value))))


def captured(op: Operation) -> list[SSAValue]:
    """The values that an op's regions use from outside the op, in order of first use."""
    if not op.regions:
        return []
    own, *inner = op.walk()
    inside = {own, *inner}
    used = dict.fromkeys(value for part in inner for value in part.operands)
    return [value for value in used if _maker(value) not in inside]


def _maker(value: SSAValue) -> Operation | None:
    """The op that makes a value, or that owns the block whose argument it is."""
    owner = value.owner
    return owner if isinstance(owner, Operation) else owner.parent_op()


def _size(slot: Slot) -> int:
    return shape(slot.value)[slot.dim]


def _along(kind: Kind, *slots: tuple[SSAValue | None, int] | Slot) -> Loop:
    """A loop over slots; a slot of an absent operand is left out."""
    made = [slot if isinstance(slot, Slot) else _slot(*slot) for slot in slots]
    return Loop(kind, tuple(slot for slot in made if slot is not None))


def _slot(value: SSAValue | None, dim: int) -> Slot | None:
    return None if value is None or dim >= len(shape(value)) else Slot(value, dim)


def _elementwise(op: Operation) -> Iterator[Loop]:
    values = [v for v in (*op.operands, *op.results) if shape(v)]
    if len({shape(value) for value in values}) != 1:
        return
    for dim in range(len(shape(values[0]))):
        yield _along("parallel", *((value, dim) for value in values))


def _structured(op: LinalgStructuredOperation) -> Iterator[Loop]:
    """Loops of a linalg op by its indexing maps; a sliding window or a use of the index is whole."""
    maps = [attr.data for attr in op.get_indexing_maps()]
    kinds = [attr.data for attr in op.get_iterator_types()]
    values = [*zip(op.operands, maps, strict=True)]
    values += [*zip(op.res, maps[len(op.inputs) :], strict=True)]
    slots: list[list[Slot]] = [[] for _ in kinds]
    whole = {i.dim.value.data for i in op.body.walk() if isinstance(i, IndexOp)}
    for value, indexing in values:
        for dim, expr in enumerate(indexing.results):
            if isinstance(expr, AffineDimExpr):
                slots[expr.position].append(Slot(value, dim))
            elif not isinstance(expr, AffineConstantExpr):
                whole |= _dims_of(expr)
    for loop, kind in enumerate(kinds):
        tiled = "reduction" if kind == IteratorType.REDUCTION else "parallel"
        yield Loop("whole" if loop in whole else tiled, tuple(slots[loop]))


def _dims_of(expr: AffineExpr) -> set[int]:
    return {part.position for part in expr.dfs() if isinstance(part, AffineDimExpr)}


def _reshape(op: tensor.ExpandShapeOp | tensor.CollapseShapeOp) -> Iterator[Loop]:
    """In each group the outermost dimension above 1 walks along the joined one; the inner are whole."""
    expands = isinstance(op, tensor.ExpandShapeOp)
    joined, split = (op.src, op.result) if expands else (op.result, op.src)
    groups = op.reassociation
    for dim, group in enumerate(groups):
        members = [index.value.data for index in group]
        sizes = [shape(split)[member] for member in members]
        outer = next((i for i, size in enumerate(sizes) if size > 1), 0)
        step = prod(sizes[outer + 1 :])
        yield Loop(
            "parallel", (Slot(split, members[outer]), Slot(joined, dim, max(step, 1)))
        )


def _slice(source: SSAValue, part: SSAValue, sizes: Sequence[int]) -> Iterator[Loop]:
    """Dimensions taken in full move together; `part` may lack dimensions of size 1."""
    at = 0
    for dim, size in enumerate(sizes):
        rest = shape(part)[at:]
        if not rest or rest[0] != size:
            continue
        if size == shape(source)[dim]:
            yield _along("parallel", (source, dim), (part, at))
        at += 1


def _extract_slice(op: tensor.ExtractSliceOp) -> Iterator[Loop]:
    sizes = op.static_sizes.get_values()
    yield from _slice(op.source, op.result, sizes)


def _insert_slice(op: tensor.InsertSliceOp) -> Iterator[Loop]:
    sizes = op.static_sizes.get_values()
    for loop in _slice(op.dest, op.source, sizes):
        yield Loop(loop.kind, (*loop.slots, Slot(op.result, loop.slots[0].dim)))


def _concat(op: tensor.ConcatOp) -> Iterator[Loop]:
    for dim in range(len(shape(op.result))):
        if dim != op.dim.value.data:
            yield _along("parallel", *((v, dim) for v in (*op.inputs, op.result)))


def _pad(op: tensor.PadOp) -> Iterator[Loop]:
    before, after = shape(op.source), shape(op.result)
    for dim, sizes in enumerate(zip(before, after, strict=True)):
        if sizes[0] == sizes[1]:
            yield _along("parallel", (op.source, dim), (op.result, dim))


def _quantize(op: ternary.QuantizeOp) -> Iterator[Loop]:
    yield _along("parallel", (op.x, 0), (op.q, 0), (op.s, 0))
    yield _along("whole", (op.x, 1), (op.q, 1))


def _matmul(op: ternary.MatmulOp) -> Iterator[Loop]:
    yield _along("parallel", (op.q, 0), (op.acc, 0), (op.a, 0))
    yield _along("parallel", (op.w, 0), (op.acc, 1), (op.a, 1))
    yield _along("reduction", (op.q, 1), (op.w, 1))


def _dequantize(op: ternary.DequantizeOp) -> Iterator[Loop]:
    yield _along("parallel", (op.a, 0), (op.s, 0), (op.y, 0))
    yield _along("parallel", (op.a, 1), (op.scale, 0), (op.bias, 0), (op.y, 1))


def _linear(op: ternary.LinearOp) -> Iterator[Loop]:
    yield _along("parallel", (op.x, 0), (op.y, 0))
    yield _along("parallel", (op.w, 0), (op.scale, 0), (op.bias, 0), (op.y, 1))
    yield _along("whole", (op.x, 1), (op.w, 1))


def _build_tables(op: ternary.BuildTablesOp) -> Iterator[Loop]:
    yield _along("parallel", (op.q, 0), (op.t, 0))
    group = op.group.value.data
    if shape(op.q)[1] % group == 0:
        yield _along("parallel", Slot(op.q, 1, group), (op.t, 1))


def _lookup_matmul(op: ternary.LookupMatmulOp) -> Iterator[Loop]:
    yield _along("parallel", (op.t, 0), (op.acc, 0), (op.a, 0))
    yield _along("parallel", (op.w, 0), (op.acc, 1), (op.a, 1))
    if shape(op.w)[1] % 3 == 0:
        yield _along("reduction", (op.t, 1), Slot(op.w, 1, 3))


def _sdpa(op: attention.SdpaOp) -> Iterator[Loop]:
    """Batch, heads and query rows; keys and the head dimension are whole."""
    heads, groups = shape(op.q)[1], shape(op.k)[1]
    mask = op.mask
    masks = shape(mask) if mask is not None else (1, 1, 1, 1)
    shared = [(op.q, 0), (op.k, 0), (op.v, 0), (op.y, 0)]
    yield _along("parallel", *shared, *([(mask, 0)] if masks[0] > 1 else []))
    step = heads // groups
    queries = [Slot(op.q, 1, step), Slot(op.y, 1, step)]
    if mask is not None and masks[1] > 1:
        queries.append(Slot(mask, 1, step))
    yield _along("parallel", *queries, (op.k, 1), (op.v, 1))
    yield _along("parallel", (op.q, 2), (op.y, 2), (mask, 2))


def _kv_write(op: attention.KvWriteOp) -> Iterator[Loop]:
    """Rows are written at a position: they are whole."""
    for dim in (0, 1, 3):
        yield _along("parallel", (op.cache, dim), (op.new, dim), (op.result, dim))


_LOOPS: tuple[tuple[type[Operation], Callable[..., Iterator[Loop]]], ...] = (
    (LinalgStructuredOperation, _structured),
    (tensor.ExpandShapeOp, _reshape),
    (tensor.CollapseShapeOp, _reshape),
    (tensor.ExtractSliceOp, _extract_slice),
    (tensor.InsertSliceOp, _insert_slice),
    (tensor.ConcatOp, _concat),
    (tensor.PadOp, _pad),
    (ternary.QuantizeOp, _quantize),
    (ternary.MatmulOp, _matmul),
    (ternary.DequantizeOp, _dequantize),
    (ternary.LinearOp, _linear),
    (ternary.BuildTablesOp, _build_tables),
    (ternary.LookupMatmulOp, _lookup_matmul),
    (attention.SdpaOp, _sdpa),
    (attention.KvWriteOp, _kv_write),
)
