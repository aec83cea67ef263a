"""
Turn a program of rows, such as a norm and the quantisation behind it, into vector code for the host's processor.

    func.func @norm(%x: tensor<16x2560xbf16>, %w: tensor<2560xbf16>) -> (tensor<16x2560xi8>, tensor<16xf32>) {
      %squares = linalg.generic … { arith.extf, arith.mulf }
      %sum = linalg.generic … iterator_types = ["parallel", "reduction"] { arith.addf }
      …
      %q, %s = ternary.quantize %y
      func.return %q, %s
    }
  -->
    func.func @norm(%arguments: !llvm.ptr, %first: i64, %end: i64) attributes {dfc.isa = "portable", dfc.parts = 0 : i64} {
      %x = llvm.load …                          // pointers from the table of arguments
      scf.for %token = %first to %end {
        %sums:4 = scf.for %column = 0 to 2560 step 64 { … arith.mulf, arith.addf : vector<16xf32> }
        …
      }
    }

Fires on a function of `linalg.generic` (element by element, or folds of the last dimension), `linalg.fill`,
`ternary.quantize`, constants, and reshapes that add or drop dimensions of size 1, over rows `[T, k]` or `[1, T, k]`,
numbers per token, vectors of `k` and single numbers, told apart by their use; every result is a row or a number for
each token. Any other function is left alone, as is one whose arguments are all weights or one with more dimensions. The table of arguments is that of
`convert-ternary-to-vector`; a part is a token; rows of int8 have their columns rounded up to 16, padded with zeros.

Folds that do not depend on one another share a loop over the columns. What a later loop needs is computed
again where that is cheap, and kept on the stack (up to 128 KiB) where it is not. f16 and bf16 are computed in f32 and rounded
after each op, as the interpreter does: element by element the values are equal to the bit, but for `exp`, `log`, `tanh` and
`erf`, which are polynomials within a few units in the last place. Folds are gathered in f32 in another order.
No intrinsic of an instruction set and no library is used; `isa` is only recorded.
"""

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dfc.passes.analysis.functions import WEIGHTS, functions
from dfc.passes.analysis.weight_work import weight_arguments
from dfc.passes.native.code import Code
from dfc.passes.native.function import Frame, become_kernel, check_isa
from dfc.passes.rows.graph import RowProgram, row_program
from dfc.passes.rows.kernel import RowKernel


@dataclass(frozen=True)
class ConvertRowsToVectorPass(ModulePass):
    name = "convert-rows-to-vector"

    isa: str = "portable"
    """Instruction set that the functions are marked with: avx512-vbmi, avx512-vnni, avx2 or portable."""

    exact: ClassVar[bool] = False
    reassociates: ClassVar[str] = "folds of rows, taken in several sums"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        check_isa(self.isa)
        weights = weight_arguments(op)
        for function in functions(op):
            program = None
            if function.sym_name.data != WEIGHTS:
                program = row_program(function, weights.get(function, set()))
            if program is not None:
                convert(function, program, self.isa)


def convert(function: func.FuncOp, program: RowProgram, isa: str) -> None:
    """Put a program's code in place of its ops."""

    def write(code: Code, frame: Frame) -> None:
        RowKernel(program, frame.arguments, frame.results).write(code, frame.part)

    become_kernel(function, isa, 0, write)
