"""What becomes of exact sums: written as they are, or dequantised first; of one row, or of a vector of rows."""

from collections.abc import Mapping
from functools import cache

from xdsl.dialects import arith, llvm
from xdsl.dialects.builtin import AnyFloat, IntegerAttr, VectorType, f32, i32, i64
from xdsl.ir import Attribute, SSAValue

from dfc.dialects.utils import element, shape
from dfc.passes.native.attributes import as_vector, lanes_of
from dfc.passes.native.code import Code, size_bytes
from dfc.passes.native.form import Product

BLOCK = 16
"""Rows and columns of a block of an interleaved weight; activations are padded to it."""


class Result:
    """Where the sums of a product go; `places` are the pointers of the function's values."""

    def __init__(
        self,
        product: Product,
        places: Mapping[SSAValue, SSAValue],
        rows: SSAValue | None = None,
    ) -> None:
        self.product, self.places = product, places
        self.rows = product.rows if rows is None else rows
        self.to = places[product.result]
        self.element = element(product.result)

    def write(self, code: Code, sums: SSAValue, token: SSAValue, row: SSAValue) -> None:
        """Write 32-bit sums of a token and the rows from `row` on (or of that row alone)."""
        values = self.finished(code, sums, token, row)
        at = code.plus(code.times(token, self.rows), row)
        place = code.at(self.to, code.times(at, size_bytes(self.element)))
        if as_vector(values.type) is not None and self.product.rows % BLOCK:
            self.write_some(code, values, place, row)
        else:
            code.store(values, place)

    def write_some(
        self, code: Code, values: SSAValue, place: SSAValue, row: SSAValue
    ) -> None:
        """Write the lanes whose row there is; 32-bit integers as floats, which the op takes."""
        kind = as_vector(values.type)
        assert kind is not None
        (count,) = kind.get_shape()
        lanes = lanes_of(i32, count)
        start = code.splat(code.make(arith.TruncIOp, (row,), i32), lanes)
        rows = code.plus(code.lanes(count, lanes), start)
        limit = self.limit(code, lanes)
        mask = code.add(
            llvm.ICmpOp(
                rows, limit, IntegerAttr(llvm.ICmpPredicateFlag.SLT.to_int(), i64)
            )
        )
        if self.element == i32:
            values = code.recast(values, lanes_of(f32, count))
        op = llvm.MaskedStoreOp(values, place, mask, alignment=1)
        code.block.add_op(op)

    def limit(self, code: Code, lanes: VectorType[Attribute]) -> SSAValue:
        """The number of rows in every lane."""
        if isinstance(self.rows, int):
            return code.constant(self.rows, lanes)
        return code.splat(code.make(arith.TruncIOp, (self.rows,), i32), lanes)

    def finished(
        self, code: Code, sums: SSAValue, token: SSAValue, row: SSAValue
    ) -> SSAValue:
        """`a / s * scale (+ bias)` in f32, rounded once, in this order."""
        finish = self.product.finish
        if finish is None:
            return sums
        floats = like(sums, f32)
        s = code.load(code.at(self.places[finish.s], code.times(token, 4)), f32)
        y = code.make(llvm.SIToFPOp, (sums,), floats)
        y = code.make(arith.DivfOp, (y, spread(code, s, floats)), floats)
        scale = self.factor(code, finish.scale, row, floats)
        y = code.make(arith.MulfOp, (y, scale), floats)
        if finish.bias is not None:
            bias = self.factor(code, finish.bias, row, floats)
            y = code.make(arith.AddfOp, (y, bias), floats)
        if self.element == f32:
            return y
        return code.make(arith.TruncFOp, (y,), like(sums, self.element))

    def factor(
        self, code: Code, value: SSAValue, row: SSAValue, floats: Attribute
    ) -> SSAValue:
        """One number for all rows, or one per row, in f32."""
        place, kind = self.places[value], element(value)
        assert isinstance(kind, AnyFloat)
        if not shape(value):
            return spread(code, code.load(place, kind), floats)
        place = code.at(place, code.times(row, size_bytes(kind)))
        held = code.load(place, kind_like(floats, kind))
        return held if kind == f32 else code.make(arith.ExtFOp, (held,), floats)


def like(value: SSAValue, kind: Attribute) -> Attribute:
    """The type of as many of another kind as a value has."""
    return kind_like(value.type, kind)


@cache
def kind_like(type_: Attribute, kind: Attribute) -> Attribute:
    """A scalar or vector type with another element."""
    vector = as_vector(type_)
    return kind if vector is None else VectorType(kind, vector.get_shape())


def spread(code: Code, value: SSAValue, type_: Attribute) -> SSAValue:
    """A scalar as a value of a type, in every lane of a vector."""
    kind = as_vector(type_)
    return value if kind is None else code.splat(value, kind)
