# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false
"""A graph with its clusters replaced by calls of regions, and what runs it: inductor or Python."""

import operator
from collections.abc import Callable, Sequence
from functools import cache
from heapq import heappop, heappush
from typing import Any

import torch
from torch import Tensor, fx

from dfc.errors import DfcError
from dfc.host.canonical import Canonical
from dfc.host.graph import Facts, same, storages, value
from dfc.host.lm_head import is_given
from dfc.host.operators import call_region

FEW_TOKENS = 8
"""Tokens up to which what is not ternary is too little work to share."""

KNOWN = ("aten", "prims", "dfc")
"""Namespaces of operators whose shapes and strides are as their fakes say."""

Unit = fx.Node | int
"""A node that stays, or the number of a cluster."""


def replace_clusters(
    module: fx.GraphModule,
    facts: Facts,
    forms: Sequence[Canonical],
    numbers: Sequence[int],
) -> fx.GraphModule:
    """
    The graph with one call of `dfc::host_region` for each cluster, `numbers[i]` for `forms[i]`.

    What stays keeps its order as far as it can, and writes in place keep theirs.
    """
    writer = Writer(facts, forms, numbers)
    for unit in ordered(facts, forms):
        writer.write(unit)
    return fx.GraphModule(module, writer.graph)


def ordered(facts: Facts, forms: Sequence[Canonical]) -> list[Unit]:
    """Nodes and clusters in an order that respects every use and every effect."""
    owner: dict[fx.Node, Unit] = {
        node: i for i, form in enumerate(forms) for node in form.cluster.nodes
    }
    place = {node: i for i, node in enumerate(facts.graph.nodes)}
    first: dict[Unit, int] = {}
    missing: dict[Unit, set[Unit]] = {}
    waiting: dict[Unit, list[Unit]] = {}
    units: list[Unit] = [*range(len(forms)), *(n for n in place if n not in owner)]
    for unit in units:
        needed = requirements(facts, forms, unit)
        missing[unit] = {owner.get(n, n) for n in needed} - {unit}
        for other in missing[unit]:
            waiting.setdefault(other, []).append(unit)
        nodes = [unit] if isinstance(unit, fx.Node) else forms[unit].cluster.nodes
        first[unit] = min(place[n] for n in nodes)
    by_place = {number: unit for unit, number in first.items()}
    ready = sorted(first[unit] for unit in units if not missing[unit])
    found: list[Unit] = []
    while ready:
        unit = by_place[heappop(ready)]
        found.append(unit)
        for other in waiting.get(unit, ()):
            missing[other].discard(unit)
            if not missing[other]:
                heappush(ready, first[other])
    assert len(found) == len(units), "a value leaves a cluster and comes back"
    return found


def requirements(facts: Facts, forms: Sequence[Canonical], unit: Unit) -> list[fx.Node]:
    """The nodes that a unit needs."""
    if isinstance(unit, fx.Node):
        return facts.needs(unit)
    form = forms[unit]
    effects = [n for node in form.cluster.nodes for n in facts.before.get(node, ())]
    return [*form.rows, *map(passed, form.weights), *effects]


def passed(weight: fx.Node) -> fx.Node:
    """The node whose tensor is passed to a region for a weight: a float one for int8 rows."""
    return weight.all_input_nodes[0] if is_given(weight) else weight


class Writer:
    """Writes the new graph."""

    def __init__(
        self, facts: Facts, forms: Sequence[Canonical], numbers: Sequence[int]
    ) -> None:
        self.facts = facts
        self.forms = forms
        self.numbers = numbers
        self.graph = fx.Graph()
        self.copies: dict[fx.Node, fx.Node] = {}
        self.work = {n for form in forms for n in (*form.work, *form.weights)}
        self.inside = {n for form in forms for n in form.cluster.nodes}

    def write(self, unit: Unit) -> None:
        """One node or one cluster."""
        if isinstance(unit, int):
            self._call(self.forms[unit], self.numbers[unit])
        elif not self._is_for_regions(unit):
            self.copies[unit] = self.graph.node_copy(unit, self.copies.__getitem__)

    def _is_for_regions(self, node: fx.Node) -> bool:
        """Whether a node is weight work that only regions, which do it themselves, use."""
        if node not in self.work or node.op == "placeholder" or node.op == "get_attr":
            return False
        return all(u in self.inside or self._is_for_regions(u) for u in node.users)

    def _call(self, form: Canonical, number: int) -> None:
        rows = [self.copies[n] for n in form.rows]
        weights = [self.copies[passed(n)] for n in form.weights]
        call = self.graph.call_function(call_region, (number, rows, weights))
        results = {
            node: self.graph.call_function(operator.getitem, (call, i))
            for i, node in enumerate(form.results)
        }
        lead = value(form.rows[0]).shape[:-1]
        inside = set(form.cluster.nodes)
        memory: dict[fx.Node, list[int]] = {}
        for node in form.cluster.nodes:
            if all(user in inside for user in node.users):
                continue
            source = form.source(node)
            if source in results:
                found = self._shaped(results[source], lead, node, form)
                held = memory.setdefault(source, [*storages(node)])
            else:
                outer = value(source).shape[:-1]
                found = self._shaped(self.copies[source], outer, node, form)
                held = [*storages(source)]
            self.copies[node] = (
                found if held == [*storages(node)] else self._copied(found)
            )

    def _copied(self, found: fx.Node) -> fx.Node:
        """A value in memory of its own, as it is where `reshape`, `contiguous` or `to` copy."""
        layout: dict[str, Any] = {"memory_format": torch.contiguous_format}
        return self.graph.call_function(torch.clone, (found,), layout)

    def _shaped(
        self, found: fx.Node, lead: Sequence[Any], node: fx.Node, form: Canonical
    ) -> fx.Node:
        """Rows in the leading shape that the graph has them in."""
        how = shaping(lead, node, form)
        if how is None:
            return found
        function, arguments = how
        arguments = [self.copies.get(a, a) for a in arguments]
        return self.graph.call_function(function, (found, *arguments))


Shaping = tuple[Callable[..., Tensor], list[Any]]


def shaping(lead: Sequence[Any], node: fx.Node, form: Canonical) -> Shaping | None:
    """
    What gives rows with these leading dimensions a node's shape; None for nothing.

    `DfcError` where that takes arithmetic on symbolic sizes.
    """
    wanted = value(node).shape
    if equal(lead, wanted[:-1]):
        return None
    if len(wanted) == 2:
        return flat_rows, []
    if all(type(size) is int for size in wanted):
        return Tensor.reshape, [tuple(wanted)]
    for row in form.rows:
        if equal(value(row).shape[:-1], wanted[:-1]):
            return rows_like, [row]
    raise DfcError(f"the shape {tuple(wanted)} follows from no row's")


def equal(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether two lists of sizes are equal for all inputs."""
    return len(a) == len(b) and all(map(same, a, b))


def flat_rows(rows: Tensor) -> Tensor:
    """Rows with one leading dimension."""
    return rows.reshape(-1, rows.shape[-1])


def rows_like(rows: Tensor, other: Tensor) -> Tensor:
    """Rows in the leading shape of others."""
    return rows.reshape(*other.shape[:-1], rows.shape[-1])


@cache
def has_compiler() -> bool:
    """Whether inductor finds a C++ compiler."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return False
    return True


def run_rest(
    module: fx.GraphModule,
    example_inputs: Sequence[Any],
    rest: str | None,
    tokens: Any = None,
) -> tuple[str, Callable[..., Any]]:
    """
    How a rewritten graph runs, `inductor` or `eager`, and what runs it.

    Inductor's loops over few `tokens` run on the caller alone: OpenMP's threads, which look for more work for
    milliseconds, would take the cores from those of the regions behind. Inductor's checks of every tensor's sizes and
    strides, a microsecond each, are for operators of users.
    """
    chosen = rest or ("inductor" if has_compiler() else "eager")
    if chosen == "eager":
        module.recompile()
        return chosen, module.forward
    from torch._inductor.compile_fx import compile_fx

    few = type(tokens) is int and tokens <= FEW_TOKENS
    settings: dict[str, Any] = {"cpp.threads": 1} if few else {}
    settings["size_asserts"] = not all(map(known, module.graph.nodes))
    compiled: Any = compile_fx(module, list(example_inputs), config_patches=settings)
    return chosen, compiled


def known(node: fx.Node) -> bool:
    """Whether a node is none of a user's operators: those may say of their results what does not hold."""
    target = node.target
    return isinstance(target, str) or getattr(target, "namespace", "aten") in KNOWN
