"""Tests of names and origins: readable, unique, and those of the layer that is called."""

import pytest
from pass_testing import parse

from dfc.passes.analysis.functions import entry_names
from dfc.passes.analysis.origins import at_call, generalise, origins_of, value_name
from dfc.passes.kernels.names import last_word, node_of, unique_names


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("model.layers.*.self_attn.q_proj", "q_proj"),
        ("model.layers.3", "layers_3"),
        ("net.0.1", "net_0_1"),
        ("model.layers.*", "layers"),
        ("0", "0"),
        ("", ""),
    ],
)
def test_last_word_of_a_module_path(path: str, word: str):
    assert last_word(path) == word


@pytest.mark.parametrize(
    ("origin", "node"),
    [(":slice_1~2", "slice"), ("a:mm_12#matmul", "mm"), ("a:log2", "log"), ("a", "")],
)
def test_node_of_an_origin(origin: str, node: str):
    assert node_of(origin) == node


MODULE = """
func.func @prefill(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @layer(%x) {dfc.origin = "l.7:call"} : (tensor<4xf32>) -> tensor<4xf32>
  %z = arith.negf %y {dfc.origin = "up:neg"} : tensor<4xf32>
  func.return %z : tensor<4xf32>
}
func.func private @layer(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @inner(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
func.func private @inner(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = arith.negf %x {dfc.origin = "l.*.up:neg"} : tensor<4xf32>
  func.return %y : tensor<4xf32>
}
func.func @decode(%x: tensor<4xf32>) -> tensor<4xf32> {
  %q, %s = "test.op"() {dfc.origin = "up:quantize"} : () -> (tensor<4xi8>, tensor<f32>)
  func.return %x : tensor<4xf32>
}
"""


def test_private_functions_count_to_the_entry_that_alone_reaches_them():
    names = entry_names(parse(MODULE))
    assert names == {n: "prefill" for n in ("prefill", "layer", "inner")} | {
        "decode": "decode"
    }
    both = MODULE.replace(
        "func.return %x",
        "%z = func.call @inner(%x) : (tensor<4xf32>) -> tensor<4xf32>\n  func.return %z",
    )
    assert entry_names(parse(both))["inner"] == "inner"


def test_names_are_unique_in_the_module():
    (neg, inner) = (op for op in parse(MODULE).walk() if op.name == "arith.negf")
    groups = [("main", (neg,)), ("main", (inner,))]
    assert unique_names(groups, ["up"]) == ["up_2", "up_3"]
    assert unique_names([("a", (neg,)), ("b", (inner,))], []) == ["a_up", "b_up"]


def test_values_have_their_origin_with_a_number_for_one_of_several_results():
    ops = {op.name: op for op in parse(MODULE).walk()}
    assert [value_name(v) for v in ops["test.op"].results] == [
        "up:quantize.0",
        "up:quantize.1",
    ]
    assert value_name(ops["arith.negf"].results[0]) == "l.*.up:neg"
    assert value_name(ops["arith.negf"].operands[0]) == ""


def test_origins_go_to_the_general_layer_and_back_to_the_called_one():
    module = parse(MODULE)
    call = next(op for op in module.walk() if op.name == "func.call")
    inner = [op for op in module.walk() if op.name == "arith.negf"][1]
    at_call(inner, call)
    assert origins_of(inner) == ["l.7.up:neg"]
    assert generalise("l.7.up:neg", "l.7", "l.*") == "l.*.up:neg"
    assert generalise("l.70.up:neg", "l.7", "l.*") == "l.*:l.70.up:neg"
