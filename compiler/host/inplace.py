# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Writes in place to values that a graph makes itself, as new values: `x += layer(x)` becomes row operators."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from dfc.host.graph import callee, requires_grad, storages, value, written
from dfc.host.rows import ELEMENTWISE, is_dense, row_shape
from dfc.host.steps import is_known, named

AUGMENTED: dict[Any, Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.ipow: operator.pow,
}
"""Python's operators that write to rows, and those that make new ones."""

FLAG = {
    "relu": 1,
    "silu": 1,
    "relu6": 1,
    "hardswish": 1,
    "leaky_relu": 2,
    "hardtanh": 3,
}
"""Functions with an argument `inplace`, and its position."""

DROPOUT = ("input", "p", "training", "inplace")
"""The arguments of `functional.dropout`."""


def functionalise(graph: fx.Graph) -> None:
    """
    Make new rows where rows are written in place, and nobody could tell.

    Before: `y = add_(x, z); use(x)`. After: `y = add(x, z); use(y)`. The memory must be the graph's own, no input's,
    and no other value in it (a view, a part) may be read behind the write.
    """
    place = {node: number for number, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        keep_idle_dropout(node)
        target = functional_form(node)
        if target is not None and is_local(node, place):
            rewrite(node, target, place)


def keep_idle_dropout(node: fx.Node) -> None:
    """`dropout(x, p, training=False, inplace=True)` writes nothing."""
    if node.target is not functional.dropout:
        return
    given = named(node, DROPOUT)
    if given.get("inplace") and (given.get("training") is False or given.get("p") == 0):
        node.args, node.kwargs = (given.pop("input"),), given | {"inplace": False}


def functional_form(node: fx.Node) -> Any:
    """What to call in place of a node to get new rows; None for what does not write its first operand only."""
    name = callee(node)
    if not node.args or written(node) != [node.args[0]] or not is_known(node):
        return None
    if node.target in AUGMENTED:
        return AUGMENTED[node.target]
    if name in FLAG:
        return node.target
    plain = name.removesuffix("_")
    if plain not in ELEMENTWISE or "out" in node.kwargs:
        return None
    if node.op == "call_method":
        return plain
    homes = [h for h in (torch, functional) if getattr(h, name, None) is node.target]
    return next((getattr(h, plain) for h in homes if hasattr(h, plain)), None)


def is_local(node: fx.Node, place: Mapping[fx.Node, int]) -> bool:
    """Whether a write is to dense rows whose memory the graph made, and that it reads later by this value only."""
    rows: Any = node.args[0]
    if row_shape(rows) is None or not is_dense(value(rows)):
        return False
    if requires_grad(node) or requires_grad(rows) or not keeps_dtype(node):
        return False
    memory = set(storages(rows))
    for other in node.graph.nodes:
        if place[other] >= place[node] or memory.isdisjoint(storages(other)):
            continue
        if other.op in ("placeholder", "get_attr"):
            return False
        if other is not rows and any(place[u] > place[node] for u in other.users):
            return False
    return True


def keeps_dtype(node: fx.Node) -> bool:
    """Whether new rows have the dtype and the shape of those that are written."""
    rows = value(node.args[0])
    for operand in node.all_input_nodes:
        found = value(operand)
        if isinstance(found, Tensor):
            wide = found.ndim and torch.promote_types(rows.dtype, found.dtype)
            if (wide and wide != rows.dtype) or found.ndim > rows.ndim:
                return False
            if not found.ndim and found.is_complex():
                return False
    return not any(isinstance(number, complex) for number in node.args)


def rewrite(node: fx.Node, target: Any, place: Mapping[fx.Node, int]) -> None:
    """Call what makes new rows, which all that comes later reads."""
    rows: Any = node.args[0]
    name, node.target = callee(node), target
    if name in FLAG:
        at, kwargs = FLAG[name], dict(node.kwargs)
        kwargs.pop("inplace", None)
        node.args, node.kwargs = node.args[:at], kwargs
    for user in list(rows.users):
        if place[user] > place[node]:
            user.replace_input_with(rows, node)
