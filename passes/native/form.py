"""What a function must be to become a kernel of the host: products with packed or int8 weights."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.dialects.linalg.ops import GenericOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from dfc.dialects import ternary
from dfc.dialects.ternary import PackingAttr
from dfc.dialects.utils import is_int, shape
from dfc.passes.analysis.tensor_forms import product as product_form

LONGEST = 349_504
"""Columns of a weight up to which sums of codes times 64 stay within 32 bits: 2^31 / (3 * 64 * 128) * 16."""


@dataclass(frozen=True)
class Product:
    """`q @ w.T` of a weight of rows x columns, dequantised or not: packed, or bytes in rows where `packing` is None."""

    q: SSAValue
    weight: SSAValue
    packing: PackingAttr | None
    rows: int
    columns: int
    exact: SSAValue
    """The sums in 32-bit integers."""
    finish: ternary.DequantizeOp | None

    @property
    def tokens(self) -> int:
        """Rows of the activations, as the type says."""
        return shape(self.q)[0]

    @property
    def result(self) -> SSAValue:
        """What the function gives back."""
        return self.exact if self.finish is None else self.finish.y

    @property
    def operands(self) -> list[SSAValue]:
        """What is read."""
        finish = self.finish
        found = [self.q, self.weight]
        if finish is not None:
            found += [finish.s, finish.scale]
            found += [] if finish.bias is None else [finish.bias]
        return found


def products_of(function: FuncOp) -> tuple[Product, ...] | None:
    """The products that a function is, one for each result, of equally many tokens; None where it is none."""
    if function.is_declaration or len(function.body.blocks) != 1:
        return None
    *ops, last = function.body.block.ops
    if not isinstance(last, ReturnOp):
        return None
    results = list(last.arguments)
    found = [product(result) for result in results]
    whole = tuple(each for each in found if each is not None)
    if not whole or len(whole) < len(found) or len(set(results)) < len(results):
        return None
    if len({each.tokens for each in whole}) > 1:
        return None
    used = set(behind(results))
    read = {operand for each in whole for operand in each.operands}
    arguments = all(isinstance(operand, BlockArgument) for operand in read)
    return whole if arguments and used == set(ops) else None


def behind(values: Sequence[SSAValue]) -> Iterator[Operation]:
    """The ops that values are computed by, some more than once."""
    for value in values:
        if isinstance(value.owner, Operation):
            yield value.owner
            yield from behind(value.owner.operands)


def product(result: SSAValue) -> Product | None:
    """The product that makes a value."""
    last = result.owner
    finish = last if isinstance(last, ternary.DequantizeOp) else None
    exact = result if finish is None else finish.a
    if isinstance(exact.owner, ternary.MatmulOp):
        return packed_product(exact.owner, finish)
    return byte_product(exact, finish)


def packed_product(
    multiply: ternary.MatmulOp, finish: ternary.DequantizeOp | None
) -> Product | None:
    """A product with a weight that is unpacked before."""
    unpack = multiply.w.owner
    if not isinstance(unpack, ternary.UnpackOp) or multiply.acc is not None:
        return None
    rows, columns = shape(unpack.w)
    packing = unpack.packing
    if columns > LONGEST or packing.order.data not in ("rows", "interleaved"):
        return None
    q, a = multiply.q, multiply.a
    return Product(q, unpack.packed, packing, rows, columns, a, finish)


def byte_product(
    exact: SSAValue, finish: ternary.DequantizeOp | None
) -> Product | None:
    """A product of int8 with int8 in rows, in 32 bits."""
    form = product_form(exact)
    if form is None or not form.transposed or len(shape(exact)) != 2:
        return None
    if not is_int(form.left, 8) or not is_int(form.right, 8) or not is_int(exact, 32):
        return None
    if not isinstance(form.op, GenericOp) or not multiplies_signed(form.op):
        return None
    rows, columns = shape(form.right)
    return Product(form.left, form.right, None, rows, columns, exact, finish)


def multiplies_signed(op: GenericOp) -> bool:
    """Whether a body adds the product of its sign-extended inputs."""
    block = op.body.block
    added = block.last_op.operands[0].owner if block.last_op else None
    if not isinstance(added, arith.AddiOp):
        return False
    sums, each = sorted(added.operands, key=lambda v: not isinstance(v, BlockArgument))
    if sums is not block.args[2] or not isinstance(each.owner, arith.MuliOp):
        return False
    wide = [
        value.owner.operands[0]
        for value in each.owner.operands
        if isinstance(value.owner, arith.ExtSIOp)
    ]
    return set(wide) == set(block.args[:2])
