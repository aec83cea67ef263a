"""
What a tiling of a kernel costs: a bound from its resources, and the bytes it takes on chip.

Every tensor at the kernel's boundary is taken to stand in the host's tier, behind FIFOs of two
tokens (of a unit's `weight_slots` for weights); placement only improves on that. Units, ports,
channels each need the sum of their ops' times; the kernel takes the first token's way in, through
and out, and what the busiest of them needs for the others, but no less than it takes the control
processor to issue everything. Weights that have one slot take turns with the launches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, prod

from xdsl.builder import Builder
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint

from dfc.dialects import attention, ternary
from dfc.dialects.utils import element
from dfc.passes.analysis.fusion_graph import inputs_of
from dfc.passes.analysis.kernel_loops import KernelLoops
from dfc.passes.analysis.memory_views import aligned, stored_type
from dfc.passes.analysis.resize import copy_ops, resized_type
from dfc.passes.analysis.tiled_nodes import Nest, TiledNode, made_again
from dfc.passes.analysis.weight_layout import weight_layout
from dfc.runtime.machine import Access, Target, Unit, lanes_of
from dfc.runtime.machine.access import Direction
from dfc.runtime.machine.structure import element_bytes

Tile = Mapping[int, int]
"""Points of a tile by class; a class that is not in it is not cut."""


@dataclass(frozen=True, eq=False)
class Tiling:
    """Tile sizes and a loop order."""

    tile: tuple[tuple[int, int], ...]
    nest: Nest

    @property
    def sizes(self) -> dict[int, int]:
        """The points of a tile of each class that is cut."""
        return dict(self.tile)


def trips_of(nest: Nest, tile: Tile) -> tuple[int, ...]:
    """The trip count of each loop."""
    sizes = {c.id: c.size for c in nest.loops.classes.classes}
    return tuple(ceil(sizes[c] / tile[c]) for c in nest.order)


def token_shape(loops: KernelLoops, value: SSAValue, tile: Tile) -> tuple[int, ...]:
    """The shape of a value's token."""
    return tuple(
        scale * min(tile.get(c.id, c.size), c.size) for c, scale in loops.dims(value)
    )


def is_trits(value: SSAValue) -> bool:
    """Whether a value is a ternary weight."""
    return isinstance(element(value), ternary.TritType)


def is_streamed_input(loops: KernelLoops, node: TiledNode, value: SSAValue) -> bool:
    """Whether a node may read a value past its unit, as keys, values or mask of attention."""
    readers = [op for op in node.work if value in inputs_of(op)]
    others = any(
        value in inputs_of(inner)
        for op in node.work
        for inner in made_again(op, set(loops.work))
    )
    return not others and all(
        isinstance(op, attention.SdpaOp) and value in (op.k, op.v, op.mask)
        for op in readers
    )


TURNS = "turns"
"""Loads of weights and launches that take turns, where weights have one slot."""


@dataclass
class Load:
    """Ticks of a kernel: those of its first token, those of the others by resource, and its issues."""

    first: Fraction = Fraction(0)
    issue: int = 0
    busy: dict[str, Fraction] = field(default_factory=dict[str, Fraction])

    def add(self, resource: str, ticks: Fraction, times: int) -> None:
        """Take a resource for a time, so many times."""
        self.busy[resource] = self.busy.get(resource, Fraction(0)) + ticks * times


class TileCost:
    """Costs of the tilings of one kernel."""

    def __init__(self, loops: KernelLoops, target: Target) -> None:
        self.loops = loops
        self.target = target
        self._cycles: dict[
            tuple[tuple[Operation, ...], tuple[tuple[int, int], ...]], int
        ] = {}

    def token_bytes(self, value: SSAValue, tile: Tile, unit: Unit) -> int:
        """Bytes of a value's token, packed when it is a weight."""
        sizes = token_shape(self.loops, value, tile)
        if is_trits(value):
            return weight_layout(unit).token_bytes(*sizes)
        return prod(sizes) * element_bytes(stored_type(element(value)))

    def unit(self, node: TiledNode) -> Unit:
        """A node's unit."""
        return self.target.unit[node.unit]

    def home(self, node: TiledNode, value: SSAValue) -> str:
        """The tier that a node takes a value in."""
        unit = self.unit(node)
        tier = unit.weight_tier if is_trits(value) else None
        return tier or unit.data_tier

    def in_place(self, node: TiledNode, value: SSAValue) -> bool:
        """Whether a node reads a value where the host left it."""
        host, unit = self.target.host_tier, self.unit(node)
        if host in (self.home(node, value), unit.data_tier):
            return True
        return host in unit.streams and is_streamed_input(self.loops, node, value)

    def slots(self, node: TiledNode, value: SSAValue, tokens: int) -> int:
        """The tokens of an input that are held at once."""
        held = self.unit(node).weight_slots.value if is_trits(value) else 2
        return min(tokens, held)

    def bytes(self, tiling: Tiling) -> dict[str, int]:
        """Bytes of all FIFOs in each tier."""
        nest, tile = tiling.nest, tiling.sizes
        trips = trips_of(nest, tile)
        found: Counter[str] = Counter()
        for (value, depth), nodes in nest.reads().items():
            for node in nodes[:1]:
                if not self.in_place(node, value):
                    size = self.token_bytes(value, tile, self.unit(node))
                    held = self.slots(node, value, prod(trips[:depth]))
                    found[self.home(node, value)] += aligned(held * size)
        for node in nest.nodes:
            tier = self.unit(node).data_tier
            for value in node.outputs:
                if tier != self.target.host_tier or value not in self.loops.yielded:
                    size = self.token_bytes(value, tile, self.unit(node))
                    held = min(2, prod(trips[: node.out_depth]))
                    found[tier] += aligned(held * size)
        return found

    def fits(self, tiling: Tiling) -> bool:
        """Whether the FIFOs fit in their tiers."""
        return all(
            size <= self.target.tier[tier].capacity_bytes
            for tier, size in self.bytes(tiling).items()
        )

    def bound(self, tiling: Tiling, compute: bool = True) -> Fraction:
        """
        Ticks of the kernel: the first token's way in, through and out, then the busiest resource's rest.

        Without `compute`, those of its transfers and issues alone.
        """
        nest, tile = tiling.nest, tiling.sizes
        load = Load()
        for (value, depth), nodes in nest.reads().items():
            if not self.in_place(nodes[0], value):
                self._read(load, value, depth, nodes[0], tiling)
        trips = trips_of(nest, tile)
        for node in nest.nodes:
            times = prod(trips[: node.depth])
            each = Fraction(self._launch(node, tiling.tile)) if compute else Fraction(0)
            load.issue += times * self.target.control.launch_cycles.value
            load.first += each
            load.add(f"unit.{node.unit}", each, times - 1)
            if any(is_trits(v) for v in node.inputs) and self._holds_one(node):
                load.add(TURNS, each, times - 1)
            for value in node.outputs:
                if value in self.loops.yielded and not self._writes_in_place(node):
                    tokens = prod(trips[: node.out_depth])
                    near = self.unit(node).data_tier
                    size = self.token_bytes(value, tile, self.unit(node))
                    load.first += self._copies(
                        load, size, (near, node.unit), tokens, "write"
                    )
        rest = max(load.busy.values(), default=Fraction(0))
        return max(load.first + rest, Fraction(load.issue))

    def _read(
        self, load: Load, value: SSAValue, depth: int, node: TiledNode, tiling: Tiling
    ) -> None:
        """Add the copies of an input."""
        tile = tiling.sizes
        tokens = prod(trips_of(tiling.nest, tile)[:depth])
        size = self.token_bytes(value, tile, self.unit(node))
        near = (self.home(node, value), node.unit)
        each = self._copies(load, size, near, tokens, "read")
        load.first = max(load.first, each)
        if is_trits(value) and self._holds_one(node):
            load.add(TURNS, each, tokens - 1)

    def _holds_one(self, node: TiledNode) -> bool:
        """Whether a unit waits while its weights are loaded."""
        return self.unit(node).weight_slots.value == 1

    def _writes_in_place(self, node: TiledNode) -> bool:
        return self.unit(node).data_tier == self.target.host_tier

    def _copies(
        self,
        load: Load,
        size: int,
        near: tuple[str, str],
        tokens: int,
        direction: Direction,
    ) -> Fraction:
        """Add the copies of an edge to their lanes; ticks of one of them."""
        host = self.target.host_tier
        burst = self.target.tier[host].burst_bytes.value
        slowest = Fraction(0)
        for lane in lanes_of(self.target, host, direction, near):
            ticks = lane.ticks(ceil(size / burst) * burst)
            load.add(lane.resource, ticks, tokens - 1)
            slowest = max(slowest, ticks)
        load.issue += tokens * self.target.control.copy_cycles.value
        return slowest

    def _launch(self, node: TiledNode, tile: tuple[tuple[int, int], ...]) -> int:
        """Ticks of one launch of a node."""
        key = (tuple(node.work), tile)
        if key not in self._cycles:
            ops = self._token_ops(node, dict(tile))
            access = Access(self.target, node.unit, ())
            self._cycles[key] = self.unit(node).cost(ops, _unknown, access).cycles
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


def _unknown(_: SSAValue) -> None:
    """No control value is known where tiles are chosen."""
