# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false
"""A cluster in canonical form: what it computes from rows `[T, k]` and weights, and its key."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx
from torch._guards import tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import traceback
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional
from torch.utils._pytree import tree_map_only

from dfc.errors import DfcError
from dfc.frontends.functions import Argument, Function, module_path, plain_path
from dfc.frontends.trace import decompositions
from dfc.host.clusters import Cluster
from dfc.host.graph import Facts, value
from dfc.host.lm_head import is_given
from dfc.host.rows import row_shape
from dfc.host.steps import PRODUCTS, Step, function, identity, operands

TOKENS = 16
"""The nominal number of rows in a region's types; its code takes any number."""

MATRICES = PRODUCTS | {functional.linear}
"""Operators that take a weight as it is, not as a vector that meets rows."""

Key = tuple[Any, ...]
"""What two regions that compute the same have in common."""


@dataclass
class Canonical:
    """
    What a cluster computes, on rows and weights.

    `rows` and `weights` are the outer nodes whose values it takes, `results` the nodes that
    stand for what it gives; `work` holds the weight work, in order.
    """

    cluster: Cluster
    rows: list[fx.Node] = field(default_factory=list[fx.Node])
    weights: list[fx.Node] = field(default_factory=list[fx.Node])
    work: list[fx.Node] = field(default_factory=list[fx.Node])
    results: list[fx.Node] = field(default_factory=list[fx.Node])

    def run(self, rows: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
        """The results in PyTorch, operator by operator, for rows `[T, k]`."""
        values = self.values(rows, weights)
        return [values[node] for node in self.results]

    def values(
        self, rows: Sequence[Tensor], weights: Sequence[Tensor]
    ) -> dict[fx.Node, Any]:
        """All values in PyTorch."""
        values: dict[Any, Any] = dict(zip(self.rows, rows, strict=True))
        values |= dict(zip(self.weights, weights, strict=True))
        for node in self.work:
            with traceback.set_current_meta(node):
                args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
                values[node] = function(node)(*args, **kwargs)
        given = set(self.weights) | set(self.work)
        for node in self.cluster.nodes:
            step = self.cluster.steps[node]
            flat = step.target not in MATRICES

            def fetch(n: fx.Node, flat: bool = flat) -> Any:
                return row_vector(values[n]) if flat and n in given else values[n]

            with traceback.set_current_meta(node):
                args, kwargs = fx.map_arg((step.args, step.kwargs), fetch)
                values[node] = step.target(*args, **kwargs)
        return values

    def source(self, node: fx.Node) -> fx.Node:
        """The node whose canonical value a node has: views are nothing to rows."""
        while node in self.cluster.steps:
            step = self.cluster.steps[node]
            if step.target is not identity:
                break
            node = step.args[0]
        return node

    def lengths(self) -> list[tuple[int, torch.dtype]]:
        """Length and dtype of the results' rows."""
        found = [(row_shape(node), value(node).dtype) for node in self.results]
        return [(shape[1], dtype) for shape, dtype in found if shape is not None]


def row_vector(weight: Any) -> Any:
    """A weight as it meets rows: without leading dimensions of size 1."""
    return weight.reshape(-1) if weight.ndim > 1 else weight


def canonical(cluster: Cluster, facts: Facts) -> Canonical:
    """The canonical form of a cluster."""
    found = Canonical(cluster)
    inside = set(cluster.nodes)
    outer = [n for node in cluster.nodes for n in operands(cluster.steps[node])]
    outer = [n for n in dict.fromkeys(outer) if n not in inside]
    found.rows = [n for n in outer if n not in facts.weights]
    behind: dict[fx.Node, None] = {}
    for node in outer:
        if node in facts.weights:
            collect(node, behind)
    found.weights = [n for n in behind if is_leaf(n)]
    found.work = [n for n in behind if not is_leaf(n)]
    leaving = [n for n in cluster.nodes if any(u not in inside for u in n.users)]
    found.results = list(dict.fromkeys(found.source(n) for n in leaving))
    found.results = [n for n in found.results if n in inside]
    return found


def is_leaf(node: fx.Node) -> bool:
    """Whether weight work begins at a node."""
    return not node.op.startswith("call_") or is_given(node)


def collect(node: fx.Node, into: dict[fx.Node, None]) -> None:
    """A node and all it is made from, in an order of computation."""
    if node in into:
        return
    for before in () if is_leaf(node) else node.all_input_nodes:
        collect(before, into)
    into[node] = None


def key_of(found: Canonical) -> Key:
    """Equal for clusters that compute the same function of their rows and weights."""
    number: dict[fx.Node, int] = {}
    for node in (*found.rows, *found.weights, *found.work, *found.cluster.nodes):
        number[node] = len(number)

    def text(step: Step) -> str:
        refer: Any = tree_map_only(
            fx.Node, lambda n: Reference(number[n]), (step.args, step.kwargs)
        )
        return f"{step.name}{refer}"

    rows = tuple((row_shape(n), value(n).dtype) for n in found.rows)
    rows = tuple((shape[1], dtype) for shape, dtype in rows if shape is not None)
    weights = tuple((tuple(value(n).shape), value(n).dtype) for n in found.weights)
    work = [Step(function(n), n.args, dict(n.kwargs)) for n in found.work]
    steps = [found.cluster.steps[n] for n in found.cluster.nodes]
    texts = tuple(text(step) for step in (*work, *steps))
    dtypes = tuple(value(n).dtype for n in found.cluster.nodes)
    return rows, weights, texts, dtypes, tuple(number[n] for n in found.results)


@dataclass(frozen=True)
class Reference:
    """A value in a key, by its place."""

    place: int


def trace(found: Canonical) -> Function:
    """The canonical form as a function of ATen operators; `DfcError` where autocast gave a value another dtype."""
    with (
        tracing(None),
        FakeTensorMode() as mode,
        torch.no_grad(),
        torch.autocast("cpu", enabled=False),
    ):
        rows = [
            torch.empty(TOKENS, length, dtype=dtype)
            for length, dtype in (rows_of(node) for node in found.rows)
        ]
        weights = [
            torch.empty(tuple(value(n).shape), dtype=value(n).dtype)
            for n in found.weights
        ]
        del mode
        count = len(rows)

        def call(*given: Tensor) -> list[Tensor]:
            values = found.values(given[:count], given[count:])
            for node in found.cluster.nodes:
                check_dtype(node, values[node].dtype)
            return [values[node] for node in found.results]

        with traceback.preserve_node_meta():
            module = make_fx(call, decomposition_table=decompositions())(
                *rows, *weights
            )
    module.graph.eliminate_dead_code()
    arguments = [
        Argument(f"x{i}", "input", tuple(t.shape), t.dtype, number=i)
        for i, t in enumerate(rows)
    ]
    arguments += [
        Argument(f"w{i}", "weight", tuple(t.shape), t.dtype, number=count + i)
        for i, t in enumerate(weights)
    ]
    for node in module.graph.nodes:
        node.meta["dfc.origin"] = f"{plain_path(module_path(node))}:{node.name}"
    output = next(n for n in module.graph.nodes if n.op == "output")
    output.args = (tuple(output.args[0]),)
    return Function("region", module, arguments)


def check_dtype(node: fx.Node, dtype: torch.dtype) -> None:
    """Refuse a value that has another dtype in the graph than its operator gives: autocast is on there."""
    if value(node).dtype != dtype:
        raise DfcError(f"expected {dtype} for `{node}`, got {value(node).dtype}")


def rows_of(node: fx.Node) -> tuple[int, torch.dtype]:
    """Length and dtype of a value's rows."""
    shape = row_shape(node)
    assert shape is not None
    return shape[1], value(node).dtype
