# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""
Clusters: row operators around ternary linear layers that become one region each.

No value leaves a cluster and comes back to it, so each can be one call.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from torch import fx

from dfc.host.graph import Facts
from dfc.host.rows import Rows
from dfc.host.steps import PRODUCTS, Step, operands


@dataclass
class Cluster:
    """Row operators of one region in the graph's order, with their canonical forms."""

    nodes: list[fx.Node]
    steps: dict[fx.Node, Step]

    @property
    def products(self) -> list[fx.Node]:
        """The linear layers."""
        return [n for n in self.nodes if self.steps[n].target in PRODUCTS]


def find_clusters(
    facts: Facts, rows: Rows, refused: Collection[fx.Node] = ()
) -> list[Cluster]:
    """The clusters of a graph, as large as can be, without the nodes in `refused`."""
    steps = {n: s for n in facts.graph.nodes if (s := rows.step(n)) is not None}
    for node in refused:
        steps.pop(node, None)
    while True:
        found = group(facts, steps)
        useful = [c for c in found if c.products]
        if len(useful) == len(found):
            return useful
        steps = {n: s for cluster in useful for n, s in cluster.steps.items()}


def group(facts: Facts, steps: Mapping[fx.Node, Step]) -> list[Cluster]:
    """
    Row operators of equal level that are connected, or read one value.

    A level counts how often the way to a node goes from other operators to row operators, so
    a way out of a cluster and back to row operators ends at a higher level.
    """
    level = levels(facts, steps)
    parent: dict[fx.Node, fx.Node] = {n: n for n in steps}
    readers: dict[tuple[fx.Node, int], fx.Node] = {}
    for node, step in steps.items():
        for operand in operands(step):
            if operand in facts.weights:
                continue
            if operand in steps and level[operand] == level[node]:
                parent[root(parent, node)] = root(parent, operand)
            else:
                other = readers.setdefault((operand, level[node]), node)
                parent[root(parent, node)] = root(parent, other)
    members: dict[fx.Node, list[fx.Node]] = {}
    for node in steps:
        members.setdefault(root(parent, node), []).append(node)
    return [Cluster(nodes, {n: steps[n] for n in nodes}) for nodes in members.values()]


def root(parent: dict[fx.Node, fx.Node], node: fx.Node) -> fx.Node:
    """The node that stands for a node's group."""
    while parent[node] is not node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


def levels(facts: Facts, steps: Mapping[fx.Node, Step]) -> dict[fx.Node, int]:
    """The level of each node."""
    level: dict[fx.Node, int] = {}
    for node in facts.graph.nodes:
        found = 0
        for before in facts.needs(node):
            enters = node in steps and before not in steps
            enters = enters and before not in facts.weights
            found = max(found, level[before] + enters)
        level[node] = found
    return level
