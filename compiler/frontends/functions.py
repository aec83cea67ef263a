# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A traced graph as a function: its arguments named and in order, constants among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch
from torch import fx, nn

from dfc.frontends.constants import fold_constants

Kind = Literal["input", "position", "state", "weight", "unused"]


@dataclass
class Argument:
    """
    One argument of a function; a `state`'s new value is result `alias`.

    `number` is an input's place among the traced inputs; integers stay below `limit`.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    dtype: torch.dtype
    alias: int | None = None
    number: int = -1
    limit: int | None = None


@dataclass(frozen=True)
class Call:
    """A node that calls a function: with which of the node's arguments, for which module."""

    callee: str
    path: str
    operands: tuple[int, ...]


@dataclass
class Function:
    """
    One function: its FX graph, one argument per placeholder, and its calls by node name.

    `tied` holds the placeholders of parameters and buffers by the tensors' identity.
    """

    name: str
    module: fx.GraphModule
    arguments: list[Argument]
    private: bool = False
    calls: dict[str, Call] = field(default_factory=dict[str, Call])
    tied: dict[int, fx.Node] = field(default_factory=dict[int, fx.Node])

    @property
    def graph(self) -> fx.Graph:
        """The nodes."""
        return self.module.graph

    def inputs(self) -> list[fx.Node]:
        """The placeholders, in the order of `arguments`."""
        return [n for n in self.graph.nodes if n.op == "placeholder"]

    def order_weights(self, wanted: Mapping[str, tuple[fx.Node, Argument]]) -> None:
        """Put the weights in this order; those that are missing become unused arguments."""
        pairs = list(zip(self.inputs(), self.arguments, strict=True))
        own = {a.name: (n, a) for n, a in pairs if a.kind == "weight"}
        others = [(n, a) for n, a in pairs if a.kind != "weight"]
        ordered = [
            own.get(name) or self._unused(*like) for name, like in wanted.items()
        ]
        first = next(n for n in self.graph.nodes if n.op != "placeholder")
        for node, _ in [*others, *ordered]:
            first.prepend(node)
        self.arguments = [argument for _, argument in [*others, *ordered]]

    def _unused(self, like: fx.Node, argument: Argument) -> tuple[fx.Node, Argument]:
        with self.graph.inserting_before(next(iter(self.graph.nodes))):
            node = self.graph.placeholder(f"unused_{like.name}")
        node.meta = dict(like.meta)
        return node, replace(argument)

    def results(self) -> list[Any]:
        """The nodes whose values are returned."""
        output = next(n for n in self.graph.nodes if n.op == "output")
        return list(cast("Sequence[Any]", output.args[0]))

    def states(self) -> list[Argument]:
        """The arguments whose new values are results, the last ones."""
        return [a for a in self.arguments if a.kind == "state"]

    def own_results(self) -> list[Any]:
        """The nodes whose values are returned and no new value of an argument."""
        results = self.results()
        return results[: len(results) - len(self.states())]


def make_function(
    name: str, root: nn.Module, module: fx.GraphModule, signature: Any, strip: str
) -> Function:
    """A traced graph with its arguments named and in order, tied weights merged."""
    graph = module.graph
    tidy(graph)
    fold_constants(module)
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    nodes = [n for n in graph.nodes if n.op == "placeholder"]
    inputs = [n for n in nodes if n.name not in named]
    tied: dict[int, fx.Node] = {}
    weights = {n: named[n.name] for n in nodes if n.name in named}
    weights = merge_tied(root, weights, tied)
    weights |= lift_constants(module)
    mutated = {**signature.buffers_to_mutate, **signature.user_inputs_to_mutate}
    first_new = order_results(graph, len(mutated))
    alias = {target: first_new + i for i, target in enumerate(mutated.values())}
    arguments = [argument(n, f"arg{i}", "input", alias) for i, n in enumerate(inputs)]
    for i, found in enumerate(arguments):
        found.number = i
    for node, label in weights.items():
        arguments.append(argument(node, label, "weight", alias))
        arguments[-1].name = label.removeprefix(strip)
    for node in reversed([*inputs, *weights]):
        first = next(iter(graph.nodes))
        if node is not first:
            first.prepend(node)
    return Function(name, module, arguments, tied=tied)


def argument(
    node: fx.Node, name: str, kind: Kind, alias: Mapping[str, int]
) -> Argument:
    """The description of a placeholder."""
    value, new = node.meta["val"], alias.get(name, alias.get(node.name))
    kind = kind if new is None else "state"
    return Argument(name, kind, tuple(value.shape), value.dtype, new)


def merge_tied(
    root: nn.Module, weights: Mapping[fx.Node, str], first: dict[int, fx.Node]
) -> dict[fx.Node, str]:
    """Weights by node; of several names of one tensor the first stays, noted in `first`."""
    tensors = dict(root.named_parameters(remove_duplicate=False))
    tensors |= dict(root.named_buffers(remove_duplicate=False))
    kept: dict[fx.Node, str] = {}
    for node, name in weights.items():
        owner = first.setdefault(id(tensors[name]), node)
        if owner is node:
            kept[node] = name
        else:
            node.replace_all_uses_with(owner)
            node.graph.erase_node(node)
    return kept


def order_results(graph: fx.Graph, mutated: int) -> int:
    """Move the first `mutated` results behind the others; the index of the first of them."""
    output = next(n for n in graph.nodes if n.op == "output")
    results = list(cast("Sequence[Any]", output.args[0]))
    own = [r for r in results[mutated:] if r is not None]
    output.args = ((*own, *results[:mutated]),)
    return len(own)


def lift_constants(module: fx.GraphModule) -> dict[fx.Node, str]:
    """Turn constant tensors of a graph into arguments, so that none stands in the text."""
    graph = module.graph
    lifted: dict[fx.Node, str] = {}
    for node in list(graph.nodes):
        if node.op != "get_attr":
            continue
        value = getattr(module, str(node.target))
        with graph.inserting_before(next(iter(graph.nodes))):
            new = graph.placeholder(f"constant{node.target}")
        new.meta = {**node.meta, "val": node.meta.get("val", value), "constant": value}
        node.replace_all_uses_with(new)
        graph.erase_node(node)
        lifted[new] = f"constant{node.target}"
    return lifted


def tidy(graph: fx.Graph) -> None:
    """Drop assertions about metadata and multiplications by one."""
    aten: Any = torch.ops.aten
    for node in list(graph.nodes):
        if node.target == aten._assert_tensor_metadata.default:
            graph.erase_node(node)
        elif node.target == aten.mul.Tensor and node.args[1] == 1:
            source: Any = node.args[0]
            if source.meta["val"].dtype == node.meta["val"].dtype:
                node.replace_all_uses_with(source)
                graph.erase_node(node)


def drop_unused(function: Function) -> None:
    """Remove dead nodes and unused weights (of a private function: unused arguments)."""
    graph = function.graph
    graph.eliminate_dead_code()
    kept: list[Argument] = []
    for node, found in zip(function.inputs(), list(function.arguments), strict=True):
        if node.users or (found.kind != "weight" and not function.private):
            kept.append(found)
        else:
            graph.erase_node(node)
            found.kind = "unused"
    function.arguments = kept


def module_path(node: fx.Node) -> str:
    """The path of the module whose forward made a node."""
    stack = node.meta.get("nn_module_stack") or {}
    return list(stack.values())[-1][0] if stack else ""


def plain_path(path: str) -> str:
    """`L['self'].model.layers[0].mlp` as `model.layers.0.mlp`."""
    path = path.replace("['", ".").replace("']", "").replace("[", ".").replace("]", "")
    words = [word for word in path.split(".") if word not in ("L", "self", "_modules")]
    return ".".join(words)
