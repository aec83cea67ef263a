"""Work on weights alone: trits from floats, trits to bytes, bytes back to trits."""

from math import ceil, prod

from xdsl.dialects.builtin import (
    AnyTensorTypeConstr,
    DenseArrayBase,
    StringAttr,
    TensorType,
    f32,
    i8,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.ternary.checks import expect_trits
from dfc.dialects.ternary.types import PackingAttr, TritType
from dfc.dialects.utils import (
    Canonicalized,
    element,
    expect,
    expect_float,
    expect_int,
    expect_rank,
    expect_shape,
    expect_type,
    is_float,
    is_int,
    optional,
    shape,
)


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
    traits = traits_def(Pure(), Canonicalized())
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
        good = len(tile) == 2 and min(tile) > 0
        expect(good, "a `tile` of two sizes above 0", list(tile))
        rows, columns = shape(self.w)
        tiles = ceil(rows / tile[0]) * ceil(columns / tile[1])
        expect_shape("packed", self.packed, (tiles, self.packing.tile_bytes(*tile)))
        expect_int("packed", self.packed, 8)


@irdl_op_definition
class UnpackOp(IRDLOperation):
    """
    The trits of one packed tile, in the body that uses them; its bytes may stand in several rows.

        %w = ternary.unpack %bytes {packing = #ternary.packing<trits1in2, order = rows>} : tensor<256xi8> -> tensor<16x64x!ternary.trit>
    """

    name = "ternary.unpack"

    packed = operand_def(AnyTensorTypeConstr)
    packing = prop_def(PackingAttr)
    w = result_def(AnyTensorTypeConstr)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure(), Canonicalized())
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
        expect_int("packed", self.packed, 8)
        expect_trits("w", self.w)
        size = self.packing.tile_bytes(*shape(self.w))
        got = shape(self.packed)
        good = len(got) in (1, 2) and prod(got) == size
        expect(good, f"`packed` of {size} bytes", f"shape {got}")


RULES = ("absmean", "exact")


@irdl_op_definition
class TernarizeOp(IRDLOperation):
    """
    A weight as trits and one scale, `w ~ scale * trits`.

    `absmean`: scale = max(mean(|w|), 1e-5), trits = clamp(round_half_even(w / scale), -1, 1).
    `exact`: w holds only -s, 0 and s; scale = s (1 when w is all zeros), trits = sign(w).
    With `by`, the one factor of a layer beside its weight, scale is multiplied by it, in f32.

        %t, %scale = ternary.ternarize %w {rule = "absmean"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
    """

    name = "ternary.ternarize"

    w = operand_def(AnyTensorTypeConstr)
    by = opt_operand_def(AnyTensorTypeConstr)
    rule = opt_prop_def(StringAttr)
    t = result_def(AnyTensorTypeConstr)
    scale = result_def(AnyTensorTypeConstr)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())
    assembly_format = (
        "$w (`by` $by^ `:` type($by))? attr-dict"
        " `:` type($w) `->` `(` type($t) `,` type($scale) `)`"
    )

    def __init__(
        self,
        w: SSAValue | Operation,
        rule: str = "absmean",
        by: SSAValue | Operation | None = None,
    ) -> None:
        types = [
            TensorType(TritType(), list(shape(SSAValue.get(w)))),
            TensorType(f32, []),
        ]
        super().__init__(
            operands=[w, optional(by)],
            result_types=types,
            properties={"rule": StringAttr(rule)},
        )

    @property
    def method(self) -> str:
        """The rule, `absmean` when none is given."""
        return "absmean" if self.rule is None else self.rule.data

    def verify_(self) -> None:
        expect(self.method in RULES, f"`rule` of {', '.join(RULES)}", self.method)
        expect_rank("w", self.w, 2)
        if not is_float(self.w) and not (self.method == "exact" and is_int(self.w, 8)):
            raise VerifyException(
                f"expected `w` of f32, bf16 or f16 (or of i8 with rule exact), got {element(self.w)}"
            )
        expect_trits("t", self.t)
        expect_shape("t", self.t, shape(self.w))
        expect_type("scale", self.scale, TensorType(f32, []))
        if self.by is not None:
            expect_float("by", self.by)
            sizes = shape(self.by)
            expect(all(n == 1 for n in sizes), "`by` of one element", f"shape {sizes}")
