"""Sockets compute together what one computes alone, at every level; what is split, and what is refused."""

import numpy as np
import pytest
from pass_testing import apply_to_clone, check_values, function, ops_named, parse
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from dfc.api import load
from dfc.dialects.socket import ExchangeOp, sockets_of
from dfc.dialects.utils import shape
from dfc.levels import LEVELS
from dfc.passes.shard_tensor_parallel import ShardTensorParallelPass
from dfc.program import Program
from dfc.random_inputs import random_arguments
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import KernelHook
from dfc.workload import plan

IDENTITY = "affine_map<(i, j) -> (i, j)>"


def mlp(*, x: int = 2, bias: float = 0.0, target: str = "tiny-npu") -> ModuleOp:
    """Two products with an exponential between, the second beginning from a bias."""
    a, h = f"tensor<{x}x16xf32>", f"tensor<{x}x24xf32>"
    return parse(f"""
builtin.module attributes {{accel.target = "{target}"}} {{
func.func @main(%x: {a}, %u: tensor<16x24xf32> {{dfc.weight = "u"}}, %d: tensor<24x16xf32> {{dfc.weight = "d"}}) -> {a} {{
  %zero = arith.constant 0.0 : f32
  %bias = arith.constant {bias} : f32
  %e = tensor.empty() : {h}
  %f = linalg.fill ins(%zero : f32) outs(%e : {h}) -> {h}
  %h = linalg.matmul ins(%x, %u : {a}, tensor<16x24xf32>) outs(%f : {h}) -> {h}
  %g = linalg.generic {{indexing_maps = [{IDENTITY}, {IDENTITY}], iterator_types = ["parallel", "parallel"]}} ins(%h : {h}) outs(%e : {h}) {{
  ^bb0(%p: f32, %q: f32):
    %r = math.tanh %p : f32
    linalg.yield %r : f32
  }} -> {h}
  %k = tensor.empty() : {a}
  %l = linalg.fill ins(%bias : f32) outs(%k : {a}) -> {a}
  %y = linalg.matmul ins(%g, %d : {h}, tensor<24x16xf32>) outs(%l : {a}) -> {a}
  func.return %y : {a}
}}
}}""")


@pytest.mark.parametrize("sockets", [2, 3, 4])
def test_values_of_a_column_and_a_row_split(sockets: int):
    made = check_values(mlp(), ShardTensorParallelPass(sockets))
    assert sockets_of(made) == sockets
    assert len(ops_named(made, "shard.all_reduce")) == 1
    assert not ops_named(made, "socket.all_gather")


def test_a_sum_that_begins_from_a_bias_is_not_split():
    """The bias would be added once per socket: what the product reads is gathered instead."""
    made = check_values(mlp(bias=1.5), ShardTensorParallelPass(2))
    assert not ops_named(made, "shard.all_reduce")
    # the second product is split by columns
    assert len(ops_named(made, "socket.all_gather")) == 2


def test_a_weight_of_two_uses_stays_whole():
    module = mlp()
    main = function(module, "main")
    weight = main.args[1]
    last = main.body.block.last_op
    assert last is not None
    last.operands = [weight]
    main.update_function_type()
    made = check_values(module, ShardTensorParallelPass(2))
    assert shape(function(made, "main").args[1]) == (16, 24)


def test_sockets_are_those_of_the_target():
    assert sockets_of(apply_to_clone(ShardTensorParallelPass(), mlp())) == 1
    node = apply_to_clone(ShardTensorParallelPass(), mlp(target="sn40l-node"))
    assert sockets_of(node) == 8
    again = apply_to_clone(ShardTensorParallelPass(), node)
    assert str(again) == str(node)


def test_at_least_one_socket():
    with pytest.raises(
        PassFailedException, match="expected at least one socket, got 0"
    ):
        apply_to_clone(ShardTensorParallelPass(0), mlp())


def test_a_weight_is_split_alike_in_all_functions():
    first, second = mlp(), mlp(bias=1.5)
    other = function(second, "main").clone()
    other.sym_name = type(other.sym_name)("other")
    first.body.block.add_op(other)
    message = r'weight "d" to be split alike in all functions, got dimension 0 in @main and 1 in @other'
    with pytest.raises(PassFailedException, match=message):
        apply_to_clone(ShardTensorParallelPass(2), first)


@pytest.fixture(scope="module")
def llama() -> Program:
    """A tiny Llama on two sockets: 4 heads and 2 groups of keys."""
    two = {"network.sockets": 2}
    workload = plan(6, 3)
    return load("zoo:llama-tiny", "sn40l-node", workload, overrides=two, abstract=False)


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("entry", ["prefill", "decode"])
def test_a_llama_on_two_sockets_equals_it_on_one(
    llama: Program, entry: str, level: str
):
    whole = llama.module("tensor")
    assert sockets_of(whole) == 1
    assert sockets_of(llama.module(level)) == 2
    rng = np.random.default_rng(3)
    inputs = random_arguments(function(whole, entry), rng, 4)
    alone = llama.run(entry, inputs, level="tensor")
    shared = llama.run(entry, inputs, level=level)
    for one, both in zip(alone, shared, strict=True):
        np.testing.assert_allclose(both, one, rtol=1e-5, atol=1e-5)


def test_a_llama_has_two_sums_per_layer_and_one_gather(llama: Program):
    fused = llama.module("fused")
    layer = function(fused, "decode_layer")
    assert len(ops_named(layer, "shard.all_reduce")) == 2
    assert not ops_named(layer, "socket.all_gather")
    # the logits
    assert len(ops_named(function(fused, "decode"), "socket.all_gather")) == 1
    # 1 of 2 groups; q, k, v, o, gate, up, down as (inputs, outputs)
    sizes = [shape(argument) for argument in layer.args]
    assert sizes.count((1, 1, 9, 48)) == 2
    matrices = [size for size in sizes if len(size) == 2]
    assert matrices == [
        *((192, 96), (192, 48), (192, 48), (96, 192)),
        *((192, 256), (192, 256), (256, 192)),
    ]


def test_a_check_of_every_kernel_is_for_one_socket(llama: Program):
    inputs = random_arguments(
        function(llama.module("tensor"), "decode"), np.random.default_rng(0), 4
    )
    with pytest.raises(ExecutionError, match="one socket where kernels are watched"):
        llama.run("decode", inputs, level="fused", hook=KernelHook())


def test_ternary_layers_stay_whole():
    """Their weights are packed where their unit is known; norms, caches and the rest are as on one socket."""
    two = {"network.sockets": 2}
    bitnet = load("zoo:bitnet-tiny", "sn40l-node", plan(4, 2), overrides=two)
    layer = function(bitnet.module("fused"), "decode_layer")
    assert not ops_named(layer, "socket.all_gather")
    assert not ops_named(layer, "shard.all_reduce")
    # the LM head is no ternary layer
    decode = function(bitnet.module("program"), "decode")
    found = [op for op in decode.walk() if isinstance(op, ExchangeOp)]
    assert [op.kind.data for op in found] == ["all-gather"]
