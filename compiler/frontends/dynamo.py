# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What a node of a Dynamo graph stands for."""

from typing import Any

from torch import Tensor, fx, nn


def is_weight(node: fx.Node, value: Any) -> bool:
    """Whether a placeholder is a parameter or a buffer of a module."""
    if not isinstance(value, Tensor):
        return False
    described = node.meta.get("tensor_dict") or {}
    return isinstance(value, nn.Parameter) or "_dynamo_static_input_type" in described


def is_own(node: fx.Node) -> bool:
    """Whether a node calls an operator of namespace `dfc`, which has no gradients."""
    target = node.target
    return "dfc::" in str(getattr(target, "_name", "")) or "dfc." in str(target)
