"""
Turn ternary products into vector code for the host's processor.

    func.func @up(%q: tensor<4x2560xi8>, %p: tensor<4423680xi8>) -> tensor<4x6912xi32> {
      %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>}
      %a = ternary.matmul %q, %w
      func.return %a
    }
  -->
    func.func @up(%arguments: !llvm.ptr, %first: i64, %end: i64) attributes {dfc.isa = "avx512-vnni", dfc.parts = 432 : i64} {
      %q = llvm.load …                          // pointers from the table of arguments
      scf.if %one_token {
        scf.for %block = %first to %end {     // as far as they are blocks of this weight
          %sums:4 = scf.for %column = 0 to 160 {
            %codes = llvm.load … -> vector<64xi8>
            llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(…)
          }
          llvm.store …
        }
      }
      scf.if %more { … }                        // tiles of tokens
    }

Fires on a function that is a product and at most a `dequantize` for each of its results, in any order; any other is
left alone. A product is `unpack` and `matmul`, or a sum over the last dimension of
two int8 matrices in `linalg`. `%arguments` points to 64-bit words: the addresses of the arguments
in order, those of the results, the number of tokens. A call works on the parts from `%first` to `%end` of
`dfc.parts`: blocks of 16 rows of an interleaved or int8 weight, rows of one packed in rows, those of several products one behind
the other in the order of the results. With `shared`, products of a module that differ in the rows of an interleaved
weight at most have their code in common: a private function `@products_of_2560` that takes pointers, parts, tokens and rows.
Activations in int8 have rows of the columns rounded up to 16, padded with zeros; a scale or bias per row of the
weight may be read up to the next multiple of 16. Codes are w + 1, so the sum of the activations is taken off. Integers
are exact; floats are computed as the interpreter does, in f32 in the same order. Only `isa = "portable"`
needs no intrinsic; a weight packed in rows uses none with any. Interleaved `trits3in5` are decoded to 2-bit codes, with
`avx512-vbmi` by permutations of bytes, with any other by arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dfc.passes.native.blocks import BlockProduct
from dfc.passes.native.bytes import ByteProduct, dot_of
from dfc.passes.native.code import Code
from dfc.passes.native.form import Product, products_of
from dfc.passes.native.function import Frame, become_kernel, check_isa
from dfc.passes.native.isa import ISAS
from dfc.passes.native.result import BLOCK, Result
from dfc.passes.native.rows import RowProduct
from dfc.passes.native.shared import Shared
from dfc.passes.native.tiles import Range
from dfc.passes.native.trits import TritProduct


@dataclass(frozen=True)
class ConvertTernaryToVectorPass(ModulePass):
    name = "convert-ternary-to-vector"

    isa: str = "portable"
    """Instruction set to use: avx512-vbmi, avx512-vnni, avx2 or portable."""

    shared: bool = False
    """Whether products have code in common; else each has its own."""

    exact: ClassVar[bool] = True

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        check_isa(self.isa)
        found = {
            function: products
            for function in op.ops
            if isinstance(function, func.FuncOp)
            and (products := products_of(function)) is not None
        }
        alike = chain.from_iterable(found.values()) if self.shared else ()
        shared = Shared(op, self.isa, alike)
        for function, products in found.items():
            convert(function, products, shared)


def convert(function: func.FuncOp, products: Sequence[Product], shared: Shared) -> None:
    """Put a kernel's code in place of its ops."""

    def write(code: Code, frame: Frame) -> None:
        places = dict(frame.arguments)
        for product, pointer in zip(products, frame.results, strict=True):
            places[product.result] = pointer
        results = [Result(each, places) for each in products]
        segments(code, results, frame.part, shared)

    become_kernel(function, shared.isa, sum(map(share, products)), write)


def share(product: Product) -> int:
    """The parts of one product: blocks of rows, or rows."""
    packing = product.packing
    alone = packing is not None and packing.order.data == "rows"
    return product.rows if alone else ceil(product.rows / BLOCK)


def segments(
    code: Code, results: Sequence[Result], part: Range, shared: Shared
) -> None:
    """Products one behind the other, each with what the part has of it."""
    behind = 0

    def write(code: Code, result: Result, part: Range) -> None:
        writer(result, shared.isa).write(code, part)

    for result in results:
        count = share(result.product)
        first, end = (
            code.smaller(code.larger(code.plus(bound, -behind), 0), count)
            for bound in (part.first, part.end)
        )
        mine = Range(first, end, part.tokens)
        some = code.compare(mine.first, "slt", mine.end)
        code.when(some, lambda inner: shared.write(inner, result, mine, write))
        behind += count


def writer(result: Result, isa: str) -> BlockProduct | ByteProduct | RowProduct:
    """What writes the code of one product."""
    packing = result.product.packing
    if packing is None:
        return ByteProduct(dot_of(isa, result.product.columns), result)
    if packing.order.data == "interleaved":
        kind = TritProduct if packing.code.data == "trits3in5" else BlockProduct
        return kind(ISAS[isa], result)
    return RowProduct(result, packing)
