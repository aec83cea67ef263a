"""
What a tiling of a kernel costs: a bound from its resources, and the bytes it takes on chip.

Every tensor at the kernel's boundary is taken to stand in the host's tier, behind FIFOs of two
tokens (of a unit's `weight_slots` for weights); placement only improves on that. Units, ports and
channels each need the sum of their ops' times; the kernel takes the first token's way in, through
and out, and what the busiest of them needs for the others, but no less than it takes the control
processor to issue everything. Weights that have one slot take turns with the launches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, prod

from xdsl.builder import Builder
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint

from dfc.passes.analysis.memory_views import aligned
from dfc.passes.analysis.resize import copy_ops, resized_type
from dfc.passes.kernels.fusion_graph import inputs_of
from dfc.passes.kernels.loops import KernelLoops
from dfc.passes.tiling.edges import EdgeBuilder, Tile, TokenEdge, token_shape
from dfc.passes.tiling.tiled_nodes import Nest, TiledNode, made_again
from dfc.runtime.machine import Access, Target
from dfc.runtime.machine.work import unknown

Sizes = tuple[tuple[int, int], ...]
"""The points of a tile of each class that is cut."""


@dataclass(frozen=True, eq=False)
class Tiling:
    """Tile sizes and a loop order."""

    tile: Sizes
    nest: Nest

    @property
    def sizes(self) -> Tile:
        """The points of a tile of each class that is cut."""
        return dict(self.tile)


def trips_of(nest: Nest, tile: Tile) -> tuple[int, ...]:
    """The trip count of each loop."""
    classes = nest.loops.classes.classes
    return tuple(ceil(classes[c].size / tile[c]) for c in nest.order)


TURNS = "turns"
"""Loads of weights and launches that take turns, where weights have one slot."""


@dataclass
class Load:
    """Ticks of a kernel: those of its first token, those of the others by resource, and its issues."""

    first: float = 0.0
    issue: int = 0
    busy: dict[str, float] = field(default_factory=dict[str, float])

    def add(self, resource: str, ticks: float, times: int) -> None:
        """Take a resource for a time, so many times."""
        self.busy[resource] = self.busy.get(resource, 0.0) + ticks * times

    @property
    def ticks(self) -> float:
        """The kernel's time."""
        rest = max(self.busy.values(), default=0.0)
        return max(self.first + rest, float(self.issue))


class TileCost:
    """Costs of the tilings of one kernel."""

    def __init__(self, loops: KernelLoops, target: Target) -> None:
        self.loops = loops
        self.target = target
        self.builder = EdgeBuilder(loops, target)
        self.burst = target.tier[target.host_tier].burst_bytes.value
        self._edges: dict[Nest, list[TokenEdge]] = {}
        self._cycles: dict[tuple[tuple[Operation, ...], Sizes], int] = {}
        self._walked: dict[tuple[Operation, ...], set[int]] = {}

    def edges(self, nest: Nest) -> list[TokenEdge]:
        """The edges of a nest, found once."""
        if nest not in self._edges:
            self._edges[nest] = self.builder.edges(nest)
        return self._edges[nest]

    def bytes(self, tiling: Tiling) -> dict[str, int]:
        """Bytes of all FIFOs in each tier."""
        tile = tiling.sizes
        trips = trips_of(tiling.nest, tile)
        found: Counter[str] = Counter()
        for edge in self.edges(tiling.nest):
            held = min(edge.held, prod(trips[: edge.depth]))
            if held:
                found[edge.tier] += aligned(held * edge.size(tile))
        return found

    def fits(self, tiling: Tiling) -> bool:
        """Whether the FIFOs fit in their tiers."""
        return all(
            size <= self.target.tier[tier].capacity_bytes
            for tier, size in self.bytes(tiling).items()
        )

    def floor(self, tiling: Tiling) -> float:
        """Ticks of a tiling's transfers and issues alone."""
        return self._moved(tiling).ticks

    def bound(self, tiling: Tiling) -> float:
        """Ticks of the kernel: the first token's way in, through and out, then the busiest resource's rest."""
        load = self._moved(tiling)
        trips = trips_of(tiling.nest, tiling.sizes)
        turns = any(edge.takes_turns for edge in self.edges(tiling.nest))
        for node in tiling.nest.nodes:
            times = prod(trips[: node.depth])
            each = self._launch(node, tiling.tile)
            load.first += each
            load.add(f"unit.{node.unit}", each, times - 1)
            if turns:
                load.add(TURNS, each, times - 1)
        return load.ticks

    def _moved(self, tiling: Tiling) -> Load:
        """The load of a tiling's copies, and what it takes to issue them and the launches."""
        tile, load = tiling.sizes, Load()
        trips = trips_of(tiling.nest, tile)
        control = self.target.control
        way_in = 0.0
        for edge in self.edges(tiling.nest):
            if not edge.lanes:
                continue
            tokens = prod(trips[: edge.depth])
            size = ceil(edge.size(tile) / self.burst) * self.burst
            each = max(size / rate for _, rate in edge.lanes)
            for resource, rate in edge.lanes:
                load.add(resource, size / rate, tokens - 1)
            if edge.takes_turns:
                load.add(TURNS, each, tokens - 1)
            load.issue += tokens * control.copy_cycles.value
            if edge.direction == "write":
                load.first += each
            way_in = max(way_in, each if edge.direction == "read" else 0.0)
        load.first += way_in
        launches = sum(prod(trips[: node.depth]) for node in tiling.nest.nodes)
        load.issue += launches * control.launch_cycles.value
        return load

    def _launch(self, node: TiledNode, tile: Sizes) -> int:
        """Ticks of one launch of a node; asked once for equal tiles of what its work walks along."""
        work = tuple(node.work)
        if work not in self._walked:
            self._walked[work] = {c for op in work for c in self.loops.walked(op)}
        walked = self._walked[work]
        key = (work, tuple(sorted((c, size) for c, size in tile if c in walked)))
        if key not in self._cycles:
            ops = self._token_ops(node, dict(tile))
            unit = self.target.unit[node.unit]
            access = Access(self.target, node.unit, ())
            self._cycles[key] = unit.cost(ops, unknown, access).cycles
        return self._cycles[key]

    def _token_ops(self, node: TiledNode, tile: Tile) -> Sequence[Operation]:
        """The node's ops on tokens, in a block of their own."""
        block = Block()
        work = set(self.loops.work)
        needed = {inner for op in node.work for inner in made_again(op, work)}
        ops = [op for op in self.loops.ops if op in needed or op in node.work]
        copy_ops(
            ops,
            _arguments(ops, block, self.loops, tile),
            lambda value: token_shape(self.loops, value, tile),
            Builder(InsertPoint.at_end(block)),
        )
        return list(block.ops)


def _arguments(
    ops: Sequence[Operation], block: Block, loops: KernelLoops, tile: Tile
) -> dict[SSAValue, SSAValue]:
    """A block argument of token shape for everything that ops read from outside."""
    inside = {result for op in ops for result in op.results}
    outside = dict.fromkeys(v for op in ops for v in inputs_of(op) if v not in inside)
    return {
        value: block.insert_arg(
            resized_type(value, lambda v: token_shape(loops, v, tile)), len(block.args)
        )
        for value in outside
    }
