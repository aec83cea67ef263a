"""The bridge: bits of floats, locations, named ops that xDSL lacks, and a child that fails."""

import ml_dtypes
import numpy as np
import pytest
from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.ir import Operation

from dfc.runtime import mlir
from dfc.runtime.interpreter import run

CONSTANT = "func.func @f() -> {kind} {{ %c = arith.constant {text} : {kind} return %c : {kind} }}"


def crossed(text: str) -> ModuleOp:
    """Upstream text as an xDSL module."""
    module = mlir.to_xdsl(mlir.parse_mlir(text))
    module.verify()
    return module


def ops_named(module: ModuleOp, name: str) -> list[Operation]:
    return [op for op in module.walk() if op.name == name]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("tensor<2xf32>", "dense<0xFF800000>", [-np.inf, -np.inf]),
        ("tensor<2xf32>", "dense<[0xFF800000, 1.5]>", [-np.inf, 1.5]),
        ("tensor<f32>", "dense<0xFF800000>", -np.inf),
        ("tensor<2xbf16>", "dense<0xFF80>", [-np.inf, -np.inf]),
        ("tensor<2xbf16>", "dense<[0xFF80, 1.5]>", [-np.inf, 1.5]),
        ("tensor<2xf16>", "dense<[0xFC00, 1.5]>", [-np.inf, 1.5]),
        ("tensor<64xf32>", "dense<0xFF800000>", [-np.inf] * 64),
        ("tensor<2xi1>", "dense<[true, false]>", [True, False]),
        ("tensor<2xi64>", "dense<-1>", [-1, -1]),
    ],
)
def test_constants_keep_their_bits(kind: str, text: str, value: object):
    module = crossed(CONSTANT.format(kind=kind, text=text))
    (got,) = run(module, "f", ())
    np.testing.assert_array_equal(np.asarray(got, np.float64), value)


def test_scalar_minus_infinity_crosses_both_ways():
    module = crossed(CONSTANT.format(kind="f32", text="0xFF800000"))
    (got,) = run(mlir.run_pipeline(module, "canonicalize"), "f", ())
    assert got == -np.inf


def test_dense_minus_infinity_crosses_both_ways():
    module = crossed(
        CONSTANT.format(kind="tensor<2xbf16>", text="dense<[0xFF80, 2.0]>")
    )
    (got,) = run(mlir.run_pipeline(module, "canonicalize"), "f", ())
    np.testing.assert_array_equal(got, np.array([-np.inf, 2], ml_dtypes.bfloat16))


def test_locations_become_origins():
    module = crossed(
        """func.func @f(%x: f32) -> f32 {
          %a = arith.addf %x, %x : f32 loc("m:add")
          %b = arith.mulf %a, %a : f32 loc(fused["m:mul", "m:pow"])
          return %b : f32
        }"""
    )
    (add,), (mul,) = ops_named(module, "arith.addf"), ops_named(module, "arith.mulf")
    assert add.attributes["dfc.origin"] == StringAttr("m:add")
    both = ArrayAttr([StringAttr("m:mul"), StringAttr("m:pow")])
    assert mul.attributes["dfc.origin"] == both
    again = mlir.run_pipeline(module, "cse")
    assert str(again) == str(module)


def test_a_named_op_that_xdsl_lacks_becomes_generic():
    module = crossed(
        """func.func @f(%a: tensor<2x3x4xf32>, %b: tensor<2x4x5xf32>, %o: tensor<2x3x5xf32>) -> tensor<2x3x5xf32> {
          %y = linalg.batch_matmul ins(%a, %b : tensor<2x3x4xf32>, tensor<2x4x5xf32>) outs(%o : tensor<2x3x5xf32>) -> tensor<2x3x5xf32>
          return %y : tensor<2x3x5xf32>
        }"""
    )
    assert len(ops_named(module, "linalg.generic")) == 1
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in [(2, 3, 4), (2, 4, 5)])
    (got,) = run(module, "f", (a, b, np.zeros((2, 3, 5), np.float32)))
    np.testing.assert_allclose(got, a @ b, rtol=1e-6, atol=1e-6)


def test_reshapes_of_one_element_cross():
    module = crossed(
        """func.func @f(%x: tensor<f32>, %y: tensor<1x1xf32>) -> (tensor<1x1xf32>, tensor<f32>) {
          %a = tensor.expand_shape %x [] output_shape [1, 1] : tensor<f32> into tensor<1x1xf32>
          %b = tensor.collapse_shape %y [] : tensor<1x1xf32> into tensor<f32>
          return %a, %b : tensor<1x1xf32>, tensor<f32>
        }"""
    )
    a, b = run(module, "f", (np.float32(3).reshape(()), np.full((1, 1), 4, np.float32)))
    assert (np.shape(a), float(a[0, 0]), np.shape(b), float(b)) == ((1, 1), 3, (), 4)


def test_what_upstream_cannot_parse_is_one_sentence():
    with pytest.raises(mlir.LoweringError) as error:
        mlir.parse_mlir("func.func @f( {")
    assert "\n" not in str(error.value)


def test_the_child_names_the_op_and_its_origin():
    text = """func.func @f(%x: !torch.vtensor<[2],f32>) -> !torch.vtensor<[2],f32> {
      %y = torch.operator "torch.aten.i0"(%x) : (!torch.vtensor<[2],f32>) -> !torch.vtensor<[2],f32> loc("m:i0")
      return %y : !torch.vtensor<[2],f32>
    }"""
    with pytest.raises(mlir.LoweringError, match=r"torch\.aten\.i0") as error:
        mlir.lower_torch(mlir.parse_mlir(text))
    assert "m:i0" in error.value.origins


def test_a_child_that_crashes_does_not_end_this_process():
    text = """func.func @f(%a: !torch.vtensor<[4,4],si8>) -> !torch.vtensor<[4,4],si8> {
      %y = torch.aten.mm %a, %a : !torch.vtensor<[4,4],si8>, !torch.vtensor<[4,4],si8> -> !torch.vtensor<[4,4],si8>
      return %y : !torch.vtensor<[4,4],si8>
    }"""
    with pytest.raises(mlir.LoweringError, match="stopped by signal"):
        mlir.lower_torch(mlir.parse_mlir(text))
