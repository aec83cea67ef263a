"""
Turn attention of few query rows, as a decode step has them, into vector code for the host's processor.

    func.func @attend(%q: tensor<1x20x1x128xbf16>, %k: tensor<1x5x192x128xbf16>, %v: tensor<1x5x192x128xbf16>, %at: index) -> tensor<1x20x1x128xbf16> {
      %y = attention.sdpa %q, %k, %v at %at {causal}
      func.return %y
    }
  -->
    func.func @attend(%arguments: !llvm.ptr, %first: i64, %end: i64) attributes {dfc.isa = "avx512-vnni", dfc.parts = 20 : i64} {
      %q = llvm.load …                          // pointers from the table of arguments
      scf.for %row = %first to %end {
        %sums:10 = scf.for %key = %low to %high step 16 {
          …                                     // 16 scores: products of 16 lanes, added across in a tree of shuffles
          …                                     // their exponentials less the largest so far, times 16 rows of %v
        }
        llvm.store …
      }
    }

Fires on a function that is one `attention.sdpa` of its arguments with a depth that is a multiple of 16 and at most
256; any other is left alone. A part is a query row of a head, in the order of `%q`; one walk over its keys computes the softmax with a
running maximum. The table of arguments is that of `convert-ternary-to-vector`; a position stands in it itself. Keys
that no row sees are not read, nor 16 in a row that the mask hides all of, with -inf or, behind
a key that is seen, less than -1e38; behind the last key of a row the last is
read again. Arithmetic is in f32 (PyTorch's softmax is), in another order, and rounded once.
"""

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import ReturnOp
from xdsl.passes import ModulePass

from dfc.dialects import attention
from dfc.dialects.utils import shape
from dfc.passes.analysis.functions import functions
from dfc.passes.native.attention import LANES, RowAttention
from dfc.passes.native.code import Code
from dfc.passes.native.function import Frame, become_kernel, check_isa

DEEPEST = 256
"""The largest depth: a row of it stands in 16 registers."""


@dataclass(frozen=True)
class ConvertAttentionToVectorPass(ModulePass):
    name = "convert-attention-to-vector"

    isa: str = "portable"
    """Instruction set that may be used: avx512-vbmi, avx512-vnni, avx2 or portable."""

    exact: ClassVar[bool] = False
    reassociates: ClassVar[str] = "sums over the depth and over the keys"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        check_isa(self.isa)
        for function in functions(op):
            found = attention_of(function)
            if found is not None:
                convert(function, found, self.isa)


def attention_of(function: func.FuncOp) -> attention.SdpaOp | None:
    """The attention that a function is, None where it is something else."""
    if function.is_declaration or len(function.body.blocks) != 1:
        return None
    ops = list(function.body.block.ops)
    if len(ops) != 2 or not isinstance(ops[0], attention.SdpaOp):
        return None
    found, last = ops[0], ops[1]
    if not isinstance(last, ReturnOp) or list(last.arguments) != [found.y]:
        return None
    depth = shape(found.q)[3]
    return found if depth % LANES == 0 and depth <= DEEPEST else None


def convert(function: func.FuncOp, found: attention.SdpaOp, isa: str) -> None:
    """Put code in place of an attention."""
    batch, heads, rows, _ = shape(found.q)

    def write(code: Code, frame: Frame) -> None:
        kernel = RowAttention(found, frame.arguments, frame.results[0], isa)
        kernel.write(code, frame.part)

    become_kernel(function, isa, batch * heads * rows, write)
