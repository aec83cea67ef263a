"""Entry functions: weights by name, calls and their paths, and what a hook sees outside kernels."""

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import KernelHook, run

W = np.array([[1, 0], [-1, 1]], np.float32)
X = np.array([[1, 2]], np.float32)


def parse(text: str) -> ModuleOp:
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


MODULE = """
func.func @main(%x: tensor<1x2xf32>, %w: tensor<2x2x!ternary.trit> {dfc.weight = "@weights:0"}, %s: tensor<f32> {dfc.weight = "@weights:1"}) -> tensor<1x2xf32> {
  %y = func.call @layer(%x, %w, %s) {dfc.origin = "layers.0"} : (tensor<1x2xf32>, tensor<2x2x!ternary.trit>, tensor<f32>) -> tensor<1x2xf32>
  %z = func.call @layer(%y, %w, %s) {dfc.origin = "layers.1"} : (tensor<1x2xf32>, tensor<2x2x!ternary.trit>, tensor<f32>) -> tensor<1x2xf32>
  func.return %z : tensor<1x2xf32>
}
func.func private @layer(%x: tensor<1x2xf32>, %w: tensor<2x2x!ternary.trit>, %s: tensor<f32>) -> tensor<1x2xf32> {
  %y = ternary.linear %x, %w scale %s {dfc.origin = "layer:linear"} : (tensor<1x2xf32>, tensor<2x2x!ternary.trit>, tensor<f32>) -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}
func.func @weights(%w: tensor<2x2xf32> {dfc.weight = "proj.weight"}) -> (tensor<2x2x!ternary.trit>, tensor<f32>) {
  %t, %s = ternary.ternarize %w {rule = "exact", dfc.origin = "layers.0"} : tensor<2x2xf32> -> (tensor<2x2x!ternary.trit>, tensor<f32>)
  func.return %t, %s : tensor<2x2x!ternary.trit>, tensor<f32>
}
"""


def test_weights_are_made_from_the_original_ones():
    (y,) = run(parse(MODULE), "main", (X,), weights={"proj.weight": W})
    np.testing.assert_allclose(y, X @ W.T @ W.T, atol=2e-2)


def test_weights_may_be_given_as_made_in_order_or_not_set_apart():
    module = parse(MODULE)
    made = run(module, "weights", (), weights={"proj.weight": W})
    named = {f"@weights:{n}": value for n, value in enumerate(made)}
    (expected,) = run(module, "main", (X,), weights={"proj.weight": W})
    for given in (named, list(made)):
        (y,) = run(module, "main", (X,), weights=given)
        assert np.array_equal(y, expected)
    (y,) = run(module, "main", (X, *made))
    assert np.array_equal(y, expected)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "expected a value for the weight `proj.weight`, got none"),
        ({"proj.weight": W[:1]}, "shape 2x2 for weight `proj.weight` of `@weights`, got 1x2"),
        ({"proj.weight": W * [[1], [2]]}, "float32 for weight `proj.weight`"),
        ({"proj.weight": np.float32([[1, 2], [0, 0]])}, "holds -s, 0 and s only"),
        ([], "expected 2 weights, got 0"),
    ],
)  # fmt: skip
def test_wrong_weights_are_sentences(weights, message):
    with pytest.raises(ExecutionError, match=message):
        run(parse(MODULE), "main", (X,), weights=weights)


def test_an_unknown_function_lists_the_others():
    with pytest.raises(ExecutionError, match=r"main, layer, weights, got `decode`"):
        run(parse(MODULE), "decode", ())


class Look(KernelHook):
    """Notes values and what is quantised; doubles one layer's result, and another's integers."""

    def __init__(self):
        self.values, self.quantised = {}, {}

    def value(self, name, path, value):
        self.values[path, name] = value
        return value * 2 if (path, name) == (("layers.0",), "layer:linear") else value

    def quantized(self, name, path, x, q, s):
        self.quantised[path, name] = x
        return (q // 2, s) if path == ("layers.1",) else (q, s)


def test_hook_sees_values_by_path_and_changes_them():
    hook = Look()
    (y,) = run(parse(MODULE), "main", (X,), weights={"proj.weight": W}, hook=hook)
    (once,) = run(parse(MODULE), "layer", (X, W.astype(np.int8), np.float32(1)))
    assert set(hook.values) == {
        ((), "layers.0"),
        (("layers.0",), "layer:linear"),
        ((), "layers.1"),
        (("layers.1",), "layer:linear"),
    }
    assert np.array_equal(hook.quantised[("layers.0",), "layer:linear"], X)
    assert np.array_equal(hook.quantised[("layers.1",), "layer:linear"], 2 * once)
    np.testing.assert_allclose(y, once @ W.T, rtol=5e-2)


class FirstRows(KernelHook):
    """Knows two rows of what is quantised."""

    def quantized(self, name, path, x, q, s):
        return q[:2] * 0, s[:2]


def test_rows_a_hook_does_not_know_stay():
    text = """
    func.func @f(%x: tensor<3x2xf32>, %w: tensor<2x2x!ternary.trit>, %s: tensor<f32>) -> tensor<3x2xf32> {
      %y = ternary.linear %x, %w scale %s : (tensor<3x2xf32>, tensor<2x2x!ternary.trit>, tensor<f32>) -> tensor<3x2xf32>
      func.return %y : tensor<3x2xf32>
    }"""
    x = np.repeat(X, 3, 0)
    operands = (x, W.astype(np.int8), np.array(1, np.float32))
    (want,) = run(parse(text), "f", operands)
    (y,) = run(parse(text), "f", operands, hook=FirstRows())
    assert not y[:2].any()
    assert np.array_equal(y[2], want[2])
