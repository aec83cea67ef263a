# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false
"""A Dynamo graph on the processor: its ternary parts as regions, the rest in PyTorch."""

import copy
import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, fx

from dfc.errors import DfcError
from dfc.frontends.dynamo import is_own, is_weight
from dfc.frontends.functions import module_path, plain_path
from dfc.frontends.rewrite import is_three_valued
from dfc.frontends.traced import Fallback
from dfc.graph_reports import begin_call
from dfc.host.attention import lower_attention
from dfc.host.canonical import Canonical, canonical
from dfc.host.clusters import Cluster, find_clusters
from dfc.host.compiled import Compiled, compiled
from dfc.host.graph import (
    Facts,
    callee,
    forget_gradients,
    merge_equal,
    requires_grad,
    specialise_floats,
    study,
    tensors,
)
from dfc.host.inplace import functionalise
from dfc.host.lm_head import int8_linear, quantize_lm_head, restore_head
from dfc.host.report import HostReport
from dfc.host.rest import replace_clusters, run_rest, shaping
from dfc.host.rows import Rows
from dfc.host.steps import identity
from dfc.region import Options

LOG = logging.getLogger(__name__)


def compile_host(
    module: fx.GraphModule, example_inputs: Sequence[Any], options: Options
) -> Callable[..., Any]:
    """What runs a graph; sizes may be symbolic."""
    places = [n for n in module.graph.nodes if n.op == "placeholder"]
    given = dict(zip(places, example_inputs, strict=True))
    gradients = wants_gradients(example_inputs) and not reaches_own(module.graph)
    with torch.no_grad():
        if not gradients:
            forget_gradients(module.graph)
        lowered = Lowering(module, given, options)
        lowered.lower()
        rest = lowered.rewritten()
    report = lowered.report()
    if gradients:
        report.notes.append("gradients are wanted")
    with nullcontext() if gradients else torch.no_grad():
        how, run = run_rest(rest, example_inputs, options.rest, lowered.tokens())
    return Host(run, report.ran(how), lowered.regions, gradients=gradients)


class Host:
    """What Dynamo calls; keeps the regions alive."""

    def __init__(
        self,
        run: Callable[..., Any],
        report: HostReport,
        regions: Sequence[Compiled],
        *,
        gradients: bool,
    ) -> None:
        self.run = run
        self.report = report
        self.regions = list(regions)
        self.gradients = gradients

    def __call__(self, *args: Any) -> Any:
        """Run the graph as part of the current call of the user's model."""
        begin_call().append(copy.copy(self.report))
        with nullcontext() if self.gradients else torch.no_grad():
            return self.run(*args)


@dataclass
class Lowering:
    """A graph's clusters, tried and made smaller until each is compiled or left alone."""

    module: fx.GraphModule
    given: dict[fx.Node, Any]
    options: Options
    facts: Facts = field(init=False)
    forms: list[Canonical] = field(default_factory=list[Canonical])
    regions: list[Compiled] = field(default_factory=list[Compiled])
    refused: dict[fx.Node, str] = field(default_factory=dict[fx.Node, str])

    def lower(self) -> None:
        """Find and compile the clusters."""
        graph = self.module.graph
        parameters = [n for n, v in self.given.items() if is_weight(n, v)]
        specialise_floats(graph)
        functionalise(graph)
        lower_attention(graph)
        if self.options.quantize_lm_head:
            quantize_lm_head(graph, self.given, self.options.freeze)
        merge_equal(graph, study(graph, parameters))
        self.facts = study(graph, parameters)
        rows = Rows(self.facts.weights, self.facts.touching, self._three_valued())
        while not self._compile(find_clusters(self.facts, rows, self.refused)):
            pass

    def rewritten(self) -> fx.GraphModule:
        """The graph with calls of the regions."""
        numbers = [region.number for region in self.regions]
        return replace_clusters(self.module, self.facts, self.forms, numbers)

    def tokens(self) -> Any:
        """The most tokens of a region, symbolic where that varies; None without regions."""
        counts = [prod(lead_of(form)) for form in self.forms]
        known = all(type(count) is int for count in counts)
        return max(counts, default=None) if known else counts[0]

    def report(self) -> HostReport:
        """What was lowered and what was not."""
        groups: dict[str, list[str]] = {}
        for node, reason in self.refused.items():
            groups.setdefault(reason, []).append(origin(node))
        fallbacks = [Fallback(o[0], why, len(o)) for why, o in groups.items()]
        return HostReport.of(self.facts.graph, self.forms, self.regions, fallbacks)

    def _compile(self, clusters: Sequence[Cluster]) -> bool:
        """Whether all clusters are compiled; else what failed is refused."""
        self.forms, self.regions = [], []
        before = len(self.refused)
        for cluster in clusters:
            form = canonical(cluster, self.facts)
            try:
                for node in cluster.nodes:
                    if any(user not in cluster.steps for user in node.users):
                        shaping(lead_of(form), node, form)
                self.regions.append(compiled(form, self.options))
                self.forms.append(form)
            except DfcError as error:
                LOG.debug("a cluster is not lowered: %s", error, exc_info=error)
                self._refuse(cluster, str(error))
        return len(self.refused) == before

    def _refuse(self, cluster: Cluster, reason: str) -> None:
        """Give up what stands around a cluster's linear layers; when nothing does, these."""
        core = set(cluster.products)
        around = [
            n
            for n in cluster.nodes
            if n not in core and cluster.steps[n].target is not identity
        ]
        if not around and self.options.fallback == "error":
            raise DfcError(
                f"`{origin(cluster.products[0])}` cannot be lowered: {reason}"
            )
        for node in around or cluster.products:
            self.refused[node] = reason
            if node.target is int8_linear:
                restore_head(node)

    def _three_valued(self) -> set[fx.Node]:
        """Weights of linear layers that hold -s, 0 and s at present."""
        found: set[fx.Node] = set()
        for node in self.module.graph.nodes:
            if callee(node) == "linear" and len(node.all_input_nodes) > 1:
                weight = node.all_input_nodes[1]
                held = self.given.get(weight)
                if weight not in found and isinstance(held, Tensor):
                    if is_weight(weight, held) and is_three_valued(held):
                        found.add(weight)
        return found


def lead_of(form: Canonical) -> Sequence[Any]:
    """The leading shape of a form's results."""
    return next(iter(tensors(form.rows[0]))).shape[:-1]


def wants_gradients(inputs: Sequence[Any]) -> bool:
    """Whether a graph is part of what is differentiated."""
    tensors = [given for given in inputs if isinstance(given, Tensor)]
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def reaches_own(graph: fx.Graph) -> bool:
    """Whether gradients would have to go through operators of namespace `dfc`, which have none."""
    calls = (n for n in graph.nodes if n.op == "call_function" and requires_grad(n))
    return any(map(is_own, calls))


def origin(node: fx.Node) -> str:
    """`module.path:node`, from what Dynamo noted."""
    return f"{plain_path(module_path(node))}:{node.name}"
