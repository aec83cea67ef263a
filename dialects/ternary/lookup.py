"""The table-lookup form of the ternary product: tables of a group's 27 sums, and a product that reads them."""

from math import ceil

from xdsl.dialects.builtin import (
    AnyTensorTypeConstr,
    IntegerAttr,
    TensorType,
    i16,
    i32,
    i64,
)
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from dfc.dialects.ternary.checks import expect_trits, verify_product
from dfc.dialects.utils import (
    expect,
    expect_int,
    expect_rank,
    expect_shape,
    optional,
    shape,
)

GROUP = 3
"""Trits per table: its 3^3 = 27 sums of int8 values fit 16 bits."""


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

    def __init__(self, q: SSAValue | Operation) -> None:
        rows, inner = shape(SSAValue.get(q))
        tables = TensorType(i16, [rows, ceil(inner / GROUP), 3**GROUP])
        super().__init__(
            operands=[q],
            result_types=[tables],
            properties={"group": IntegerAttr(GROUP, i64)},
        )

    def verify_(self) -> None:
        expect_rank("q", self.q, 2)
        expect_int("q", self.q, 8)
        group = self.group.value.data
        expect(group == GROUP, f"`group` {GROUP}", group)
        rows, inner = shape(self.q)
        expect_shape("t", self.t, (rows, ceil(inner / group), 3**group))
        expect_int("t", self.t, 16)


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

    def __init__(
        self,
        t: SSAValue | Operation,
        w: SSAValue | Operation,
        acc: SSAValue | Operation | None = None,
    ) -> None:
        rows, columns = shape(SSAValue.get(t))[0], shape(SSAValue.get(w))[0]
        super().__init__(
            operands=[t, w, optional(acc)],
            result_types=[TensorType(i32, [rows, columns])],
        )

    def verify_(self) -> None:
        expect_rank("t", self.t, 3)
        expect_int("t", self.t, 16)
        rows, groups, entries = shape(self.t)
        expect(entries == 3**GROUP, f"{3**GROUP} entries in each table", entries)
        expect_trits("w", self.w)
        want = ceil(shape(self.w)[1] / GROUP)
        expect(groups == want, f"{want} groups in `t`", groups)
        verify_product(rows, self.w, self.acc, self.a)
