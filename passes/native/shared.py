"""Code that several products of a module have in common, as functions that their kernels call."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, StringAttr, i64
from xdsl.ir import SSAValue

from dfc.dialects.utils import element, shape
from dfc.passes.kernels.names import free_name
from dfc.passes.native.attributes import POINTER
from dfc.passes.native.code import Code
from dfc.passes.native.form import Product
from dfc.passes.native.result import BLOCK, Result
from dfc.passes.native.tiles import Range

Write = Callable[[Code, Result, Range], None]
"""What writes the code of one product for the parts of a call."""


class Shared:
    """
    The functions of a module for products that are equal but for the rows of their weights.

    They stand behind the kernels, which give them pointers, parts, tokens and rows; `dfc.isa` marks them as code.
    """

    def __init__(self, module: ModuleOp, isa: str, products: Iterable[Product]) -> None:
        self.module, self.isa = module, isa
        self.counts = Counter(key_of(product) for product in products)
        self.made: dict[Hashable, func.FuncOp] = {}

    def write(self, code: Code, result: Result, part: Range, write: Write) -> None:
        """The code of a product: in its place, or a call where another has the same."""
        product = result.product
        key = key_of(product)
        if self.counts[key] < 2:
            write(code, result, part)
            return
        if key not in self.made:
            self.made[key] = self.function(product, write)
        values = [result.places[each] for each in operands(product)]
        words = [part.first, part.end, part.tokens, code.word(product.rows)]
        name = self.made[key].sym_name.data
        code.block.add_op(func.CallOp(name, [*values, *words], []))

    def function(self, product: Product, write: Write) -> func.FuncOp:
        """The function for a product and those like it."""
        used = {
            op.sym_name.data for op in self.module.ops if isinstance(op, func.FuncOp)
        }
        values = operands(product)
        pointers = [POINTER for _ in values]
        name = free_name(f"products_of_{product.columns}", used)
        made = func.FuncOp(name, ([*pointers, *[i64] * 4], ()), visibility="private")
        made.attributes["dfc.isa"] = StringAttr(self.isa)
        self.module.body.block.add_op(made)
        *given, first, end, tokens, rows = made.body.block.args
        places: dict[SSAValue, SSAValue] = dict(zip(values, given, strict=True))
        write(Code(made), Result(product, places, rows), Range(first, end, tokens))
        made.body.block.add_op(func.ReturnOp())
        return made


def operands(product: Product) -> list[SSAValue]:
    """What a product reads and writes."""
    return [*product.operands, product.result]


def key_of(product: Product) -> Hashable:
    """Equal for products whose code differs in the number of rows only."""
    factors = [(element(each), shape(each)[1:]) for each in product.operands[2:]]
    ranks = [len(shape(each)) for each in product.operands[2:]]
    interleaved = (
        product.packing is not None and product.packing.order.data == "interleaved"
    )
    rows = product.rows % BLOCK > 0 if interleaved else product.rows
    bias = product.finish is not None and product.finish.bias is not None
    return (
        product.columns,
        rows,
        product.packing,
        element(product.result),
        bias,
        tuple(ranks),
        tuple(factors),
    )
