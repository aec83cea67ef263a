"""Tests of decompose-ternary-linear: the parts compute what the layer does."""

import pytest
from pass_testing import check_values, ops_named, parse

from dfc.passes.decompose_ternary_linear import DecomposeTernaryLinearPass


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("bias", [True, False])
def test_values_stay(dtype: str, bias: bool):
    module = parse(f"""
    func.func @main(%x: tensor<4x64x{dtype}>, %w: tensor<32x64x!ternary.trit>, %c: tensor<32xf32>, %b: tensor<32x{dtype}>) -> (tensor<4x32x{dtype}>, tensor<4x32x{dtype}>) {{
      %y = ternary.linear %x, %w scale %c {"bias %b" if bias else ""} {{dfc.origin = "a:linear"}} : (tensor<4x64x{dtype}>, tensor<32x64x!ternary.trit>, tensor<32xf32>{f", tensor<32x{dtype}>" if bias else ""}) -> tensor<4x32x{dtype}>
      %z = ternary.linear %x, %w scale %c {{dfc.origin = "b:linear"}} : (tensor<4x64x{dtype}>, tensor<32x64x!ternary.trit>, tensor<32xf32>) -> tensor<4x32x{dtype}>
      func.return %y, %z : tensor<4x32x{dtype}>, tensor<4x32x{dtype}>
    }}""")
    made = check_values(module, DecomposeTernaryLinearPass())
    assert len(ops_named(made, "ternary.quantize")) == 1
    assert len(ops_named(made, "ternary.matmul")) == 2


def test_quantisation_in_another_block_is_not_shared():
    layer = "ternary.linear %x, %w scale %c : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>"
    function = f"""(%x: tensor<4x64xf32>, %w: tensor<32x64x!ternary.trit>, %c: tensor<f32>) -> tensor<4x32xf32> {{
      %y = {layer}
      func.return %y : tensor<4x32xf32>
    }}"""
    module = parse(f"func.func @one{function}\nfunc.func @two{function}")
    made = check_values(module, DecomposeTernaryLinearPass())
    assert len(ops_named(made, "ternary.quantize")) == 2
