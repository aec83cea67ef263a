"""
Turn a dense product of few rows, as the LM head of a decode step is, into vector code for the host's processor.

    func.func @head(%x: tensor<1x2560xbf16>, %w: tensor<128256x2560xbf16>) -> tensor<1x128256xbf16> {
      %zero = linalg.fill ins(%c0 : f32) outs(%e : tensor<1x128256xf32>) -> tensor<1x128256xf32>
      %sums = linalg.generic {…} ins(%x, %w : …) outs(%zero : …) { … }   // x[t, k] * w[n, k], added in f32
      %y = linalg.generic {…} ins(%sums : …) outs(…) { … arith.truncf … }
      func.return %y
    }
  -->
    func.func @head(%arguments: !llvm.ptr, %first: i64, %end: i64) attributes {dfc.isa = "avx512-vnni", dfc.parts = 128256 : i64} {
      %x = llvm.load …                          // pointers from the table of arguments
      %wide = llvm.alloca …                     // the rows of %x in f32
      scf.for %row = %first to %end {
        %sums = scf.for %column = %c0 to %c2560 step 16 {
          …                                     // 16 columns of %w in f32: math.fma with those of %wide
        }
        llvm.store …                            // the lanes added, the bias added, rounded once
      }
    }

Fires on a function that is one product of its arguments, of at most 8 rows and between 16 and 8192 columns, with the
weight's columns last, summed in f32: of f32, f16 or bf16, with or without a bias, rounded or not. Any other is left alone.
A part is a row of the weight. One row of activations takes rows of the weight one behind the other, as they lie; more take
four of either at once, with prefetches that ask for the weight in its order. Code is right for any number of rows; one walk
over the weight takes 8. Sums are of 16 lanes, in an order that neither the other rows nor the parts change.
The table of arguments is that of `convert-ternary-to-vector`.
"""

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dfc.dialects.utils import shape
from dfc.passes.analysis.functions import functions
from dfc.passes.native.code import Code
from dfc.passes.native.dense import LANES, TOKENS, DenseProduct
from dfc.passes.native.dense_form import Dense, dense_of
from dfc.passes.native.function import Frame, become_kernel, check_isa

WIDEST = 8192
"""The most columns: so many of 8 rows in f32 take 256 KiB of the stack."""


@dataclass(frozen=True)
class ConvertLinearToVectorPass(ModulePass):
    name = "convert-linear-to-vector"

    isa: str = "portable"
    """Instruction set that may be used: avx512-vbmi, avx512-vnni, avx2 or portable."""

    exact: ClassVar[bool] = False
    reassociates: ClassVar[str] = "sums over the columns"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        check_isa(self.isa)
        for function in functions(op):
            found = dense_of(function)
            if found is not None and fits(found):
                convert(function, found, self.isa)


def fits(found: Dense) -> bool:
    """Whether a product has few rows, and columns that a vector and the stack take."""
    rows, columns = shape(found.x)
    return 0 < rows <= TOKENS and LANES <= columns <= WIDEST


def convert(function: func.FuncOp, found: Dense, isa: str) -> None:
    """Put code in place of a product."""

    def write(code: Code, frame: Frame) -> None:
        kernel = DenseProduct(found, frame.arguments, frame.results[0], isa)
        kernel.write(code, frame.part)

    become_kernel(function, isa, shape(found.w)[0], write)
