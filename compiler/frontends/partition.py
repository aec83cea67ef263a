# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Cutting an ATen graph into regions that dfc lowers and operators that stay in eager PyTorch."""

import logging
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload

from dfc.frontends.functions import Argument, Function
from dfc.frontends.traced import Fallback
from dfc.runtime.errors import DfcError
from dfc.runtime.mlir import LoweringError

LOG = logging.getLogger(__name__)
"""At level debug, the traceback of every error that leaves operators to PyTorch."""

ROUNDS = 16
"""How many operators upstream may refuse one after the other before all of a region is eager."""

INT8_CRASHES = ("mm", "bmm", "matmul", "addmm", "baddbmm")
"""Contractions that stop torch-mlir with a signal on int8 operands (llvm/torch-mlir 4725)."""


@dataclass
class Region:
    """Nodes that become one function; `function` takes `inputs` and gives `outputs`."""

    nodes: list[fx.Node]
    inputs: list[fx.Node]
    outputs: list[fx.Node]
    function: Function
    compiled: Any = None


@dataclass
class Plan:
    """The steps of a graph in order: regions, and single nodes that stay eager."""

    steps: list[Region | fx.Node]
    fallbacks: list[Fallback] = field(default_factory=list[Fallback])

    @property
    def regions(self) -> list[Region]:
        """The lowered parts."""
        return [step for step in self.steps if isinstance(step, Region)]

    def lowered_share(self) -> float:
        """The part of the graph's operators that is lowered."""
        eager = sum(is_work(s) for s in self.steps if isinstance(s, fx.Node))
        lowered = sum(is_work(n) for region in self.regions for n in region.nodes)
        return lowered / max(1, lowered + eager)


def is_work(node: fx.Node) -> bool:
    """Whether a node is an operator rather than the choice of one of its results."""
    return node.op == "call_function" and node.target is not operator.getitem


def partition(
    module: fx.GraphModule,
    weights: Mapping[fx.Node, str],
    compile_region: Callable[[Region], Any],
    label: str = "main",
) -> Plan:
    """
    Cut a graph and compile its regions, moving what is refused to eager until all is settled.

    `weights` names the placeholders that are weights. `compile_region` raises `DfcError` for
    a region it cannot take; of a `LoweringError` only the operators it names are given up.
    """
    refused = refused_at_sight(module.graph)
    settled: dict[tuple[str, ...], Any] = {}
    for _ in range(ROUNDS):
        plan = cut(module, weights, refused, label)
        failed = try_regions(plan, compile_region, settled)
        if not failed:
            plan.fallbacks = summary(refused)
            return plan
        refused.update(failed)
    remaining = {n: "too many operators were refused" for n in module.graph.nodes}
    plan = cut(module, weights, remaining | refused, label)
    plan.fallbacks = [Fallback(label, "too many operators were refused")]
    return plan


def try_regions(
    plan: Plan,
    compile_region: Callable[[Region], Any],
    settled: dict[tuple[str, ...], Any],
) -> dict[fx.Node, str]:
    """Compile the plan's regions; the nodes that must be given up, with the reason."""
    failed: dict[fx.Node, str] = {}
    for region in plan.regions:
        key = tuple(node.name for node in region.nodes)
        if key not in settled:
            try:
                settled[key] = compile_region(region)
            except DfcError as error:
                LOG.debug("a region is left to PyTorch: %s", error, exc_info=error)
                failed.update(culprits(region, error))
                continue
        region.compiled = settled[key]
    return failed


def culprits(region: Region, error: DfcError) -> dict[fx.Node, str]:
    """The nodes an error names, else all of the region."""
    reason = str(error)
    named = error.origins if isinstance(error, LoweringError) else ()
    found = [n for n in region.nodes if n.meta["dfc.origin"] in named]
    if found:
        return dict.fromkeys(found, reason)
    return dict.fromkeys(region.nodes, f"{reason} (in a region of {len(region.nodes)})")


def summary(refused: Mapping[fx.Node, str]) -> list[Fallback]:
    """One line per reason: the first operator that it holds for, and how many more."""
    groups: dict[str, list[str]] = {}
    for node, reason in refused.items():
        if is_work(node):
            groups.setdefault(reason, []).append(node.meta["dfc.origin"])
    return [
        Fallback(origins[0], reason, len(origins)) for reason, origins in groups.items()
    ]


def refused_at_sight(graph: fx.Graph) -> dict[fx.Node, str]:
    """Nodes that upstream is never shown, with the reason."""
    found: dict[fx.Node, str] = {}
    for node in graph.nodes:
        if node.op == "call_function":
            reason = refusal(node)
            if reason is not None:
                found[node] = reason
    return found


def refusal(node: fx.Node) -> str | None:
    """Why a node cannot be lowered, as far as that shows without trying."""
    if node.target is operator.getitem:
        return None
    if not isinstance(node.target, OpOverload):
        return f"`{node.target}` is not an operator of a library"
    name = node.target.name().partition(".")[0]
    if node.target.namespace not in ("aten", "prims", "dfc"):
        return f"no lowering for the custom operator `{name}`"
    dtypes = [n.meta["val"].dtype for n in node.all_input_nodes if is_tensor(n)]
    if name.partition("::")[2] in INT8_CRASHES and torch.int8 in dtypes:
        return f"`{name}` on int8 operands stops the upstream lowering"
    return None


def is_tensor(node: fx.Node) -> bool:
    """Whether a node's value is one tensor."""
    return isinstance(node.meta.get("val"), torch.Tensor)


def cut(
    module: fx.GraphModule,
    weights: Mapping[fx.Node, str],
    refused: Collection[fx.Node],
    label: str,
) -> Plan:
    """
    Regions and eager nodes in an order that respects every use.

    A node's level is the number of refused nodes on the longest way to it; the nodes of one
    level are one region, so a refused operator in the middle of a model makes two regions.
    """
    level: dict[fx.Node, int] = {}
    lowered: dict[int, list[fx.Node]] = {}
    eager: dict[int, list[fx.Node]] = {}
    for node in module.graph.nodes:
        before = max((level[n] for n in node.all_input_nodes), default=0)
        level[node] = before
        if node.op != "call_function":
            continue
        if node.target is operator.getitem:
            source = node.all_input_nodes[0]
            if source in refused:  # the choice of a result goes with its operator
                eager[before - 1].append(node)
                continue
        if node in refused:
            eager.setdefault(before, []).append(node)
            level[node] = before + 1
        else:
            lowered.setdefault(before, []).append(node)
    steps: list[Region | fx.Node] = []
    for number in sorted({*lowered, *eager}):
        nodes = lowered.get(number, [])
        if nodes:
            steps.append(make_region(module, nodes, weights, label))
        steps += eager.get(number, [])
    return Plan(steps)


def make_region(
    module: fx.GraphModule,
    nodes: list[fx.Node],
    weights: Mapping[fx.Node, str],
    label: str,
) -> Region:
    """The function of some nodes: inputs, then weights, as arguments."""
    inside = set(nodes)
    outer = list(
        dict.fromkeys(i for n in nodes for i in n.all_input_nodes if i not in inside)
    )
    inputs = sorted(outer, key=lambda n: n in weights)
    outputs = [
        n for n in nodes if is_tensor(n) and any(u not in inside for u in n.users)
    ]
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    arguments: list[Argument] = []
    for number, node in enumerate(inputs):
        copies[node] = graph.placeholder(node.name)
        copies[node].meta = dict(node.meta)
        value, name = node.meta["val"], weights.get(node)
        kind = "input" if name is None else "weight"
        arguments.append(
            Argument(
                name or node.name, kind, tuple(value.shape), value.dtype, number=number
            )
        )
    for node in nodes:
        copies[node] = graph.node_copy(node, lambda n: copies[n])
    graph.output(tuple(copies[n] for n in outputs)).meta = {"dfc.origin": ":output"}
    owner = fx.GraphModule(module, graph)
    return Region(nodes, inputs, outputs, Function(label, owner, arguments))
