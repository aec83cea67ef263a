"""
Turn linear layers whose weight is marked three-valued into ternary layers.

    func.func @main(%x: …, %w: tensor<32x64xf32> {dfc.ternary, dfc.weight = "up.weight"}) {
      %wt = linalg.transpose ins(%w) …
      %a = linalg.matmul ins(%x, %wt) …
      %y = linalg.generic ins(%a, %b) …           // plus a bias
  -->
    func.func @main(%x: …, %w: tensor<32x64xf32> {dfc.ternary, dfc.weight = "up.weight"}) {
      %t, %scale = ternary.ternarize %w {rule = "exact"}
      %y = ternary.linear %x, %t scale %scale bias %b

Fires on a product from zero whose right factor is the transpose of an argument marked
`dfc.ternary` (or is walked as one), with rows of activations on the left; a rounding to the
activations' dtype and a bias that follow are taken in. The arguments of private functions are
marked where every call gives a marked one. Products with other weights stay.

The mark is more than a statement about the weight: it says that the layer is a ternary layer, and
such a layer rounds its activations to int8, row by row, where the written-out one does not. So
this pass changes numbers by up to half of 1/127 of each row's largest activation. Models that
went through `dfc.prepare` hold `ternary.linear` already and lose nothing here.
"""

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.dialects import ternary
from dfc.dialects.utils import element, is_float, shape
from dfc.passes.analysis.functions import (
    argument_attributes,
    callees_first,
    calls,
    erase_unused,
    is_private,
)
from dfc.passes.analysis.origins import ORIGIN, copy_origin
from dfc.passes.analysis.tensor_forms import (
    elementwise,
    is_full_operand,
    maps_of,
    only_user,
    product,
    swapped,
    unary,
)

MARK = "dfc.ternary"


@dataclass(frozen=True)
class Layer:
    """A linear layer as it was found: its product, its last op, and what it computes on."""

    op: Operation
    last: Operation
    x: SSAValue
    weight: SSAValue
    bias: SSAValue | None


def marked_arguments(module: ModuleOp) -> set[SSAValue]:
    """The arguments that are marked, or that every call gives a marked one."""
    found: set[SSAValue] = set()
    sites = calls(module)
    for function in reversed(callees_first(module)):
        rows = argument_attributes(function)
        for argument, row in zip(function.args, rows, strict=True):
            given = [
                s.arguments[argument.index]
                for s in sites.get(function.sym_name.data, ())
            ]
            passed = is_private(function) and given and all(v in found for v in given)
            if MARK in row or passed:
                found.add(argument)
    return found


def match(op: Operation, marked: set[SSAValue]) -> Layer | None:
    """The layer whose product is `op`."""
    found = product(op.results[0]) if len(op.results) == 1 else None
    if found is None or not is_float(found.left):
        return None
    right = found.right
    weight = right if found.transposed else swapped(right)
    if weight not in marked or weight is None or len(shape(weight)) != 2:
        return None
    if len(shape(found.left)) != 2:
        return None
    last = rounded(op, found.left)
    if element(last.results[0]) != element(found.left):
        return None
    bias = bias_behind(last)
    return Layer(
        op, bias[0] if bias else last, found.left, weight, bias[1] if bias else None
    )


def rounded(op: Operation, x: SSAValue) -> Operation:
    """The op that rounds a product to the activations' dtype, where one does; else the product."""
    user = only_user(op)
    if user is None or element(user.results[0]) != element(x):
        return op
    return op if unary(user.results[0], "arith.truncf") is None else user


def bias_behind(op: Operation) -> tuple[Operation, SSAValue] | None:
    """The op that adds one number per column to a layer, and these numbers."""
    user = only_user(op)
    found = elementwise(user.results[0]) if user is not None else None
    if user is None or found is None or found.function != "arith.addf":
        return None
    for here, other in ((0, 1), (1, 0)):
        indexing = found.maps[other]
        if found.operands[here] is not op.results[0] or indexing is None:
            continue
        columns = indexing.results == maps_of(found.op)[-1].results[-1:]
        if is_full_operand(found, here) and columns:
            return user, found.operands[other]
    return None


def replace(layer: Layer) -> None:
    """Put the ternary layer in the place of the last op of the written-out one."""
    trits = ternary.TernarizeOp(layer.weight, "exact")
    linear = ternary.LinearOp(layer.x, trits.t, trits.scale, layer.bias)
    copy_origin(layer.last, linear)
    copy_origin(layer.op, trits)
    name_part(trits, "ternarize")
    for op in (trits, linear):
        Rewriter.insert_op(op, InsertPoint.before(layer.last))
    layer.last.results[0].replace_all_uses_with(linear.y)


def name_part(op: Operation, part: str) -> None:
    """Add `#part` to an op's origin."""
    found = op.attributes.get(ORIGIN)
    if isinstance(found, StringAttr):
        op.attributes[ORIGIN] = StringAttr(f"{found.data}#{part}")


@dataclass(frozen=True)
class RaiseTernaryPass(ModulePass):
    """Replaces marked linear layers by `ternary.linear`."""

    name = "raise-ternary"
    exact: ClassVar[bool] = False
    reassociates: ClassVar[str] = (
        "activations of layers marked `dfc.ternary` are rounded to int8 per row"
    )

    tolerance: ClassVar[float] = 0.05
    """Allowed by the value check, of the largest result: half of 1/127 per activation, summed up."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        marked = marked_arguments(op)
        for function in callees_first(op) if marked else ():
            raise_layers(function, marked)


def raise_layers(function: FuncOp, marked: set[SSAValue]) -> None:
    """Raise the layers of one function."""
    found = [match(op, marked) for op in function.body.block.ops]
    layers = [layer for layer in found if layer is not None]
    for layer in layers:
        replace(layer)
    if layers:
        erase_unused(function)
