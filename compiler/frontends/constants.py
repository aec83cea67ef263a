# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Nodes that depend on nothing are computed once, at trace time, and become constant tensors."""

import operator
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import unset_fake_temporarily

LARGEST = 1 << 24
"""Elements up to which a constant is kept; a larger one stays the operators that make it."""


def fold_constants(module: fx.GraphModule) -> None:
    """
    Replace what depends on no input by constants: masks, positions, tables of indices.

    Tensors of one element stay as they are: upstream writes them into the loops that use them.
    """
    values: dict[fx.Node, Any] = {}
    for node in module.graph.nodes:
        if is_foldable(node, values):
            found = evaluate(node, values)
            if is_kept(found):
                values[node] = found
    for node, value in values.items():
        used = any(user not in values for user in node.users)
        if used and isinstance(value, Tensor) and value.numel() > 1:
            put_constant(module, node, value)
    module.graph.eliminate_dead_code()
    module.recompile()


def is_foldable(node: fx.Node, values: dict[fx.Node, Any]) -> bool:
    """Whether a node is a function of constants only, and the same at each run."""
    if node.op != "call_function" or any(n not in values for n in node.all_input_nodes):
        return False
    if node.target is operator.getitem:
        return True
    if not isinstance(node.target, OpOverload):
        return False
    return (
        node.target.namespace in ("aten", "prims")
        and torch.Tag.nondeterministic_seeded not in node.target.tags
        and not node.target.name().partition(".")[0].endswith("_")
    )


def evaluate(node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    """The value of a node, real even where a model's weights are abstract."""
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: values[n])
    target: Any = node.target
    with unset_fake_temporarily(), torch.no_grad():
        return target(*args, **kwargs)


def is_kept(value: Any) -> bool:
    """Whether a value is small enough to keep; several tensors are, for one to be chosen."""
    if isinstance(value, Tensor):
        return value.numel() <= LARGEST
    return isinstance(value, tuple | list)


def put_constant(module: fx.GraphModule, node: fx.Node, value: Tensor) -> None:
    """Replace a node by a constant tensor of the module."""
    name = f"_constant_{node.name}"
    module.register_buffer(name, value.contiguous())
    with module.graph.inserting_before(node):
        new = module.graph.get_attr(name)
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
