"""Ternary linear layers: the layer, and the three parts it is decomposed into."""

from xdsl.dialects.builtin import AnyTensorTypeConstr, TensorType, f32, i8, i32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from dfc.dialects.ternary.checks import (
    expect_bias,
    expect_columns,
    expect_scale,
    verify_product,
)
from dfc.dialects.utils import (
    element,
    expect_element,
    expect_float,
    expect_int,
    expect_rank,
    expect_shape,
    optional,
    shape,
)


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
        expect_int("q", self.q, 8)
        expect_shape("s", self.s, shape(self.x)[:1])
        expect_element("s", self.s, f32)


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
        expect_int("q", self.q, 8)
        rows, inner = shape(self.q)
        expect_columns(self.w, inner)
        verify_product(rows, self.w, self.acc, self.a)


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
        expect_int("a", self.a, 32)
        rows, columns = shape(self.a)
        expect_shape("s", self.s, (rows,))
        expect_element("s", self.s, f32)
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
        rows, inner = shape(self.x)
        expect_columns(self.w, inner)
        columns = shape(self.w)[0]
        expect_scale(self.scale, columns)
        expect_bias(self.bias, columns)
        expect_shape("y", self.y, (rows, columns))
        expect_element("y", self.y, element(self.x))
