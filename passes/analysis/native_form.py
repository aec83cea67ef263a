"""What a function must be to become a kernel of the host: products with packed weights, or one quantisation."""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from dfc.dialects import ternary
from dfc.dialects.utils import shape

LONGEST = 349_504
"""Columns of a weight up to which sums of codes times 64 stay within 32 bits: 2^31 / (3 * 64 * 128) * 16."""


@dataclass(frozen=True)
class Product:
    """`q @ w.T` of a packed weight of rows x columns, dequantised or not."""

    multiply: ternary.MatmulOp
    unpack: ternary.UnpackOp
    finish: ternary.DequantizeOp | None

    @property
    def ops(self) -> set[Operation]:
        """What is computed."""
        return {op for op in (self.multiply, self.unpack, self.finish) if op}

    @property
    def tokens(self) -> int:
        """Rows of the activations, as the type says."""
        return shape(self.multiply.q)[0]

    @property
    def rows(self) -> int:
        """Rows of the weight: columns of the result."""
        return shape(self.unpack.w)[0]

    @property
    def columns(self) -> int:
        """Columns of the weight and of the activations."""
        return shape(self.unpack.w)[1]

    @property
    def result(self) -> SSAValue:
        """What the function gives back."""
        return self.multiply.a if self.finish is None else self.finish.y


Form = tuple[Product, ...] | ternary.QuantizeOp
"""Products of equally many tokens, in the order of their results; or a quantisation."""


def form_of(function: FuncOp) -> Form | None:
    """The kernel that a function is, None where it is none."""
    if function.is_declaration or len(function.body.blocks) != 1:
        return None
    *ops, last = function.body.block.ops
    if not isinstance(last, ReturnOp) or not reads_arguments(ops):
        return None
    results = list(last.arguments)
    return quantization(ops, results) or products(ops, results)


def quantization(
    ops: Sequence[Operation], results: Sequence[SSAValue]
) -> ternary.QuantizeOp | None:
    """The quantisation that some ops are."""
    if len(ops) != 1 or not isinstance(ops[0], ternary.QuantizeOp):
        return None
    return ops[0] if list(ops[0].results) == list(results) else None


def products(
    ops: Sequence[Operation], results: Sequence[SSAValue]
) -> tuple[Product, ...] | None:
    """The products that some ops are, one for each result."""
    found = [product(result) for result in results]
    whole = tuple(each for each in found if each is not None)
    if not whole or len(whole) < len(found):
        return None
    if len(set(results)) < len(results) or len({each.tokens for each in whole}) > 1:
        return None
    used: set[Operation] = set().union(*(each.ops for each in whole))
    return whole if used == set(ops) else None


def product(result: SSAValue) -> Product | None:
    """The product that makes a value."""
    last = result.owner
    finish = last if isinstance(last, ternary.DequantizeOp) else None
    multiply = last if finish is None else finish.a.owner
    if not isinstance(multiply, ternary.MatmulOp) or multiply.acc is not None:
        return None
    unpack = multiply.w.owner
    if not isinstance(unpack, ternary.UnpackOp) or shape(unpack.w)[1] > LONGEST:
        return None
    if unpack.packing.order.data not in ("rows", "interleaved"):
        return None
    return Product(multiply, unpack, finish)


def reads_arguments(ops: Sequence[Operation]) -> bool:
    """Whether the ops use one another and the function's arguments only."""
    return all(
        isinstance(operand, BlockArgument) or operand.owner in ops
        for op in ops
        for operand in op.operands
    )
