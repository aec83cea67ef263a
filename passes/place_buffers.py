"""
Give every tensor of a function a buffer, and every edge of a graph a FIFO, with tier and offset.

    func.func @main(%x: tensor<4x64xi8>, %p: tensor<2x256xi8>) -> tensor<4x32xi32> {
      %y = accel.kernel "k" ins(%x, %p) -> (tensor<4x32xi32>) {
        %s = stream.read %a
        %t = stream.read %b : 2 tokens
        %u = stream.map on "array" (%s, %t) { … }
        %w = stream.write %u
      }
      func.return %y
    }
  -->
    func.func @main(%x: memref<4x64xi8, "ddr">, %p: memref<2x256xi8, "ddr">) -> memref<4x32xi32, "ddr"> {
      %y = tier.alloc offset 0 : memref<4x32xi32, "ddr">
      accel.kernel "k" ins(%x, %p) outs(%y) {
        %s0 = stream.read %a
        %s = stream.fifo %s0 depth 1 tier "sram" offset 512
        %t0 = stream.read %b
        %t = stream.fifo %t0 depth 2 tier "sram" offset 0
        %u0 = stream.map on "array" (%s, %t) { … }
        %u = stream.fifo %u0 depth 2 tier "sram" offset 768
        stream.write %u to %c
      }
      func.return %y
    }

Which buffers are shared: placement/function_buffers.py; where they stand: placement/tier_choice.py and placement/edge_plan.py.
Arguments and results stay in the target's `host_tier`. An entry function keeps its arguments and
results; a called one takes a buffer for each result that is not in one of its arguments, as an extra
argument behind the others, and returns nothing: its caller owns the results' buffers, so two calls
in a row never write to the same one unless the first result is dead. A result whose argument it
updates (a cache) stays in that argument. `attention.kv_write` becomes a copy into the cache. The kernel
in an `scf.if` writes over what the branch gives without it; the function reads the flag itself.
A graph that a unit holds as a whole keeps its nodes and FIFOs, which are inside the unit: only its ends
stand in buffers.
i1 is kept as i8. Values do not change.
"""

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dfc.passes.analysis.functions import WEIGHTS, callees_first, is_private
from dfc.passes.placement.function_buffers import FunctionBuffers, Signature
from dfc.passes.placement.placed_builder import PlacedBuilder
from dfc.passes.placement.tier_choice import TierChoice
from dfc.runtime.machine import target_of


@dataclass(frozen=True)
class PlaceBuffersPass(ModulePass):
    name = "place-buffers"

    exact: ClassVar[bool] = True

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        target = target_of(op)
        frames: dict[str, dict[str, int]] = {}
        signatures: dict[str, Signature] = {}
        for function in callees_first(op):
            name = function.sym_name.data
            if name == WEIGHTS:
                continue
            found = FunctionBuffers(function, target.host_tier, signatures)
            if is_private(function):
                signatures[name] = found.signature()
            placement = TierChoice(found, target, frames).place()
            frames[name] = placement.frame
            PlacedBuilder(found, placement, signatures).build()
