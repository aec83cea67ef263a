"""
Lower placed kernels to functions of copies and launches, ordered by events.

    accel.kernel "k" ins(%w : memref<64x1024xi8, "ddr">) outs(%y : memref<1x64xi32, "sram">) {
      %s = stream.read %w : 64 tokens
      %t = stream.fifo %s depth 2 tier "sram" offset 0
      %u = stream.map on "array" (%t) { … }
      stream.write %u to %y {in_place}
    }
  -->
    %done = func.call @k(%w, %y, %before)
    func.func private @k(%w, %y, %before: !accel.event) -> !accel.event {
      %slots = tier.alloc offset 0 : memref<2x1x1024xi8, "sram">
      %old, %last = scf.for %i = %c0 to %c64 step %c1 iter_args(…) {
        %there = tier.copy %tile to %slot after(%old, %before)
        %ran = accel.launch on "array" after(%there) ins(%slot) outs(%yi) { … }
      }
      func.return %last
    }

Every kernel of the placed level becomes a function (analysis/loop_nest.py says how its loops come about), and
every function that is called takes events and gives events (analysis/event_order.py says which). An op that
touches bytes which another op touched before, one of them writing, starts after it; nothing else
waits. An entry function waits for everything before it returns, and before it reads a flag, for
what writes it. A branch gives the events of its kernel, or else has waited for what these stand for.
The launches are the firings of the graph's nodes in the order of the trips, so values are equal bit
by bit. A graph that a unit holds as a whole is one launch, whose body is the graph on values.
"""

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dfc.passes.analysis.program_builder import ProgramBuilder


@dataclass(frozen=True)
class ConvertStreamToAccelPass(ModulePass):
    name = "convert-stream-to-accel"

    exact: ClassVar[bool] = True

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        ProgramBuilder(op).build()
