"""
Cut the tensors of every kernel into tokens and its ops into nodes of one `stream.graph`.

    %y = accel.kernel "up" ins(%q, %w, %s, %c) {
      %a = ternary.matmul %q, %w {accel.unit = "array"}          // 64 x 2560 by 6912 x 2560
      %y = ternary.dequantize %a, %s, %c {accel.unit = "vector"}
    }
  -->
    %p = ternary.pack %w {packing = …, tile = [256, 2560]}
    %y = accel.kernel "up" ins(%q, %p, %s, %c) {
      stream.graph {
        %0 = stream.read %q       // one token
        %1 = stream.read %p       // 27 tokens
        %2 = stream.map on "array" (%0, %1) { ternary.unpack, ternary.matmul }
        %3 = stream.read %s       // one token
        %4 = stream.read %c
        %5 = stream.map on "vector" (%2, %3, %4) { ternary.dequantize }
        stream.write %5
      }
    }

Dimensions that ops walk along together (analysis/dimension_classes.py) are cut together. All nodes of a
kernel stand in one loop nest; each fires in the loops it walks along, so a token that the inner
loops do not change is read once and held. Sizes and order are those with the smallest bound on
time that fit on chip (tiling/search.py; what was tried is in the kernel's `dfc.tiling`). A sum of
integers that is cut becomes a `stream.reduce`. Weights are packed as their unit wants them, in front
of the kernel; `hoist-weights` moves that to `@weights`. Attention is cut into the query rows of its
schedule, which comes from the unit when the op has none. A kernel in the host's memory stays whole.
Constant tensors are made in the bodies that use them.
A kernel on a unit that holds graphs is cut to elements, each op a node of its own (fabric/loops.py): a
reduction folds token by token, and what it has reduced may be used again behind it.
`ternary.linear` is decomposed first. Tiles at an edge may stand over; what stands over is zero.
Integers do not change; a float product of smaller tiles may round differently.
"""

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dfc.dialects import accel
from dfc.passes.analysis.functions import WEIGHTS, functions
from dfc.passes.analysis.sunk_constants import sink_constants
from dfc.passes.decompose_ternary_linear import DecomposeTernaryLinearPass
from dfc.passes.tiling.tiled_kernel import tile_kernel
from dfc.runtime.machine import target_of


@dataclass(frozen=True)
class TileKernelsPass(ModulePass):
    name = "tile-kernels"

    exact: ClassVar[bool] = False
    reassociates: ClassVar[str] = "sums of float products, by the shape of a tile"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        DecomposeTernaryLinearPass().apply(ctx, op)
        target = target_of(op)
        for function in functions(op):
            if function.sym_name.data == WEIGHTS:
                continue
            sink_constants(function, target)
            for kernel in list(function.body.block.ops):
                if isinstance(kernel, accel.KernelOp):
                    tile_kernel(kernel, target)
