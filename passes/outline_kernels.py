"""
Make every tiled kernel that can be put together again a function on whole tensors.

    %y = accel.kernel "up" ins(%q, %p, %s, %c) {
      stream.graph {
        %0 = stream.read %q                                  // tokens of 16 x 2560
        %1 = stream.read %p                                  // 27 tokens of 256 packed rows
        %2 = stream.map on "products"(%0, %1, …) { ternary.unpack, ternary.matmul, ternary.dequantize }
        stream.write %2
      }
    }
  -->
    %y = func.call @up(%q, %p, %s, %c)

    func.func private @up(%q, %p, %s, %c) {
      %w = ternary.unpack %p                                 // all 6912 x 2560
      %a = ternary.matmul %q, %w
      %y = ternary.dequantize %a, %s, %c
      func.return %y
    }

Fires on a kernel whose graph only reads, maps, forks and writes, cut along `parallel` dimensions, with
bodies of `arith`, `math`, `linalg`, `tensor` and `ternary` ops or attention (analysis/untiled_graph.py). Packed tiles of a
weight that follow each other as the whole weight is packed are unpacked together. A sum over tiles, and attention
cut into query rows, which are told their position, stay kernels. The function has the kernel's name, its call the kernel's origins. Integers
and elementwise values do not change; a float product of whole tensors may round differently from one of tiles.
"""

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import Region
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from dfc.dialects import accel
from dfc.passes.analysis.functions import functions
from dfc.passes.analysis.origins import copy_origin
from dfc.passes.analysis.untiled_graph import whole_body
from dfc.passes.kernels.names import free_name


@dataclass(frozen=True)
class OutlineKernelsPass(ModulePass):
    name = "outline-kernels"

    alone: bool = False
    """Leave out everything but the functions: for passes behind it that change how they are called."""

    exact: ClassVar[bool] = False
    reassociates: ClassVar[str] = "sums of float products, by the shape of a tile"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        callers = functions(op)
        used = {function.sym_name.data for function in callers}
        for function in callers:
            for kernel in list(function.body.block.ops):
                if isinstance(kernel, accel.KernelOp):
                    made = outlined(kernel, used)
                    if made is not None:
                        op.body.block.add_op(made)
        if self.alone:
            for function in callers:
                Rewriter.erase_op(function)


def outlined(kernel: accel.KernelOp, used: set[str]) -> FuncOp | None:
    """Replace a kernel by a call; the function called, None where it stays a kernel."""
    body = whole_body(kernel)
    if body is None:
        return None
    name = free_name(kernel.sym.data, used)
    used.add(name)
    results = [result.type for result in kernel.outputs]
    kind = ([value.type for value in kernel.inputs], results)
    made = FuncOp(name, kind, Region(body), visibility="private")
    call = CallOp(name, list(kernel.inputs), results)
    copy_origin(kernel, made, call)
    for before, after in zip(kernel.outputs, call.results, strict=True):
        after.name_hint = before.name_hint
    Rewriter.replace_op(kernel, call)
    return made
