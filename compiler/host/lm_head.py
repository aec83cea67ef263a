# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""
Option `quantize_lm_head`: the LM head, and an embedding of the same weight, in int8 per row.

Row r of the weight is q[r] * scale[r], scale = absmax / 127. It is made once per tensor, in
parts of some rows, and made again when the tensor changes.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from dfc.frontends import ops
from dfc.frontends.functions import module_path, plain_path
from dfc.frontends.int8 import quantize_rows
from dfc.host.graph import callee, requires_grad, value
from dfc.host.operators import LIBRARY
from dfc.weights_cache import WeightsCache

CACHES = {
    freeze: WeightsCache[tuple[Tensor, Tensor]](freeze) for freeze in (False, True)
}
"""int8 rows and scales by the float weight, without and with option `freeze`."""

EMBEDDING = ("input", "weight", "padding_idx", "max_norm")
"""The first arguments of `functional.embedding`."""

LIBRARY.define("int8_embedding(Tensor ids, Tensor weight, bool freeze) -> Tensor")


def int8_rows(weight: Tensor, freeze: bool) -> tuple[Tensor, Tensor]:
    """The int8 rows (V x K, in huge pages) and the scales (V, float32) of a float weight."""
    return CACHES[freeze].get([weight], lambda: quantize_rows(weight))


def int8_embedding(ids: Tensor, weight: Tensor, freeze: bool) -> Tensor:
    """Rows of a weight by number, as its int8 rows say them, in its dtype."""
    rows, scales = int8_rows(weight, freeze)
    return (rows[ids].float() * scales[ids][..., None]).to(weight.dtype)


def int8_embedding_shape(ids: Tensor, weight: Tensor, freeze: bool) -> Tensor:
    """A row for each number."""
    return weight.new_empty((*ids.shape, weight.shape[1]))


LIBRARY.impl("int8_embedding", int8_embedding, "CPU")
torch.library.register_fake("dfc::int8_embedding", int8_embedding_shape, lib=LIBRARY)


def int8_weight(weight: Tensor) -> Tensor:
    """The int8 rows of a weight, in graphs; a region is given them, it does not make them."""
    return quantize_rows(weight)[0]


def int8_scale(weight: Tensor) -> Tensor:
    """The scales of a weight, in graphs."""
    return quantize_rows(weight)[1]


def int8_linear(
    x: Tensor, rows: Tensor, scale: Tensor, bias: Tensor | None = None
) -> Tensor:
    """`functional.linear` on `dfc::linear_int8`, in graphs."""
    y = ops.linear_int8(x.reshape(-1, x.shape[-1]), rows, scale, bias)
    return y.reshape(*x.shape[:-1], rows.shape[0])


def quantize_lm_head(
    graph: fx.Graph, given: Mapping[fx.Node, Any], freeze: bool
) -> None:
    """
    Put int8 operators in place of LM heads and of embeddings of their weights.

    An LM head is a linear layer of a module called `lm_head`, or on an embedding's weight. One that gradients go
    through stays.
    """
    embeddings = {
        node: dict(zip(EMBEDDING, node.args, strict=False)) | dict(node.kwargs)
        for node in graph.nodes
        if node.target is functional.embedding
    }
    tied = {id(given.get(taken["weight"])) for taken in embeddings.values()}
    heads = [n for n in graph.nodes if is_head(n, given, tied)]
    weights = {id(given[node.all_input_nodes[1]]) for node in heads}
    for node in heads:
        quantize_head(node)
    for node, taken in embeddings.items():
        plain = taken.get("max_norm") is None
        if plain and id(given.get(taken["weight"])) in weights:
            node.target = torch.ops.dfc.int8_embedding.default
            node.args, node.kwargs = (taken["input"], taken["weight"], freeze), {}


def is_head(node: fx.Node, given: Mapping[fx.Node, Any], tied: set[int]) -> bool:
    """Whether a node is the linear layer that gives logits."""
    if node.target is not functional.linear or len(node.all_input_nodes) < 2:
        return False
    if requires_grad(node):
        return False
    weight = given.get(node.all_input_nodes[1])
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        return False
    name = plain_path(module_path(node)).rpartition(".")[2]
    return name == "lm_head" or id(weight) in tied


def quantize_head(node: fx.Node) -> None:
    """`functional.linear` as `int8_linear`."""
    names = ("input", "weight", "bias")
    arguments = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    weight: Any = arguments["weight"]
    held = value(weight)
    with node.graph.inserting_before(node):
        rows = node.graph.call_function(int8_weight, (weight,))
        scale = node.graph.call_function(int8_scale, (weight,))
    rows.meta["example_value"] = held.new_empty(held.shape, dtype=torch.int8)
    scale.meta["example_value"] = held.new_empty(held.shape[:1], dtype=torch.float32)
    node.target = int8_linear
    node.args = (arguments["input"], rows, scale, arguments.get("bias"))
    node.kwargs = {}


def restore_head(node: fx.Node) -> None:
    """`int8_linear` as `functional.linear` again, where it cannot be lowered."""
    rows: Any = node.args[1]
    node.target = functional.linear
    node.args = (node.args[0], rows.args[0], node.args[3])


def is_given(node: fx.Node) -> bool:
    """Whether a node's value is given to a region as it is kept, not made by it."""
    return node.target in (int8_weight, int8_scale)


def kept(node: fx.Node, weight: Tensor, freeze: bool) -> Tensor:
    """The value of such a node, from the float weight."""
    return int8_rows(weight, freeze)[callee(node) == "int8_scale"]
