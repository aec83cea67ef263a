"""
Take a `ternary.linear` apart into its quantisation, product and dequantisation.

    %y = ternary.linear %x, %w scale %scale {dfc.origin = "mlp.up:linear"}
  -->
    %q, %s = ternary.quantize %x {dfc.origin = "mlp.up:linear#quantize"}
    %a = ternary.matmul %q, %w {dfc.origin = "mlp.up:linear#matmul"}
    %y = ternary.dequantize %a, %s, %scale {dfc.origin = "mlp.up:linear"}

Fires on every `ternary.linear`, so that units which do only one of the three can share the work
and K can be tiled. Layers of one block that quantise the same `%x` share one quantisation. The
result keeps the identity of the layer (it is the same value); the numbers do not change.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from dfc.dialects import ternary
from dfc.passes.analysis.origins import ORIGIN, copy_origin, origin_of


def decompose(
    op: ternary.LinearOp, known: dict[tuple[Block | None, SSAValue], ternary.QuantizeOp]
) -> None:
    """Replace one layer; quantisations are looked up in `known` and added to it."""
    new: list[Operation] = []
    quantize = known.get((op.parent, op.x))
    if quantize is None:
        quantize = known[op.parent, op.x] = ternary.QuantizeOp(op.x)
        new.append(quantize)
    matmul = ternary.MatmulOp(quantize.q, op.w)
    dequantize = ternary.DequantizeOp(
        matmul.a, quantize.s, op.scale, op.bias, op.y.type
    )
    new += [matmul, dequantize]
    name_parts(op, {"quantize": quantize, "matmul": matmul})
    for attribute, value in op.attributes.items():
        for part in new:
            part.attributes.setdefault(attribute, value)
    Rewriter.replace_op(op, new, [dequantize.y])


def name_parts(op: ternary.LinearOp, parts: dict[str, Operation]) -> None:
    """Give each part the layer's origin with `#part` behind it."""
    origin = origin_of(op)
    for name, part in parts.items():
        if origin:
            part.attributes.setdefault(ORIGIN, StringAttr(f"{origin}#{name}"))
        copy_origin(op, part)


@dataclass(frozen=True)
class DecomposeTernaryLinearPass(ModulePass):
    """Replaces each `ternary.linear` by three ops."""

    name = "decompose-ternary-linear"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        known: dict[tuple[Block | None, SSAValue], ternary.QuantizeOp] = {}
        for layer in list(op.walk()):
            if isinstance(layer, ternary.QuantizeOp):
                known.setdefault((layer.parent, layer.x), layer)
            elif isinstance(layer, ternary.LinearOp):
                decompose(layer, known)
