# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""`torch.compile(model, backend="dfc")`: graphs of Dynamo on a modelled machine."""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, fx
from torch._functorch._aot_autograd.utils import make_boxed_func
from torch._functorch.aot_autograd import aot_module_simplified
from torch.nn.attention import SDPBackend, sdpa_kernel

from dfc import region
from dfc.dialects.ternary.types import INTERLEAVED
from dfc.errors import DfcError, InputError, suggest
from dfc.frontends.constants import fold_constants
from dfc.frontends.dynamo import is_own, is_weight
from dfc.frontends.functions import module_path, plain_path, tidy
from dfc.frontends.partition import Plan, partition
from dfc.frontends.rewrite import keep_meaning
from dfc.frontends.trace import decompositions
from dfc.graph_reports import GraphReport, begin_call, last_report
from dfc.levels import check_pipeline
from dfc.region import Options
from dfc.runtime.machine import load_target

__all__ = ["Options", "backend", "last_report"]

SPECIALISATIONS = 8
"""Shapes for which one graph with dynamic dimensions is compiled before it stays eager."""


KEPT = ("nn_module_stack", "example_value", "stack_trace")
"""What Dynamo noted about a node that is used here."""


def backend(
    module: fx.GraphModule,
    example_inputs: Sequence[Any],
    *,
    options: Mapping[str, Any] | None = None,
    **_: Any,
) -> Callable[..., Any]:
    """Compile one graph of Dynamo; the result takes and gives what the graph does."""
    chosen = parse_options(options or {})
    if chosen.target == "host":
        from dfc.host.backend import compile_host

        return compile_host(module, example_inputs, chosen)
    if any(is_dynamic(given) for given in example_inputs):
        return Specialised(module, chosen)
    return compile_graph(module, example_inputs, chosen)


def parse_options(given: Mapping[str, Any]) -> Options:
    """The options, names and values checked."""
    known = {f.name: f for f in fields(Options)}
    for name, value in given.items():
        if name not in known:
            raise InputError(
                f"no option is called `{name}`: {suggest(name, known)}", name
            )
        kind = known[name].type
        good = isinstance(value, bool) if kind is bool else isinstance(value, str)
        if not good and not (value is None and name in ("pipeline", "rest", "packing")):
            word = "true or false" if kind is bool else "a word"
            raise InputError(
                f"expected {word} for option `{name}`, got `{value}`", name
            )
    chosen = Options(**given)
    if chosen.fallback not in ("eager", "error"):
        raise InputError(
            f"expected eager or error for option `fallback`, got `{chosen.fallback}`"
        )
    for name in ("quantize_lm_head", "rest", "packing"):
        if getattr(chosen, name) and chosen.target != "host":
            raise InputError(f"option `{name}` is for target `host` only")
    if chosen.pipeline is not None and chosen.target == "host":
        raise InputError("option `pipeline` is for modelled machines, not for `host`")
    if chosen.rest not in (None, "inductor", "eager"):
        raise InputError(
            f"expected inductor or eager for option `rest`, got `{chosen.rest}`"
        )
    if chosen.packing is not None and chosen.packing not in INTERLEAVED:
        raise InputError(
            f"expected {' or '.join(INTERLEAVED)} for option `packing`, got `{chosen.packing}`"
        )
    load_target(chosen.target)
    if chosen.pipeline is not None:
        check_pipeline(chosen.pipeline)
    return chosen


def is_dynamic(given: Any) -> bool:
    """Whether an example input has a size that varies, or is one."""
    if isinstance(given, Tensor):
        return any(type(size) is not int for size in given.shape)
    return not isinstance(given, (int, float, bool, type(None)))


def compile_graph(
    module: fx.GraphModule, example_inputs: Sequence[Any], options: Options
) -> Callable[..., Any]:
    """Compile a graph of static shapes."""
    placeholders = [n for n in module.graph.nodes if n.op == "placeholder"]
    static = {
        n.name: value
        for n, value in zip(placeholders, example_inputs, strict=True)
        if is_weight(n, value)
    }
    original = fx.GraphModule(module, copy.deepcopy(module.graph))
    gradients = torch.is_grad_enabled() and not has_own_operators(module)
    if not gradients:
        keep_meaning(
            module, {n: static[n.name] for n in placeholders if n.name in static}
        )
    positions = {i: n.name for i, n in enumerate(placeholders) if n.name in static}
    graph = Graph(positions, len(placeholders), options)
    own = decompositions()
    with nullcontext() if gradients else torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        compiled = aot_module_simplified(
            module,
            list(example_inputs),
            fw_compiler=graph.compile,
            bw_compiler=graph.compile_backward,
            inference_compiler=graph.compile,
            decompositions=own,
        )
    return Outer(compiled, original, gradients, options)


class Outer:
    """
    What Dynamo calls: one graph, without gradients where dfc's operators have none.

    A weight that was three-valued and is not any more takes the graph as Dynamo gave it.
    """

    def __init__(
        self,
        compiled: Callable[..., Any],
        original: fx.GraphModule,
        gradients: bool,
        options: Options,
    ) -> None:
        self.compiled = compiled
        self.options = options
        self.original = original
        self.gradients = gradients

    def __call__(self, *args: Any) -> Any:
        """Run the graph as part of the current call of the user's model."""
        graphs = begin_call()
        with nullcontext() if self.gradients else torch.no_grad():
            try:
                return self.compiled(*args)
            except region.NotTernary as reason:
                if self.options.fallback == "error":
                    raise
                graphs[-1] = GraphReport.not_lowered("main", str(reason))
                return self.original(*args)


def has_own_operators(module: fx.GraphModule) -> bool:
    """Whether a graph calls operators of namespace `dfc`, which have no gradients."""
    return any(is_own(n) for n in module.graph.nodes if n.op == "call_function")


class Specialised:
    """A graph with dynamic dimensions, compiled for each set of shapes it is called with."""

    def __init__(self, module: fx.GraphModule, options: Options) -> None:
        self.module = module
        self.options = options
        self.compiled: dict[Any, Callable[..., Any]] = {}

    def __call__(self, *args: Any) -> Any:
        """Run for these shapes; beyond the allowed number of them in eager."""
        key = tuple(
            (tuple(a.shape), a.dtype) if isinstance(a, Tensor) else a for a in args
        )
        if key not in self.compiled:
            if len(self.compiled) >= SPECIALISATIONS:
                begin_call().append(
                    GraphReport.not_lowered("main", "more than 8 sets of shapes")
                )
                return self.module(*args)
            self.compiled[key] = self._compile(args)
        return self.compiled[key](*[a for a in args if isinstance(a, Tensor)])

    def _compile(self, args: Sequence[Any]) -> Callable[..., Any]:
        tensors = [a for a in args if isinstance(a, Tensor)]
        return compile_graph(bind_sizes(self.module, args), tensors, self.options)


def bind_sizes(module: fx.GraphModule, args: Sequence[Any]) -> fx.GraphModule:
    """The graph with those of its arguments that are no tensors put in as constants."""
    graph = fx.Graph()
    copies: dict[fx.Node, Any] = {}
    places = [n for n in module.graph.nodes if n.op == "placeholder"]
    for node, given in zip(places, args, strict=True):
        if isinstance(given, Tensor):
            copies[node] = graph.placeholder(node.name)
            kept = {"tensor_dict": node.meta.get("tensor_dict"), "example_value": given}
            copies[node].meta = kept
        else:
            copies[node] = given
    for node in module.graph.nodes:
        args_, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: copies[n])
        if node.op == "output":
            graph.output(args_[0])
        elif node.op != "placeholder":
            new = graph.create_node(node.op, node.target, args_, kwargs, node.name)
            new.meta = {k: node.meta[k] for k in KEPT if k in node.meta}
            copies[node] = new
    return fx.GraphModule(module, graph)


@dataclass
class Graph:
    """One graph of Dynamo on its way through AOT autograd."""

    weights: dict[int, str]
    arguments: int
    options: Options

    def compile(
        self, gm: fx.GraphModule, example_inputs: Sequence[Any]
    ) -> Callable[..., Any]:
        """The forward graph; its first arguments are Dynamo's."""
        named = self.weights if len(example_inputs) == self.arguments else {}
        return self._compile(gm, named, "main")

    def compile_backward(
        self, gm: fx.GraphModule, example_inputs: Sequence[Any]
    ) -> Callable[..., Any]:
        """The backward graph; all that it takes is input."""
        return self._compile(gm, {}, "backward")

    def _compile(
        self, module: fx.GraphModule, named: Mapping[int, str], label: str
    ) -> Callable[..., Any]:
        tidy(module.graph)
        fold_constants(module)
        name_nodes(module)
        places = [n for n in module.graph.nodes if n.op == "placeholder"]
        weights = {places[i]: name for i, name in named.items()}
        for node in module.graph.nodes:
            if node.op == "get_attr":
                weights[node] = str(node.target)
                node.meta.setdefault("val", getattr(module, str(node.target)))
        plan = partition(
            module, weights, lambda r: region.compile_region(r, self.options), label
        )
        if plan.fallbacks and self.options.fallback == "error":
            first = plan.fallbacks[0]
            raise DfcError(f"`{first.origin}` cannot be lowered: {first.reason}")
        return make_boxed_func(Runner(module, plan, label, self.options.target))


class Runner:
    """Runs the steps of a plan on PyTorch tensors."""

    def __init__(
        self, module: fx.GraphModule, plan: Plan, label: str, target: str
    ) -> None:
        self.module = module
        self.target = target
        self.plan = plan
        self.label = label
        self.places = [n for n in module.graph.nodes if n.op == "placeholder"]
        output = next(n for n in module.graph.nodes if n.op == "output")
        self.results: Any = output.args[0]

    def __call__(self, *args: Any) -> Any:
        """The graph's results."""
        begin_call().append(GraphReport(self.label, self.plan, self.target))
        values: dict[fx.Node, Any] = dict(zip(self.places, args, strict=True))
        for node in self.module.graph.nodes:
            if node.op == "get_attr":
                values[node] = getattr(self.module, str(node.target))
        for step in self.plan.steps:
            if isinstance(step, fx.Node):
                run_node(step, values)
                continue
            step.compiled.run(step, values)
        return fx.map_arg(self.results, lambda n: values[n])


def run_node(node: fx.Node, values: dict[fx.Node, Any]) -> None:
    """One operator in eager PyTorch."""
    args, kwargs = fx.map_arg((node.args, node.kwargs), lambda n: values[n])
    target: Any = node.target
    values[node] = target(*args, **kwargs)


def name_nodes(module: fx.GraphModule) -> None:
    """Give every node its `dfc.origin`, `module.path:node`, from what Dynamo noted."""
    for node in module.graph.nodes:
        node.meta["dfc.origin"] = f"{plain_path(module_path(node))}:{node.name}"
