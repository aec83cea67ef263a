"""The `ternary` dialect: linear layers whose weights are -1, 0 or 1, from quantisation to packed bytes."""

from collections.abc import Sequence
from math import ceil

from xdsl.dialects.builtin import (
    AnyTensorTypeConstr,
    DenseArrayBase,
    IntAttr,
    IntegerAttr,
    StringAttr,
    TensorType,
    f32,
    i8,
    i32,
    i64,
)
from xdsl.ir import (
    Attribute,
    Dialect,
    Operation,
    ParametrizedAttribute,
    SSAValue,
    TypeAttribute,
)
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.utils import (
    element,
    expect,
    expect_float,
    expect_rank,
    expect_shape,
    is_float,
    is_int,
    optional,
    parse_keyed,
    print_keyed,
    shape,
)

TRITS_PER_GROUP = {"trits1in2": (1, 2), "trits3in5": (3, 5), "trits5in8": (5, 8)}
"""Codes of the packings: trits per group and bits per group."""

ORDERS = ("rows", "interleaved", "beats")


@irdl_attr_definition
class TritType(ParametrizedAttribute, TypeAttribute):
    """A value of -1, 0 or 1 without a layout; it stands in tensors only."""

    name = "ternary.trit"


@irdl_attr_definition
class PackingAttr(ParametrizedAttribute):
    """
    How the trits of one weight tile become bytes.

        #ternary.packing<trits1in2, order = rows>
        #ternary.packing<trits3in5, order = beats, block = 84, beat = 96>

    A code is w + 1, the first trit in the lowest bits (or the lowest digit).
    `rows` is row-major within the tile. `interleaved` puts 16 rows x 16 columns of 2-bit
    codes into 64 bytes: byte 4*r + j holds columns j, j + 4, j + 8 and j + 12 of row r.
    `beats` cuts the columns into blocks; in a block each row is one vector of codes, and as
    many whole vectors as fit are laid into a beat of `beat` bytes, the rest of it is padding.
    """

    name = "ternary.packing"
    code: StringAttr
    order: StringAttr
    block: IntAttr
    beat: IntAttr

    def __init__(
        self, code: str, order: str = "rows", block: int = 0, beat: int = 0
    ) -> None:
        super().__init__(
            StringAttr(code), StringAttr(order), IntAttr(block), IntAttr(beat)
        )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<code, order = …, block = …, beat = …>`."""
        found = parse_keyed(parser, ("order", "block", "beat"), head="code")
        return (
            StringAttr(str(found["code"])),
            StringAttr(str(found.get("order", "rows"))),
            IntAttr(int(found.get("block", 0))),
            IntAttr(int(found.get("beat", 0))),
        )

    def print_parameters(self, printer: Printer) -> None:
        """Print what `parse_parameters` reads."""
        parts = [self.code.data, f"order = {self.order.data}"]
        if self.order.data == "beats":
            parts += [f"block = {self.block.data}", f"beat = {self.beat.data}"]
        print_keyed(printer, parts)

    def verify(self) -> None:
        code, order = self.code.data, self.order.data
        block, beat = self.block.data, self.beat.data
        expect(code in TRITS_PER_GROUP, f"a code of {', '.join(TRITS_PER_GROUP)}", code)
        expect(order in ORDERS, f"an order of {', '.join(ORDERS)}", order)
        if order == "interleaved":
            expect(code == "trits1in2", "trits1in2 for order interleaved", code)
        if order != "beats":
            expect(not block and not beat, "`block` and `beat` for order beats", order)
            return
        expect(block > 0 and beat > 0, "`block` and `beat` above 0", (block, beat))
        trits, _ = TRITS_PER_GROUP[code]
        expect(block % trits == 0, f"`block` a multiple of {trits}", block)
        expect(
            self.vector_bits <= 8 * beat,
            f"a beat of at least {self.vector_bits} bits",
            8 * beat,
        )

    @property
    def vector_bits(self) -> int:
        """Bits of one row of one block in order `beats`."""
        trits, bits = TRITS_PER_GROUP[self.code.data]
        return self.block.data // trits * bits

    def tile_bytes(self, rows: int, columns: int) -> int:
        """
        Bytes of a packed tile of `rows` x `columns` trits.

        `rows`: the codes of all trits, rounded up to a byte. `interleaved`: rows and columns
        padded to 16, 4 trits a byte. `beats`: per block of columns, the beats that hold all
        rows' vectors.
        """
        trits, bits = TRITS_PER_GROUP[self.code.data]
        if self.order.data == "interleaved":
            return ceil(rows / 16) * ceil(columns / 16) * 64
        if self.order.data == "beats":
            vectors = 8 * self.beat.data // self.vector_bits
            blocks = ceil(columns / self.block.data)
            return blocks * ceil(rows / vectors) * self.beat.data
        return ceil(ceil(rows * columns / trits) * bits / 8)


def is_trit(value: SSAValue) -> bool:
    """Whether a tensor's elements are trits."""
    return isinstance(element(value), TritType)


def expect_trits(name: str, value: SSAValue) -> None:
    """Check that a value is a 2-d tensor of trits."""
    expect(is_trit(value), f"`{name}` of !ternary.trit", element(value))
    expect_rank(name, value, 2)


def expect_scale(scale: SSAValue, columns: int) -> None:
    """Check that a weight's scale is `tensor<f32>` or one f32 per row of the weight."""
    good = str(element(scale)) == "f32" and shape(scale) in ((), (columns,))
    expect(good, f"`scale` of type tensor<f32> or tensor<{columns}xf32>", scale.type)


def expect_bias(bias: SSAValue | None, columns: int) -> None:
    """Check that an optional bias is a float per column of the result."""
    if bias is not None:
        expect_float("bias", bias)
        expect_shape("bias", bias, (columns,))


@irdl_op_definition
class QuantizeOp(IRDLOperation):
    """
    `s = 127 / max(absmax(x), 1e-5)`, `q = clamp(round_half_even(x * s), -128, 127)`, per row (token) of x.

        %q, %s = ternary.quantize %x : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf32>)
    """

    name = "ternary.quantize"

    x = operand_def(AnyTensorTypeConstr)
    q = result_def(AnyTensorTypeConstr)
    s = result_def(AnyTensorTypeConstr)

    traits = traits_def(Pure())
    assembly_format = "$x attr-dict `:` type($x) `->` `(` type($q) `,` type($s) `)`"

    def __init__(self, x: SSAValue | Operation) -> None:
        rows, columns = shape(SSAValue.get(x))
        types = [TensorType(i8, [rows, columns]), TensorType(f32, [rows])]
        super().__init__(operands=[x], result_types=types)

    def verify_(self) -> None:
        expect_rank("x", self.x, 2)
        expect_float("x", self.x)
        expect_shape("q", self.q, shape(self.x))
        expect(is_int(self.q, 8), "`q` of i8", element(self.q))
        expect_shape("s", self.s, shape(self.x)[:1])
        expect(str(element(self.s)) == "f32", "`s` of f32", element(self.s))


@irdl_op_definition
class MatmulOp(IRDLOperation):
    """
    `a = q @ w.T (+ acc)`, exact in 32-bit integers.

        %a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
    """

    name = "ternary.matmul"

    q = operand_def(AnyTensorTypeConstr)
    w = operand_def(AnyTensorTypeConstr)
    acc = opt_operand_def(AnyTensorTypeConstr)
    a = result_def(AnyTensorTypeConstr)

    traits = traits_def(Pure())
    assembly_format = (
        "$q `,` $w (`acc` $acc^)? attr-dict `:` functional-type(operands, results)"
    )

    def __init__(
        self,
        q: SSAValue | Operation,
        w: SSAValue | Operation,
        acc: SSAValue | Operation | None = None,
    ) -> None:
        rows, columns = shape(SSAValue.get(q))[0], shape(SSAValue.get(w))[0]
        super().__init__(
            operands=[q, w, optional(acc)],
            result_types=[TensorType(i32, [rows, columns])],
        )

    def verify_(self) -> None:
        expect_rank("q", self.q, 2)
        expect(is_int(self.q, 8), "`q` of i8", element(self.q))
        verify_product(self.w, shape(self.q), self.acc, self.a)


def verify_product(
    w: SSAValue, inner: tuple[int, ...], acc: SSAValue | None, a: SSAValue
) -> None:
    """Check `inner (M x K) times w (N x K) transposed (+ acc) = a (M x N)`, a of i32."""
    expect_trits("w", w)
    rows, columns = inner[0], inner[1]
    expect(shape(w)[1] == columns, f"`w` with {columns} columns", shape(w)[1])
    expect_shape("a", a, (rows, shape(w)[0]))
    expect(is_int(a, 32), "`a` of i32", element(a))
    if acc is not None:
        expect(acc.type == a.type, f"`acc` of type {a.type}", acc.type)


@irdl_op_definition
class DequantizeOp(IRDLOperation):
    """
    `y = a / s * scale (+ bias)`, in f32, rounded once to the result's dtype.

        %y = ternary.dequantize %a, %s, %scale : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xf32>
    """

    name = "ternary.dequantize"

    a = operand_def(AnyTensorTypeConstr)
    s = operand_def(AnyTensorTypeConstr)
    scale = operand_def(AnyTensorTypeConstr)
    bias = opt_operand_def(AnyTensorTypeConstr)
    y = result_def(AnyTensorTypeConstr)

    traits = traits_def(Pure())
    assembly_format = "$a `,` $s `,` $scale (`bias` $bias^)? attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        a: SSAValue | Operation,
        s: SSAValue | Operation,
        scale: SSAValue | Operation,
        bias: SSAValue | Operation | None,
        result_type: Attribute,
    ) -> None:
        super().__init__(
            operands=[a, s, scale, optional(bias)],
            result_types=[result_type],
        )

    def verify_(self) -> None:
        expect_rank("a", self.a, 2)
        expect(is_int(self.a, 32), "`a` of i32", element(self.a))
        rows, columns = shape(self.a)
        expect_shape("s", self.s, (rows,))
        expect(str(element(self.s)) == "f32", "`s` of f32", element(self.s))
        expect_scale(self.scale, columns)
        expect_bias(self.bias, columns)
        expect_shape("y", self.y, (rows, columns))
        expect_float("y", self.y)


@irdl_op_definition
class LinearOp(IRDLOperation):
    """
    `y = dequantize(matmul(quantize(x), w), scale) (+ bias)`: a ternary linear layer; decomposed on entering *tiled*.

        %y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>
    """

    name = "ternary.linear"

    x = operand_def(AnyTensorTypeConstr)
    w = operand_def(AnyTensorTypeConstr)
    scale = operand_def(AnyTensorTypeConstr)
    bias = opt_operand_def(AnyTensorTypeConstr)
    y = result_def(AnyTensorTypeConstr)

    traits = traits_def(Pure())
    assembly_format = "$x `,` $w `scale` $scale (`bias` $bias^)? attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        x: SSAValue | Operation,
        w: SSAValue | Operation,
        scale: SSAValue | Operation,
        bias: SSAValue | Operation | None = None,
    ) -> None:
        x, w = SSAValue.get(x), SSAValue.get(w)
        result = TensorType(element(x), [shape(x)[0], shape(w)[0]])
        super().__init__(
            operands=[x, w, scale, optional(bias)],
            result_types=[result],
        )

    def verify_(self) -> None:
        expect_rank("x", self.x, 2)
        expect_float("x", self.x)
        expect_trits("w", self.w)
        rows, inner = shape(self.x)
        columns = shape(self.w)[0]
        expect(shape(self.w)[1] == inner, f"`w` with {inner} columns", shape(self.w)[1])
        expect_scale(self.scale, columns)
        expect_bias(self.bias, columns)
        expect_shape("y", self.y, (rows, columns))
        expect(
            element(self.y) == element(self.x),
            f"`y` of {element(self.x)}",
            element(self.y),
        )


@irdl_op_definition
class BuildTablesOp(IRDLOperation):
    """
    `t[m, g, i]` is the sum of the group's inputs times the i-th of the 27 ternary weightings; K is padded with zeros.

    Index i = sum over j of (w_j + 1) * 3^j for the group's weights w_0, w_1, w_2.

        %t = ternary.build_tables %q {group = 3 : i64} : tensor<4x64xi8> -> tensor<4x22x27xi16>
    """

    name = "ternary.build_tables"

    q = operand_def(AnyTensorTypeConstr)
    group = prop_def(IntegerAttr.constr(i64))
    t = result_def(AnyTensorTypeConstr)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())
    assembly_format = "$q attr-dict `:` type($q) `->` type($t)"

    def verify_(self) -> None:
        expect_rank("q", self.q, 2)
        expect(is_int(self.q, 8), "`q` of i8", element(self.q))
        group = self.group.value.data
        expect(group == 3, "`group` 3", group)
        rows, inner = shape(self.q)
        expect_shape("t", self.t, (rows, ceil(inner / group), 3**group))
        expect(is_int(self.t, 16), "`t` of i16", element(self.t))


@irdl_op_definition
class LookupMatmulOp(IRDLOperation):
    """
    `a = sum over groups g of t[m, g, index of w[n, group g]] (+ acc)`: the table-lookup form of `ternary.matmul`.

        %a = ternary.lookup_matmul %t, %w : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
    """

    name = "ternary.lookup_matmul"

    t = operand_def(AnyTensorTypeConstr)
    w = operand_def(AnyTensorTypeConstr)
    acc = opt_operand_def(AnyTensorTypeConstr)
    a = result_def(AnyTensorTypeConstr)

    traits = traits_def(Pure())
    assembly_format = (
        "$t `,` $w (`acc` $acc^)? attr-dict `:` functional-type(operands, results)"
    )

    def verify_(self) -> None:
        expect_rank("t", self.t, 3)
        expect(is_int(self.t, 16), "`t` of i16", element(self.t))
        rows, groups, entries = shape(self.t)
        expect(entries == 27, "27 entries in each table", entries)
        expect_trits("w", self.w)
        columns = shape(self.w)[1]
        expect(
            groups == ceil(columns / 3), f"{ceil(columns / 3)} groups in `t`", groups
        )
        verify_product(self.w, (rows, columns), self.acc, self.a)


@irdl_op_definition
class PackOp(IRDLOperation):
    """
    Packs a weight tile by tile, row-major over tiles; the edges are padded with zero trits (code 1).

        %p = ternary.pack %w {packing = #ternary.packing<trits1in2, order = rows>, tile = array<i64: 16, 64>} : tensor<32x64x!ternary.trit> -> tensor<2x256xi8>
    """

    name = "ternary.pack"

    w = operand_def(AnyTensorTypeConstr)
    packing = prop_def(PackingAttr)
    tile = prop_def(DenseArrayBase.constr(i64))
    packed = result_def(AnyTensorTypeConstr)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())
    assembly_format = "$w attr-dict `:` type($w) `->` type($packed)"

    def __init__(
        self, w: SSAValue | Operation, packing: PackingAttr, tile: tuple[int, int]
    ) -> None:
        rows, columns = shape(SSAValue.get(w))
        tiles = ceil(rows / tile[0]) * ceil(columns / tile[1])
        super().__init__(
            operands=[w],
            result_types=[TensorType(i8, [tiles, packing.tile_bytes(*tile)])],
            properties={
                "packing": packing,
                "tile": DenseArrayBase.from_list(i64, tile),
            },
        )

    def verify_(self) -> None:
        expect_trits("w", self.w)
        tile = tuple(self.tile.get_values())
        expect(
            len(tile) == 2 and min(tile) > 0,
            "a `tile` of two sizes above 0",
            list(tile),
        )
        rows, columns = shape(self.w)
        tiles = ceil(rows / tile[0]) * ceil(columns / tile[1])
        expect_shape("packed", self.packed, (tiles, self.packing.tile_bytes(*tile)))
        expect(is_int(self.packed, 8), "`packed` of i8", element(self.packed))


@irdl_op_definition
class UnpackOp(IRDLOperation):
    """
    The trits of one packed tile, in the body that uses them.

        %w = ternary.unpack %bytes {packing = #ternary.packing<trits1in2, order = rows>} : tensor<256xi8> -> tensor<16x64x!ternary.trit>
    """

    name = "ternary.unpack"

    packed = operand_def(AnyTensorTypeConstr)
    packing = prop_def(PackingAttr)
    w = result_def(AnyTensorTypeConstr)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())
    assembly_format = "$packed attr-dict `:` type($packed) `->` type($w)"

    def __init__(
        self,
        packed: SSAValue | Operation,
        packing: PackingAttr,
        result_type: Attribute,
    ) -> None:
        super().__init__(
            operands=[packed],
            result_types=[result_type],
            properties={"packing": packing},
        )

    def verify_(self) -> None:
        expect(is_int(self.packed, 8), "`packed` of i8", element(self.packed))
        expect_trits("w", self.w)
        size = self.packing.tile_bytes(*shape(self.w))
        got = shape(self.packed)
        good = got in ((size,), (1, size))
        expect(good, f"`packed` of {size} bytes", f"shape {got}")


RULES = ("absmean", "exact")


@irdl_op_definition
class TernarizeOp(IRDLOperation):
    """
    A weight as trits and one scale, `w ~ scale * trits`.

    `absmean`: scale = max(mean(|w|), 1e-5), trits = clamp(round_half_even(w / scale), -1, 1).
    `exact`: w holds only -s, 0 and s; scale = s (1 when w is all zeros), trits = sign(w).

        %t, %scale = ternary.ternarize %w {rule = "absmean"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
    """

    name = "ternary.ternarize"

    w = operand_def(AnyTensorTypeConstr)
    rule = opt_prop_def(StringAttr)
    t = result_def(AnyTensorTypeConstr)
    scale = result_def(AnyTensorTypeConstr)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())
    assembly_format = "$w attr-dict `:` type($w) `->` `(` type($t) `,` type($scale) `)`"

    def __init__(self, w: SSAValue | Operation, rule: str = "absmean") -> None:
        types = [
            TensorType(TritType(), list(shape(SSAValue.get(w)))),
            TensorType(f32, []),
        ]
        super().__init__(
            operands=[w], result_types=types, properties={"rule": StringAttr(rule)}
        )

    @property
    def method(self) -> str:
        """The rule, `absmean` when none is given."""
        return "absmean" if self.rule is None else self.rule.data

    def verify_(self) -> None:
        expect(self.method in RULES, f"`rule` of {', '.join(RULES)}", self.method)
        expect_rank("w", self.w, 2)
        good = is_float(self.w) or (self.method == "exact" and is_int(self.w, 8))
        if not good:
            raise VerifyException(
                f"expected `w` of f32, bf16 or f16 (or of i8 with rule exact), got {element(self.w)}"
            )
        expect_trits("t", self.t)
        expect_shape("t", self.t, shape(self.w))
        expect(
            str(self.scale.type) == "tensor<f32>",
            "`scale` of type tensor<f32>",
            self.scale.type,
        )


Ternary = Dialect(
    "ternary",
    [
        QuantizeOp,
        MatmulOp,
        DequantizeOp,
        LinearOp,
        BuildTablesOp,
        LookupMatmulOp,
        PackOp,
        UnpackOp,
        TernarizeOp,
    ],
    [TritType, PackingAttr],
)
