# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportPrivateUsage=false
"""Attention and three-valued linear layers kept as dfc's operators, in graphs and while a module is traced."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from dfc.frontends import ops

ATTENTION = (
    functional.scaled_dot_product_attention,
    torch.ops.aten.scaled_dot_product_attention.default,
)
LINEAR = (functional.linear, torch.ops.aten.linear.default)
"""The functions that are looked for, as Dynamo and as `torch.export` write them."""


def keep_meaning(module: fx.GraphModule, weights: Mapping[fx.Node, Tensor]) -> None:
    """
    Put dfc's operators in place of attention and of linear layers with three-valued weights.

    `weights` holds the nodes of parameters with their present values; what they hold later is
    checked at each call.
    """
    for node in list(module.graph.nodes):
        if node.target in ATTENTION:
            if is_plain_attention(node):
                node.target = attention
        elif node.target in LINEAR:
            weight: Any = (
                node.args[1] if len(node.args) > 1 else node.kwargs.get("weight")
            )
            value = weights.get(weight)
            if value is not None and is_three_valued(value):
                node.target = linear
    module.recompile()


def parameters(module: fx.GraphModule) -> dict[fx.Node, Tensor]:
    """The nodes of an exported program's module that fetch a parameter or a buffer."""
    tensors = dict(module.named_parameters(remove_duplicate=False))
    tensors |= dict(module.named_buffers(remove_duplicate=False))
    return {
        node: tensors[str(node.target)]
        for node in module.graph.nodes
        if node.op == "get_attr" and str(node.target) in tensors
    }


class KeepMeaning(TorchFunctionMode):
    """
    Within, a module's attention and its linear layers with three-valued weights are dfc's operators.

    A weight is one of the module's own tensors, whatever stands in its place while it is traced.
    """

    def __init__(self, root: nn.Module) -> None:
        super().__init__()
        self.owned = [
            (module, name, value)
            for module in root.modules()
            for name, value in own_tensors(module)
            if value.ndim == 2
        ]

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            if says_the_same(attention_arguments(args, kwargs)):
                return attention(*args, **kwargs)
        elif func is functional.linear:
            weight = args[1] if len(args) > 1 else kwargs["weight"]
            if self._holds_three_values(weight):
                return linear(*args, **kwargs)
        return func(*args, **kwargs)

    def _holds_three_values(self, weight: Tensor) -> bool:
        for module, name, value in self.owned:
            if getattr(module, name) is weight:
                with _disable_current_modes():
                    return is_three_valued(value)
        return False


def own_tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    """The parameters and buffers of a module itself by name."""
    return [
        *module.named_parameters(recurse=False),
        *module.named_buffers(recurse=False),
    ]


def is_three_valued(value: Tensor) -> bool:
    """Whether a parameter holds -s, 0 and s only; not where it has no values."""
    if value.ndim != 2 or not value.is_floating_point() or value.is_meta:
        return False
    return not isinstance(value, FakeTensor) and ops.three_valued(value)


def is_plain_attention(node: fx.Node) -> bool:
    """Whether dfc's attention says the same as this node."""
    given = attention_arguments(node.args, node.kwargs)
    for name, value in given.items():
        if isinstance(value, fx.Node):
            given[name] = value.meta.get("example_value", value.meta.get("val"))
    return says_the_same(given)


def attention_arguments(args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of `scaled_dot_product_attention` by name."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale")
    return dict(zip(names, args, strict=False)) | dict(kwargs)


def says_the_same(given: Mapping[str, Any]) -> bool:
    """Whether these arguments suit: no dropout, four dimensions, equal depths, floats dfc has."""
    values = [given.get(name) for name in ("query", "key", "value")]
    if any(v is None or v.ndim != 4 or v.dtype not in FLOATS for v in values):
        return False
    q, k, v = (cast(Tensor, value).shape for value in values)
    same = q[3] == k[3] == v[3] and q[0] == k[0] and q[1] % k[1] == 0
    return same and given.get("dropout_p", 0.0) == 0.0


FLOATS = (torch.float32, torch.float16, torch.bfloat16)
"""The dtypes of dfc's attention."""


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
