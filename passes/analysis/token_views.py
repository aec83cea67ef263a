"""Tokens as memrefs: the slot or the tile that a place's token is in the present trips of the loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
)

from dfc.dialects.stream.tiles import tile_ranges
from dfc.dialects.utils import shape
from dfc.passes.analysis.graph_places import Graph, Place, fail
from dfc.passes.analysis.memory_views import Index, Indices


@dataclass(frozen=True)
class Trip:
    """The present trip of a loop, and whether its tiles are those at the edge."""

    index: Index
    edge: bool


class TokenViews:
    """Views of one kernel's tokens; `slots` holds the memref of each FIFO, `buffers` those of the kernel."""

    def __init__(
        self,
        graph: Graph,
        at: Indices,
        slots: Mapping[Place, SSAValue],
        buffers: Mapping[SSAValue, SSAValue],
    ) -> None:
        self.graph = graph
        self.at = at
        self.slots = slots
        self.buffers = buffers
        self.trips: list[Trip] = []

    def has_edge(self, depth: int, places: Sequence[Place]) -> bool:
        """Whether the last tile of a dimension that the loop at `depth` walks along stands over its buffer."""
        return any(
            rest_of(place, dim) is not None
            for place in places
            for dim, walked in walked_dims(place)
            if walked == depth
        )

    def sizes(self, place: Place) -> tuple[int, ...]:
        """The shape of a place's token in the present trips: smaller at an edge."""
        walked = dict(walked_dims(place))
        found = list(place.type.token.get_shape())
        for dim, size in enumerate(found):
            loop = walked.get(dim)
            if loop is None or self.trips[loop].edge:
                found[dim] = self._edge_size(place, dim, loop, size)
        return tuple(found)

    def _edge_size(self, place: Place, dim: int, loop: int | None, size: int) -> int:
        """A token's size in the last trip of a loop: what the buffer at its edge's end has left."""
        bound = _bound(place)
        if bound is not None:
            return rest_of(bound, dim) or size
        for other in self.graph.places if loop is not None else ():
            for across, walked in walked_dims(other):
                rest = rest_of(other, across)
                if walked == loop and rest is not None:
                    return size * rest // other.type.token.get_shape()[across]
        return size

    def view(self, place: Place) -> SSAValue:
        """The token of a place in the present trips."""
        sizes = self.sizes(place)
        if place.buffer is not None:
            tile = zip(
                place.type.map.data.results, place.type.token.get_shape(), strict=True
            )
            offsets = [
                self.at.times(self._evaluate(place, e), size) for e, size in tile
            ]
            return self.at.part(self.buffers[place.buffer], offsets, sizes)
        slots = self.slots[place]
        if place.slots == 1:
            return self.at.part(slots, [0] * len(sizes), sizes)
        token: Index = 0
        for trip, count in zip(self.trips, place.type.counts, strict=False):
            token = self.at.add(self.at.times(token, count), trip.index)
        return self.at.slot(slots, self.at.modulo(token, place.slots), sizes)

    def _evaluate(self, place: Place, expr: AffineExpr) -> Index:
        """The value of a linear expression of the trips."""
        if isinstance(expr, AffineConstantExpr):
            return expr.value
        if isinstance(expr, AffineDimExpr):
            return self.trips[expr.position].index
        if isinstance(expr, AffineBinaryOpExpr):
            left, right = (self._evaluate(place, e) for e in (expr.lhs, expr.rhs))
            if expr.kind == AffineBinaryOpKind.Add:
                return self.at.add(left, right)
            if expr.kind == AffineBinaryOpKind.Mul and isinstance(right, int):
                return self.at.times(left, right)
        fail(
            place.op,
            f"expected tile coordinates that are linear in the trips, got {expr}",
        )


def rest_of(place: Place, dim: int) -> int | None:
    """What is left for the last tile of a buffer's dimension; `None` when it is a whole tile."""
    if place.buffer is None:
        return None
    kind = place.type
    size, extent = kind.token.get_shape()[dim], shape(place.buffer)[dim]
    high = tile_ranges(kind.map.data, kind.counts)[dim][1]
    if (high + 1) * size <= extent:
        return None
    expr = kind.map.data.results[dim]
    if not isinstance(expr, AffineDimExpr | AffineConstantExpr):
        fail(place.op, f"expected whole tiles where coordinates are {expr}")
    return extent - high * size


def walked_dims(place: Place) -> Iterator[tuple[int, int]]:
    """The dimensions of a place's tensor that loops walk along, and which loop."""
    for dim, expr in enumerate(place.type.map.data.results):
        if isinstance(expr, AffineDimExpr):
            yield dim, expr.position


def _bound(place: Place) -> Place | None:
    """The buffer at an end of a place's edge, whose extent says how large its tokens are."""
    while place.buffer is None and place.source is not None:
        place = place.source
    return place if place.buffer is not None else _bound_below(place)


def _bound_below(place: Place) -> Place | None:
    if place.buffer is not None:
        return place
    below = (_bound_below(p) for p in place.readers if isinstance(p, Place))
    return next((found for found in below if found is not None), None)
