"""The edges of a kernel's nodes as the cost of a tiling sees them: bytes of a token, where it stands, what it moves over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from xdsl.ir import SSAValue

from dfc.dialects import attention, ternary
from dfc.dialects.utils import element
from dfc.passes.analysis.memory_views import stored_type
from dfc.passes.analysis.weight_layout import WeightLayout, weight_layout
from dfc.passes.kernels.fusion_graph import inputs_of
from dfc.passes.kernels.loops import KernelLoops
from dfc.passes.tiling.tiled_nodes import Nest, TiledNode, made_again
from dfc.runtime.machine import Target, Unit, lanes_of
from dfc.runtime.machine.access import Direction
from dfc.runtime.machine.structure import element_bytes

Tile = dict[int, int]
"""Points of a tile by class; a class that is not in it is not cut."""


def is_trits(value: SSAValue) -> bool:
    """Whether a value is a ternary weight."""
    return isinstance(element(value), ternary.TritType)


def token_shape(loops: KernelLoops, value: SSAValue, tile: Tile) -> tuple[int, ...]:
    """The shape of a value's token."""
    return tuple(
        scale * min(tile.get(c.id, c.size), c.size) for c, scale in loops.dims(value)
    )


@dataclass(frozen=True, eq=False)
class TokenEdge:
    """
    A value on its way into a node or out of one.

    `depth` loops stand around a token, `held` of them are on chip at once in `tier` (none when
    it is used in place), and each moves over `lanes` (bytes per tick by resource). With
    `takes_turns`, the unit waits while it is loaded.
    """

    dims: tuple[tuple[int, int, int], ...]
    """For each dimension its class, the class's points, and the elements per point."""
    element_bytes: int
    layout: WeightLayout | None
    depth: int
    tier: str
    held: int
    lanes: tuple[tuple[str, float], ...]
    direction: Direction
    takes_turns: bool

    def size(self, tile: Tile) -> int:
        """Bytes of a token."""
        sizes = [
            scale * min(tile.get(index, points), points)
            for index, points, scale in self.dims
        ]
        if self.layout is not None:
            return self.layout.token_bytes(*sizes)
        return prod(sizes) * self.element_bytes


class EdgeBuilder:
    """Finds the edges of the nests of one kernel, whose boundary stands in the host's tier."""

    def __init__(self, loops: KernelLoops, target: Target) -> None:
        self.loops = loops
        self.target = target
        self.host = target.host_tier

    def edges(self, nest: Nest) -> list[TokenEdge]:
        """The edges of a nest."""
        return [*self._inputs(nest), *self._outputs(nest)]

    def _inputs(self, nest: Nest) -> Iterator[TokenEdge]:
        for (value, depth), nodes in nest.reads().items():
            node = nodes[0]
            unit = self.target.unit[node.unit]
            tier = (unit.weight_tier if is_trits(value) else None) or unit.data_tier
            if self._in_place(node, unit, tier, value):
                yield self._edge(value, depth, unit, tier, 0, (), "read")
                continue
            held = unit.weight_slots.value if is_trits(value) else 2
            lanes = self._lanes("read", tier, node.unit)
            yield self._edge(value, depth, unit, tier, held, lanes, "read")

    def _outputs(self, nest: Nest) -> Iterator[TokenEdge]:
        for node in nest.nodes:
            unit = self.target.unit[node.unit]
            tier = unit.data_tier
            for value in node.outputs:
                leaves = value in self.loops.yielded
                at_home = leaves and tier == self.host
                lanes = (
                    self._lanes("write", tier, node.unit)
                    if leaves and not at_home
                    else ()
                )
                held = 0 if at_home else 2
                yield self._edge(
                    value, node.out_depth, unit, tier, held, lanes, "write"
                )

    def _edge(
        self,
        value: SSAValue,
        depth: int,
        unit: Unit,
        tier: str,
        held: int,
        lanes: tuple[tuple[str, float], ...],
        direction: Direction,
    ) -> TokenEdge:
        trits = is_trits(value)
        return TokenEdge(
            dims=tuple((c.id, c.size, scale) for c, scale in self.loops.dims(value)),
            element_bytes=0 if trits else element_bytes(stored_type(element(value))),
            layout=weight_layout(unit) if trits else None,
            depth=depth,
            tier=tier,
            held=held,
            lanes=lanes,
            direction=direction,
            takes_turns=trits and held == 1,
        )

    def _lanes(
        self, direction: Direction, tier: str, unit: str
    ) -> tuple[tuple[str, float], ...]:
        lanes = lanes_of(self.target, self.host, direction, (tier, unit))
        return tuple((lane.resource, float(lane.bytes_per_tick)) for lane in lanes)

    def _in_place(
        self, node: TiledNode, unit: Unit, tier: str, value: SSAValue
    ) -> bool:
        """Whether a node reads a value where the host left it."""
        if self.host in (tier, unit.data_tier):
            return True
        return self.host in unit.streams and self._is_streamed(node, value)

    def _is_streamed(self, node: TiledNode, value: SSAValue) -> bool:
        """Whether a value is read past a unit: only as keys, values or mask of attention."""
        work = set(self.loops.work)
        again = (inner for op in node.work for inner in made_again(op, work))
        if any(value in inputs_of(inner) for inner in again):
            return False
        return all(
            isinstance(op, attention.SdpaOp) and value in (op.k, op.v, op.mask)
            for op in node.work
            if value in inputs_of(op)
        )
