"""What an op is, read from its structure: dtypes, loop sizes, and whether it contracts."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import cast

from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    IntegerType,
)
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineDimExpr

from dfc.dialects import ternary
from dfc.dialects.utils import element, shape

FLOAT_BYTES: dict[type[Attribute], int] = {
    Float64Type: 8,
    Float32Type: 4,
    BFloat16Type: 2,
    Float16Type: 2,
}


def element_bytes(kind: Attribute) -> int:
    """Bytes of one element in memory: whole bytes, i1 as i8, an index as 8."""
    width = _integer_width(kind)
    if width is not None:
        return -(-width // 8)
    return FLOAT_BYTES.get(type(kind), 8)


def _integer_width(kind: Attribute) -> int | None:
    """Bits of an integer type, `None` for other types."""
    if not isinstance(kind, IntegerType):
        return None
    return cast("IntegerType[int]", kind).width.data


def value_bytes(value: SSAValue) -> int:
    """Bytes of a tensor or memref of static shape; trits have no size of their own and count 0."""
    kind = element(value)
    return (
        0 if isinstance(kind, ternary.TritType) else count(value) * element_bytes(kind)
    )


def count(value: SSAValue) -> int:
    """Elements of a tensor or memref; 1 for a scalar."""
    return prod(size for size in shape(value) if size > 0)


def dtype(*values: SSAValue) -> str | None:
    """The dtype an op on these values works in: the widest float, else the widest integer, else none (index)."""
    kinds = [element(value) for value in values]
    floats = [kind for kind in kinds if type(kind) in FLOAT_BYTES]
    if floats:
        return str(max(floats, key=element_bytes))
    widths = [width for width in map(_integer_width, kinds) if width is not None]
    return f"i{max(widths)}" if widths else None


def loop_ranges(op: LinalgStructuredOperation) -> tuple[int, ...]:
    """Trip counts of a structured op's loops, from the operand dimensions its maps name."""
    found: dict[int, int] = {}
    for operand, attr in zip(op.operands, op.get_indexing_maps().data, strict=True):
        for size, expression in zip(shape(operand), attr.data.results, strict=True):
            if isinstance(expression, AffineDimExpr):
                found.setdefault(expression.position, size)
    return tuple(found.get(dim, 1) for dim in range(op.get_num_loops()))


def is_reduction(op: LinalgStructuredOperation) -> bool:
    """Whether one of the loops reduces."""
    return any(str(kind.data) == "reduction" for kind in op.get_iterator_types())


def body_ops(op: Operation) -> Iterator[Operation]:
    """The ops in a structured op's body without its yield."""
    for region in op.regions:
        for block in region.blocks:
            yield from (inner for inner in block.ops if inner.name != "linalg.yield")


@dataclass(frozen=True)
class Contraction:
    """A matrix product `m x k` by `k x n`, `batch` times; the dtype is that of the left operand."""

    batch: int
    m: int
    n: int
    k: int
    dtype: str

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.batch * self.m * self.n * self.k


CONVERSIONS = ("extf", "truncf", "extsi", "extui", "trunci", "sitofp", "uitofp")
PRODUCTS = ("mulf", "muli")
SUMS = ("addf", "addi")


def contraction_of(op: Operation) -> Contraction | None:
    """The matrix product an op is, from its form and not from its name; `None` for other ops."""
    if isinstance(op, ternary.MatmulOp):
        (m, k), n = shape(op.q), shape(op.w)[0]
        return Contraction(1, m, n, k, "i8")
    if isinstance(op, ternary.LookupMatmulOp):
        m, (n, k) = shape(op.t)[0], shape(op.w)
        return Contraction(1, m, n, k, "i8")
    if isinstance(op, ternary.LinearOp):
        (m, k), n = shape(op.x), shape(op.w)[0]
        return Contraction(1, m, n, k, "i8")
    if isinstance(op, LinalgStructuredOperation) and _multiplies_and_adds(op):
        return _product_of_maps(op)
    return None


def _multiplies_and_adds(op: LinalgStructuredOperation) -> bool:
    """Whether a body is one product, one sum and conversions, over two inputs and one output."""
    if len(op.inputs) != 2 or len(op.outputs) != 1 or not is_reduction(op):
        return False
    names = [inner.name.removeprefix("arith.") for inner in body_ops(op)]
    work = [name for name in names if name not in CONVERSIONS]
    return len(work) == 2 and work[0] in PRODUCTS and work[1] in SUMS


def _product_of_maps(op: LinalgStructuredOperation) -> Contraction | None:
    """Sort the loops by the operands that use them: m by left and result, n by right and result, k by both inputs."""
    maps = [attr.data.used_dims() for attr in op.get_indexing_maps()]
    left, right, out = maps
    sizes = loop_ranges(op)

    def size(dims: set[int]) -> int:
        return prod(sizes[dim] for dim in dims)

    m, n = (left - right) & out, (right - left) & out
    if not m and not n:
        return None
    inner = set(range(len(sizes))) - out
    kind = dtype(op.inputs[0])
    if kind is None:
        return None
    return Contraction(size(out - m - n), size(m), size(n), size(inner), kind)
