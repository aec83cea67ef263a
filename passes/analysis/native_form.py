"""What a function must be to become a kernel of the host: one product with a packed weight, or one quantisation."""

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


Form = Product | ternary.QuantizeOp


def form_of(function: FuncOp) -> Form | None:
    """The kernel that a function is, None where it is none."""
    if function.is_declaration or len(function.body.blocks) != 1:
        return None
    *ops, last = function.body.block.ops
    if not isinstance(last, ReturnOp):
        return None
    form = product(ops) if len(ops) > 1 else quantization(ops)
    if form is None or not reads_arguments(ops):
        return None
    results = [form.result] if isinstance(form, Product) else list(form.results)
    return form if list(last.arguments) == results else None


def quantization(ops: Sequence[Operation]) -> ternary.QuantizeOp | None:
    """The quantisation that some ops are."""
    return ops[0] if ops and isinstance(ops[0], ternary.QuantizeOp) else None


def product(ops: Sequence[Operation]) -> Product | None:
    """The product that two or three ops are."""
    unpack, multiply, *rest = ops
    if not isinstance(unpack, ternary.UnpackOp):
        return None
    if not isinstance(multiply, ternary.MatmulOp) or multiply.acc is not None:
        return None
    if multiply.w is not unpack.w or shape(unpack.w)[1] > LONGEST:
        return None
    if unpack.packing.order.data == "beats":
        return None
    if not rest:
        return Product(multiply, unpack, None)
    finish = rest[0]
    if len(rest) > 1 or not isinstance(finish, ternary.DequantizeOp):
        return None
    return Product(multiply, unpack, finish) if finish.a is multiply.a else None


def reads_arguments(ops: Sequence[Operation]) -> bool:
    """Whether the ops use one another and the function's arguments only."""
    return all(
        isinstance(operand, BlockArgument) or operand.owner in ops
        for op in ops
        for operand in op.operands
    )
