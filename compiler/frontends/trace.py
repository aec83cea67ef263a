# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false
"""Tracing: a module and example inputs become ATen graphs, one per function, weights as arguments."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, cast

import torch
from torch import Tensor, fx, nn
from torch._functorch.aot_autograd import aot_export_module
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.fx import config as fx_config
from torch.nn.attention import SDPBackend, sdpa_kernel

from dfc.frontends.constants import fold_constants
from dfc.frontends.layers import LayerFunction, Outliner, layer_tensors, starred
from dfc.frontends.rewrite import KeepAttention

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


@cache
def decompositions() -> dict[Any, Any]:
    """
    torch-mlir's table without its faults.

    Its tanh-GELU has a wrong constant (own GELU here), its `scaled_dot` keys lose the
    backward pass, and softmax stays one op with a two-result reduction (decomposed here).
    """
    from torch._decomp import decomposition_table as own

    from dfc.frontends.decompositions import OWN
    from dfc.runtime.mlir import decomposition_table

    aten = torch.ops.aten
    table = {
        k: v for k, v in decomposition_table().items() if "scaled_dot" not in str(k)
    }
    for key in (aten._softmax.default, aten._log_softmax.default):
        table[key] = own[key]
    return table | OWN


def trace(
    root: nn.Module,
    inputs: Sequence[Tensor],
    name: str,
    *,
    strip: str = "",
    outline: bool = True,
) -> list[Function]:
    """
    Trace `root(*inputs)` (a tuple of tensors) into a function and those of its repeated layers.

    Arguments are the inputs, then the parameters and buffers that are used, by name without
    the prefix `strip`. A result that is the new value of a buffer or an input comes last.
    """
    mode = fake_mode(root)
    outliner = Outliner(root, name, mode, outline)
    with torch.no_grad(), outliner.active(), mode or nullcontext():
        module, signature = export(root, inputs)
    function = make_function(name, root, module, signature, strip)
    number_calls(function.graph)
    name_origins(function, strip, "")
    functions = [function]
    for layer in outliner.functions.values():
        functions.append(trace_layer(layer, outliner.mode, strip))
        if any(a.kind == "state" for a in functions[-1].arguments):
            return trace(root, inputs, name, strip=strip, outline=False)
        drop_unused(functions[-1])
        connect(function, layer, functions[-1], outliner, strip)
    drop_unused(function)
    return functions


def export(root: nn.Module, inputs: Sequence[Tensor]) -> tuple[fx.GraphModule, Any]:
    """`aot_export_module` for inference."""
    with without_stack_traces(), KeepAttention(), sdpa_kernel(SDPBackend.MATH):
        module, signature = aot_export_module(
            root, tuple(inputs), trace_joint=False, decompositions=decompositions()
        )
    return cast(fx.GraphModule, module), signature


@contextmanager
def without_stack_traces() -> Generator[None]:
    """Within, nodes do not note the source lines that made them: a third of the time."""
    before = fx_config.do_not_emit_stack_traces
    fx_config.do_not_emit_stack_traces = True
    try:
        yield
    finally:
        fx_config.do_not_emit_stack_traces = before


def fake_mode(root: nn.Module) -> FakeTensorMode | None:
    """The mode of a model with abstract weights."""
    for tensor in (*root.parameters(), *root.buffers()):
        if isinstance(tensor, FakeTensor):
            return tensor.fake_mode
    return None


class LayerModule(nn.Module):
    """A layer as a function of its tensor arguments."""

    def __init__(self, function: LayerFunction) -> None:
        super().__init__()
        self.layer = function.layer
        self.function = function

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The layer's tensor results, then its new cache."""
        return self.function.call(tensors)


def trace_layer(layer: LayerFunction, mode: FakeTensorMode, strip: str) -> Function:
    """Trace the layer that stands for all its equals."""
    with torch.no_grad(), mode:
        root = LayerModule(layer)
        module, signature = export(root, layer.empty())
    function = make_function(layer.name, root, module, signature, "layer.")
    function.private = True
    name_origins(function, "layer", starred(layer.path.removeprefix(strip)))
    for node, argument in zip(function.inputs(), function.arguments, strict=False):
        if is_position(node):
            argument.kind = "position"
    return function


def is_position(node: fx.Node) -> bool:
    """Whether an argument is the position of a cache operator."""
    value = node.meta["val"]
    if value.dtype != torch.int64 or value.ndim:
        return False
    return any(getattr(user.target, "namespace", "") == "dfc" for user in node.users)


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


def connect(
    caller: Function,
    layer: LayerFunction,
    callee: Function,
    outliner: Outliner,
    strip: str,
) -> None:
    """
    Give the calls of a layer's function their weights, and note for which module each is.

    The layers' weights become arguments of the caller, each once, however often it is used.
    """
    weights = Weights(caller, outliner.mode)
    constants = hand_down_constants(caller, callee)
    for node in list(caller.graph.nodes):
        if node.target is not layer.operator:
            continue
        path = module_path(node)
        tensors = dict(layer_tensors(outliner.layers[path][0]))
        operands: list[int] = []
        for argument in callee.arguments:
            if argument.kind != "weight":
                operands.append(argument.number)
                continue
            found = constants.get(argument.name)
            if found is None:
                name = f"{path}.{argument.name}".removeprefix(strip)
                found = weights.node(name, tensors[argument.name], argument)
            operands.append(len(node.args))
            node.args = (*node.args, found)
        own = path.removeprefix(strip)
        caller.calls[node.name] = Call(callee.name, own, tuple(operands))


class Weights:
    """The weight arguments of a function by tensor, added to as layers need them."""

    def __init__(self, function: Function, mode: FakeTensorMode) -> None:
        self.function = function
        self.mode = mode
        self.nodes: dict[int, fx.Node] = function.tied

    def node(self, name: str, tensor: Tensor, like: Argument) -> fx.Node:
        """The placeholder of a weight."""
        if id(tensor) not in self.nodes:
            function = self.function
            with function.graph.inserting_after(function.inputs()[-1]):
                node = function.graph.placeholder(name.replace(".", "_"))
            with self.mode:
                value = torch.empty(tensor.shape, dtype=tensor.dtype)
            node.meta = {"val": value, "dfc.origin": f":{node.name}"}
            self.nodes[id(tensor)] = node
            function.arguments.append(replace(like, name=name))
        return self.nodes[id(tensor)]


def hand_down_constants(caller: Function, callee: Function) -> dict[str, fx.Node]:
    """Give the caller the constants of a private function as weights of its own."""
    made: dict[str, fx.Node] = {}
    for node, argument in zip(callee.inputs(), callee.arguments, strict=True):
        if "constant" in node.meta:
            with caller.graph.inserting_after(caller.inputs()[-1]):
                new = caller.graph.placeholder(f"{callee.name}_{node.name}")
            new.meta = {**node.meta, "dfc.origin": f":{new.name}"}
            name = f"{callee.name}.{argument.name}"
            caller.arguments.append(replace(argument, name=name))
            made[argument.name] = new
    return made


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


def number_calls(graph: fx.Graph) -> None:
    """Name the calls of layers by their order in this graph, not by their operators."""
    calls = [n for n in graph.nodes if str(n.target).startswith("dfc.layer_")]
    for node in calls:
        node._rename("call")


def module_path(node: fx.Node) -> str:
    """The path of the module whose forward made a node."""
    stack = node.meta.get("nn_module_stack") or {}
    return list(stack.values())[-1][0] if stack else ""


def name_origins(function: Function, strip: str, prefix: str) -> None:
    """Give every node its `dfc.origin`: `module.path:node`."""
    for node in function.graph.nodes:
        path = f"{module_path(node)}.".removeprefix(strip).rstrip(".")
        node.meta["dfc.origin"] = f"{prefix}{path}:{node.name}"
