"""Tests of outline-layers: calls compute what the runs did, also where weights differ."""

import pytest
from pass_testing import FILECHECK, apply_to_clone, check_values, ops_named, parse

from dfc.passes.hoist_weights import HoistWeightsPass
from dfc.passes.outline_layers import OutlineLayersPass

CASES = (FILECHECK / "outline_layers.mlir").read_text().split("// -----")


@pytest.mark.parametrize("text", CASES)
def test_values_stay(text: str):
    check_values(parse(text), OutlineLayersPass())


def test_work_on_the_weights_of_layers_is_hoisted_after_outlining():
    layer = """
      %t{i}, %s{i} = ternary.ternarize %w{i} {{dfc.origin = "l.{i}:t"}} : tensor<16x16xf32> -> (tensor<16x16x!ternary.trit>, tensor<f32>)
      %y{j} = ternary.linear %y{i}, %t{i} scale %s{i} {{dfc.origin = "l.{i}:linear"}} : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
    """
    weights = ", ".join(
        f'%w{i}: tensor<16x16xf32> {{dfc.weight = "l.{i}"}}' for i in range(3)
    )
    body = "".join(layer.format(i=i, j=i + 1) for i in range(3))
    module = parse(
        f"func.func @main(%y0: tensor<4x16xf32>, {weights}) -> tensor<4x16xf32> {{"
        f"{body} func.return %y3 : tensor<4x16xf32> }}"
    )
    made = check_values(module, OutlineLayersPass(), HoistWeightsPass())
    assert len(ops_named(made, "ternary.linear")) == 1
    assert [
        op.attributes["dfc.origin"].data for op in ops_named(made, "ternary.ternarize")
    ] == [f"l.{i}:t" for i in range(3)]


def test_work_on_weights_between_products_is_in_no_run():
    ternarized = "(tensor<16x16x!ternary.trit>, tensor<f32>)"
    make = f"%t{{i}}, %s{{i}} = ternary.ternarize %w{{i}} : tensor<16x16xf32> -> {ternarized}\n"
    use = (
        "%l{i} = ternary.linear %x, %t{i} scale %s{i} : (tensor<4x16xf32>,"
        " tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>\n"
        "%n{i} = arith.negf %l{i} : tensor<4x16xf32>\n"
    )
    # each product stands behind the weights of the next: equal runs of all three ops
    body = make.format(i=0) + "".join(
        make.format(i=i + 1) + use.format(i=i) for i in range(3)
    )
    weights = ", ".join(
        f'%w{i}: tensor<16x16xf32> {{dfc.weight = "{i}"}}' for i in range(4)
    )
    results = ", ".join(f"%n{i}" for i in range(3))
    kinds = ", ".join(["tensor<4x16xf32>"] * 3)
    module = parse(
        f"func.func @main(%x: tensor<4x16xf32>, {weights}) -> ({kinds}) {{"
        f"{body} func.return {results} : {kinds} }}"
    )
    made = check_values(module, OutlineLayersPass(), HoistWeightsPass())
    (inner,) = ops_named(made, "ternary.linear")
    layer = inner.parent_op()
    assert len(ops_named(made, "func.call")) == 3
    assert not set(layer.body.block.last_op.operands) & set(layer.args)


def test_parts_of_the_only_layer_are_no_layers():
    text = """
    func.func @main(%x: tensor<4x16xf32>, %w: tensor<16x16x!ternary.trit>, %c: tensor<f32>) -> (tensor<4x16xf32>, tensor<4x16xf32>) {
      %q = ternary.linear %x, %w scale %c {dfc.origin = "l.0.q:a"} : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
      %m = arith.negf %q {dfc.origin = "l.0.q:n"} : tensor<4x16xf32>
      %k = ternary.linear %x, %w scale %c {dfc.origin = "l.0.k:a"} : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
      %n = arith.negf %k {dfc.origin = "l.0.k:n"} : tensor<4x16xf32>
      func.return %m, %n : tensor<4x16xf32>, tensor<4x16xf32>
    }"""
    made = apply_to_clone(OutlineLayersPass(), parse(text))
    assert not ops_named(made, "func.call")
    made = apply_to_clone(OutlineLayersPass(), parse(text.replace("l.0.", "l.")))
    assert len(ops_named(made, "func.call")) == 2


def test_layers_that_something_between_depends_on_stay():
    text = """
    func.func @main(%x: tensor<4x16xf32>, %w: tensor<16x16x!ternary.trit>, %c: tensor<f32>) -> tensor<4x16xf32> {
      %a = ternary.linear %x, %w scale %c {dfc.origin = "l.0:a"} : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
      %b = ternary.linear %a, %w scale %c {dfc.origin = "l.1:a"} : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
      %p = arith.negf %a {dfc.origin = "l.0:n"} : tensor<4x16xf32>
      %o = arith.addf %p, %b {dfc.origin = "other:add"} : tensor<4x16xf32>
      %d = arith.mulf %o, %a {dfc.origin = "l.0:m"} : tensor<4x16xf32>
      %q = arith.negf %b {dfc.origin = "l.1:n"} : tensor<4x16xf32>
      %e = arith.mulf %d, %b {dfc.origin = "l.1:m"} : tensor<4x16xf32>
      func.return %e : tensor<4x16xf32>
    }"""
    made = apply_to_clone(OutlineLayersPass(), parse(text))
    assert not ops_named(made, "func.call")


def test_differing_scalar_constants_are_no_arguments():
    text = (
        CASES[0]
        .replace("arith.mulf %y, %two", "arith.mulf %y, %three")
        .replace(
            "%two = arith",
            "%three = arith.constant dense<3.0> : tensor<4x16xf32>\n  %two = arith",
        )
    )
    made = apply_to_clone(OutlineLayersPass(), parse(text))
    assert not ops_named(made, "func.call")
