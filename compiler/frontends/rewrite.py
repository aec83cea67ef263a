# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Rewrites of Dynamo's graphs: attention and three-valued linear layers before they are decomposed."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from dfc.frontends import ops


def keep_meaning(module: fx.GraphModule, weights: Mapping[fx.Node, Tensor]) -> None:
    """
    Put dfc's operators in place of attention and of linear layers with three-valued weights.

    `weights` holds the placeholders of parameters with their present values; what they hold
    later is checked at each call.
    """
    for node in list(module.graph.nodes):
        if node.op != "call_function":
            continue
        if node.target is functional.scaled_dot_product_attention:
            if is_plain_attention(node):
                node.target = attention
        elif node.target is functional.linear:
            weight: Any = (
                node.args[1] if len(node.args) > 1 else node.kwargs.get("weight")
            )
            value = weights.get(weight)
            if value is not None and is_three_valued(value):
                node.target = linear
    module.recompile()


def is_three_valued(value: Tensor) -> bool:
    """Whether a parameter holds -s, 0 and s only."""
    return value.ndim == 2 and value.is_floating_point() and ops.three_valued(value)


def is_plain_attention(node: fx.Node) -> bool:
    """Whether dfc's attention says the same: no dropout, four dimensions, equal depths."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale")
    given: dict[str, Any] = dict(zip(names, node.args, strict=False))
    given |= node.kwargs
    values = [given[name].meta.get("example_value") for name in names[:3]]
    if given.get("dropout_p", 0.0) != 0.0 or any(
        v is None or v.ndim != 4 for v in values
    ):
        return False
    q, k, v = (value.shape for value in values)
    return q[3] == k[3] == v[3] and q[1] % k[1] == 0


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """`scaled_dot_product_attention` on `dfc::sdpa`."""
    mask = attn_mask
    if mask is not None:
        if mask.dtype == torch.bool:
            low = float("-inf")
            mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, low)
        while mask.ndim < 4:
            mask = mask.unsqueeze(0)
        shape = (*mask.shape[:2], query.shape[2], key.shape[2])
        mask = mask.expand(shape)
    return ops.sdpa(query, key, value, None, mask, is_causal, None, scale, None)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`functional.linear` with a three-valued weight, on `dfc::linear`."""
    trits, scale = ops.ternarize(weight, "exact")
    rows = input.reshape(-1, input.shape[-1])
    y = ops.linear(rows, trits, scale, bias)
    return y.reshape(*input.shape[:-1], weight.shape[0])
