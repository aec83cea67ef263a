# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Canonical forms of operators, and what a node of a Dynamo graph calls."""

import operator
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.nn import functional
from torch.utils._pytree import tree_leaves

from dfc.frontends import ops
from dfc.host.graph import callee
from dfc.host.lm_head import int8_linear


@dataclass(frozen=True)
class Step:
    """One operator in canonical form; the nodes among its arguments stand for their values."""

    target: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def name(self) -> str:
        """The operator's name, for keys."""
        if isinstance(self.target, OpOverload):
            return str(self.target)
        module = getattr(self.target, "__module__", "")
        return f"{module}.{getattr(self.target, '__name__', self.target)}"


def identity(x: Tensor) -> Tensor:
    """The value itself: what a view is to rows."""
    return x


def exact_linear(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """`functional.linear` of rows with a weight of -s, 0 and s."""
    trits, scale = ops.ternarize(w, "exact")
    return ops.linear(x, trits, scale, bias)


def rms_norm(
    x: Tensor, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """`functional.rms_norm` of rows: PyTorch's own decomposition writes in place."""
    wide = x.float()
    small = torch.finfo(torch.float32).eps if eps is None else eps
    y = wide * torch.rsqrt((wide * wide).mean(-1, True) + small)
    return (y if weight is None else y * weight).to(x.dtype)


PRODUCTS: set[Any] = {
    exact_linear,
    torch.ops.dfc.linear.default,
    torch.ops.dfc.linear_int8.default,
}
"""Canonical forms of linear layers on int8 activations."""


def function(node: fx.Node) -> Callable[..., Any]:
    """What a node calls, as a function."""
    if node.op == "call_method":
        return getattr(Tensor, str(node.target))
    target: Any = node.target
    return target


def is_known(node: fx.Node) -> bool:
    """Whether a node calls PyTorch's or dfc's operator of its name, not a namesake."""
    if node.op == "call_method":
        return True
    if node.op != "call_function":
        return False
    if isinstance(node.target, OpOverload):
        return node.target.namespace in ("aten", "dfc")
    if node.target is int8_linear:
        return True
    homes = (torch, functional, operator, Tensor)
    return any(getattr(home, callee(node), None) is node.target for home in homes)


def named(node: fx.Node, names: Collection[str]) -> dict[str, Any]:
    """A node's arguments by name; nothing for one with more than there are names."""
    if len(node.args) > len(names):
        return {}
    return dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


def operands(step: Step) -> list[fx.Node]:
    """The nodes among a step's arguments, in order."""
    leaves = tree_leaves((step.args, step.kwargs))
    return [leaf for leaf in leaves if isinstance(leaf, fx.Node)]
