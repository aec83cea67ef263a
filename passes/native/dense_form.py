"""What a function must be to become a kernel of the host: a dense product with floats."""

from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.dialects.linalg.ops import GenericOp
from xdsl.ir import BlockArgument, SSAValue
from xdsl.ir.affine import AffineMap

from dfc.dialects.utils import element, shape
from dfc.passes.analysis.tensor_forms import elementwise, product, unary
from dfc.passes.native.form import behind


@dataclass(frozen=True)
class Dense:
    """`x @ w.T + bias` in floats, summed in f32 and rounded to the result's kind."""

    x: SSAValue
    w: SSAValue
    bias: SSAValue | None
    result: SSAValue


def dense_of(function: FuncOp) -> Dense | None:
    """The dense product of its arguments that a function is, None where it is something else."""
    if function.is_declaration or len(function.body.blocks) != 1:
        return None
    *ops, last = function.body.block.ops
    if not isinstance(last, ReturnOp) or len(last.arguments) != 1:
        return None
    result = last.arguments[0]
    narrow = unary(result, "arith.truncf")
    sums = result if narrow is None else narrow
    total, bias = without_bias(sums)
    form = product(total)
    if form is None or not form.transposed or len(shape(total)) != 2:
        return None
    if element(total) != f32 or not isinstance(form.op, GenericOp):
        return None
    read_ = [form.left, form.right, *([] if bias is None else [bias])]
    if not all(isinstance(value, BlockArgument) for value in read_):
        return None
    if not multiplies_in_f32(form.op) or set(behind([result])) != set(ops):
        return None
    return Dense(form.left, form.right, bias, result)


def without_bias(sums: SSAValue) -> tuple[SSAValue, SSAValue | None]:
    """A sum of rows and of a number per column as the rows and the numbers before they were widened."""
    found = elementwise(sums)
    if found is None or found.function != "arith.addf" or len(found.operands) != 2:
        return sums, None
    rows, columns = AffineMap.identity(2), AffineMap.from_callable(lambda _, n: (n,))
    if found.maps != (rows, columns):
        return sums, None
    total, bias = found.operands
    wide = unary(bias, "arith.extf")
    return total, bias if wide is None else wide


def multiplies_in_f32(op: GenericOp) -> bool:
    """Whether a body adds the product of its inputs, widened to f32 where they are narrower."""
    block = op.body.block
    added = block.last_op.operands[0].owner if block.last_op else None
    if not isinstance(added, arith.AddfOp) or block.args[2] not in added.operands:
        return False
    owners = [value.owner for value in added.operands if value is not block.args[2]]
    if len(owners) != 1 or not isinstance(owners[0], arith.MulfOp):
        return False
    inner = [
        value.owner.operands[0] if isinstance(value.owner, arith.ExtFOp) else value
        for value in owners[0].operands
    ]
    return set(inner) == set(block.args[:2])
