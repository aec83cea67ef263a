"""
The loop nest of one kernel: copies and launches, ordered by events that rotate through slots.

Every FIFO of depth d is d slots; token i stands in slot i mod d. What fills the slot waits for
those that emptied it d tokens before: per reader the last d events rotate through the loops'
`iter_args`, the oldest first. What empties it waits for what filled it. A token whose trips are a
prefix of the nest's is copied in the loop it belongs to and stays for the loops inside it.
The last trip of a loop with an edge stands behind the loop, on smaller tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.builder import Builder
from xdsl.dialects import scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
)
from xdsl.rewriter import InsertPoint

from dfc.dialects import accel, stream, tier
from dfc.dialects.stream.tiles import tile_ranges
from dfc.dialects.utils import shape
from dfc.passes.analysis.graph_places import Graph, Item, Node, Place, fail, in_order
from dfc.passes.analysis.launch_body import launch_body
from dfc.passes.analysis.memory_views import Index, Indices, memref_type

Key = tuple[str, Item, Item | None, int]
"""An event that changes from trip to trip: the last of an item, or one in the ring of a place and a reader."""

Waits = dict[Item, list[SSAValue]]
"""Events from outside the kernel that an item starts after."""


LOOP_NAMES = ("i", "j", "k", "l", "m")


class LoopNest:
    """Emits one kernel's copies and launches at the end of a block."""

    def __init__(
        self,
        graph: Graph,
        block: Block,
        buffers: dict[SSAValue, SSAValue],
        waits: Waits,
    ) -> None:
        self.graph = graph
        self.buffers = buffers
        self.waits = waits
        self.trips = graph.trips
        builder = Builder(InsertPoint.at_end(block))
        self.start = named(builder.insert(accel.StartOp()).event, "start")
        self.at = Indices(builder, Builder(InsertPoint.at_end(block)))
        self.indices: list[Index] = []
        self.edge: list[bool] = []
        self.views: dict[Place, SSAValue] = {}
        self.events: dict[Key, SSAValue] = {}
        self.slots = {p: self._allocate(p) for p in graph.places if p.slots}

    def emit(self) -> None:
        """Emit the whole nest."""
        self._level(0, self.graph.items)

    def drop_unused(self) -> None:
        """Remove the event of the first round, and views, that nobody used."""
        for value in (self.start, *self.slots.values()):
            if not value.uses and isinstance(value.owner, Operation):
                value.owner.detach()
                value.owner.erase()

    def done(self, reader: Item) -> list[SSAValue]:
        """The events after which nothing of a reader is left to happen."""
        if isinstance(reader, Node):
            return [self._last(reader)]
        source = reader.source
        assert source is not None
        keys = list(ring_keys(source, reader))
        return [self._event(key) for key in keys] or [self._last(reader)]

    def _allocate(self, place: Place) -> SSAValue:
        kind = memref_type(place.type.token, place.tier, place.slots)
        slots = self.at.builder.insert(tier.AllocOp(kind, place.offset)).buffer
        return named(slots, "slots" if place.slots > 1 else "slot")

    def _event(self, key: Key) -> SSAValue:
        return self.events.get(key, self.start)

    def _last(self, item: Item) -> SSAValue:
        return self._event(last_key(item))

    def _level(self, depth: int, items: Sequence[Item]) -> None:
        """The items inside `depth` loops: those in front of the next loop, the loop, those behind it."""
        places = [p for p in self._places(items) if p.depth == depth]
        for place in places:
            self.views[place] = self._view(place)
            name_new(self.views[place], "tile" if place.buffer is not None else "slot")
        before, inner, after = in_order(items, depth)
        for item in before:
            self._item(item)
        if inner:
            self._loop(depth, inner)
        for item in after:
            self._item(item)
        for place in places:
            self._rotate(place)

    def _places(self, items: Sequence[Item]) -> list[Place]:
        """The places that items fill or empty."""
        found: dict[Place, None] = {}
        for item in items:
            found |= dict.fromkeys(touched(item))
        return list(found)

    def _loop(self, depth: int, items: Sequence[Item]) -> None:
        """One loop over the full tiles, and its last trip when that has an edge."""
        trips = self.trips[depth]
        edge = self._has_edge(depth, items)
        full = trips - edge
        if full == 1:
            self._trip(depth, items, 0, False)
        elif full > 1:
            self._for(depth, items, full)
        if edge:
            self._trip(depth, items, trips - 1, True)

    def _trip(
        self, depth: int, items: Sequence[Item], index: Index, edge: bool
    ) -> None:
        self.indices.append(index)
        self.edge.append(edge)
        self._level(depth + 1, items)
        self.indices.pop()
        self.edge.pop()

    def _for(self, depth: int, items: Sequence[Item], trips: int) -> None:
        keys = list(self._carried(items, depth))
        start = [self._event(key) for key in keys]
        block = Block(arg_types=[IndexType(), *(event.type for event in start)])
        low, high, step = (self.at.constant(number) for number in (0, trips, 1))
        named(block.args[0], LOOP_NAMES[min(depth, len(LOOP_NAMES) - 1)])
        outside = self.at.builder
        self.at.builder = Builder(InsertPoint.at_end(block))
        self.events |= dict(zip(keys, block.args[1:], strict=True))
        self._trip(depth, items, block.args[0], False)
        self.at.builder.insert(scf.YieldOp(*(self._event(key) for key in keys)))
        self.at.builder = outside
        start, keys = _merge(block, start, keys, self.events)
        loop = outside.insert(scf.ForOp(low, high, step, start, Region(block)))
        for names, event in zip(keys, loop.results, strict=True):
            self.events |= dict.fromkeys(names, named(event, "last"))

    def _carried(self, items: Sequence[Item], depth: int) -> Iterator[Key]:
        """The events that the loop at `depth` changes and somebody behind its trip needs."""
        for place in self._places(items):
            if place.depth > depth:
                for reader in place.readers:
                    yield from ring_keys(place, reader)
        for item in items:
            if isinstance(item, Node):
                yield last_key(item)

    def _has_edge(self, depth: int, items: Sequence[Item]) -> bool:
        """Whether the last tile of a dimension that this loop walks along stands over its buffer."""
        return any(
            self._rest(place, dim) is not None
            for place in self._places(items)
            for dim, walked in _walked(place)
            if walked == depth
        )

    def _rest(self, place: Place, dim: int) -> int | None:
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

    def sizes(self, place: Place) -> tuple[int, ...]:
        """The shape of a place's token in the present trips: smaller at an edge."""
        walked = dict(_walked(place))
        found = list(place.type.token.get_shape())
        for dim, size in enumerate(found):
            loop = walked.get(dim)
            if loop is None or self.edge[loop]:
                found[dim] = self._edge_size(place, dim, loop, size)
        return tuple(found)

    def _edge_size(self, place: Place, dim: int, loop: int | None, size: int) -> int:
        """A token's size in the last trip of a loop: what the buffer at its edge's end has left."""
        bound = _bound(place)
        if bound is not None:
            return self._rest(bound, dim) or size
        for other in self.graph.places if loop is not None else ():
            for across, walked in _walked(other):
                rest = self._rest(other, across)
                if walked == loop and rest is not None:
                    return size * rest // other.type.token.get_shape()[across]
        return size

    def _view(self, place: Place) -> SSAValue:
        """The token of a place in the present trips, as a memref."""
        sizes, indices = self.sizes(place), self.indices[: place.depth]
        if place.buffer is not None:
            offsets = [
                self.at.times(self._coordinate(place, dim), size)
                for dim, size in enumerate(place.type.token.get_shape())
            ]
            return self.at.part(self.buffers[place.buffer], offsets, sizes)
        slots = self.slots[place]
        if place.slots == 1:
            return self.at.part(slots, [0] * len(sizes), sizes)
        token: Index = 0
        for index, trips in zip(indices, place.type.counts, strict=True):
            token = self.at.add(self.at.times(token, trips), index)
        return self.at.slot(slots, self.at.modulo(token, place.slots), sizes)

    def _coordinate(self, place: Place, dim: int) -> Index:
        """The tile coordinate of the present token in one dimension of its buffer."""
        expr = place.type.map.data.results[dim]
        return self._evaluate(place, expr)

    def _evaluate(self, place: Place, expr: AffineExpr) -> Index:
        """The value of a linear expression of the trips."""
        if isinstance(expr, AffineConstantExpr):
            return expr.value
        if isinstance(expr, AffineDimExpr):
            return self.indices[expr.position]
        if isinstance(expr, AffineBinaryOpExpr):
            left, right = (
                self._evaluate(place, expr.lhs),
                self._evaluate(place, expr.rhs),
            )
            if expr.kind == AffineBinaryOpKind.Add:
                return self.at.add(left, right)
            if expr.kind == AffineBinaryOpKind.Mul and isinstance(right, int):
                return self.at.times(left, right)
        fail(
            place.op,
            f"expected tile coordinates that are linear in the trips, got {expr}",
        )

    def _item(self, item: Item) -> None:
        if isinstance(item, Node):
            self.events[last_key(item)] = self._launch(item)
        else:
            assert item.source is not None
            after = [*self._filled(item.source, item), *self._emptied(item)]
            copy = tier.CopyOp(
                self.views[item.source], self.views[item], self._after(item, after)
            )
            event = self.at.builder.insert(copy).event
            self.events[last_key(item)] = named(event, "there")

    def _after(self, item: Item, events: Sequence[SSAValue]) -> list[SSAValue]:
        """The events an item starts after, each once, without those that happened long ago."""
        every = dict.fromkeys([*events, *self.waits.get(item, [])])
        return [event for event in every if event is not self.start]

    def _filled(self, place: Place, reader: Item) -> list[SSAValue]:
        """The events after which the present token stands in its place."""
        filler = place.maker if place.maker is not None else place
        if filler is place and place.source is None:
            return []
        if isinstance(filler, Node) and isinstance(reader, Node):
            if filler.unit == reader.unit:
                return []
        return [self._last(filler)]

    def _emptied(self, place: Place) -> list[SSAValue]:
        """The events after which the slot that the present token goes to is free."""
        rings = [list(ring_keys(place, reader)) for reader in place.readers]
        full = place.slots and place.type.tokens > place.slots
        return [self._event(ring[0]) for ring in rings if full and ring]

    def _launch(self, node: Node) -> SSAValue:
        places = [place for group in node.outputs for place in group]
        after = [e for place in node.inputs for e in self._filled(place, node)]
        after += [e for place in places for e in self._emptied(place)]
        outputs = [
            self.sizes(group[0]) if group else _token(node, index)
            for index, group in enumerate(node.outputs)
        ]
        inputs = [self.sizes(place) for place in node.inputs]
        body = launch_body(node, self.indices[: node.depth], inputs, outputs)
        operands = [self.views[place] for place in node.inputs]
        operands += [self.buffers[control] for control in node.op.controls]
        operands += [self.at.value(self.indices[dim]) for dim in body.trips]
        launch = accel.LaunchOp(
            node.unit,
            self._after(node, after),
            operands,
            [self.views[place] for place in places],
            body.region,
        )
        launch.attributes |= node.op.attributes
        return named(self.at.builder.insert(launch).event, "ran")

    def _rotate(self, place: Place) -> None:
        """Put the events of this token's readers at the end of the rings."""
        for reader in place.readers:
            keys = list(ring_keys(place, reader))
            if keys:
                shifted = [self._event(key) for key in keys[1:]]
                last = self._last(reader)
                self.events |= dict(zip(keys, [*shifted, last], strict=True))


def named(value: SSAValue, hint: str) -> SSAValue:
    """The value, with a name for the text."""
    value.name_hint = hint
    return value


def name_new(value: SSAValue, hint: str) -> None:
    """Name a value that has no name yet."""
    if value.name_hint is None:
        value.name_hint = hint


def last_key(item: Item) -> Key:
    """The event of an item's last launch or copy."""
    return ("last", item, None, 0)


def ring_keys(place: Place, reader: Item) -> Iterator[Key]:
    """
    The events of the last launches or copies that emptied the slots of a place, oldest first.

    A reader that shares its unit with the launches that fill the place needs none. A copy's are
    kept even when no slot is used twice: they are what the kernel is done with.
    """
    if isinstance(reader, Node):
        if place.maker is not None and place.maker.unit == reader.unit:
            return
        if place.type.tokens <= place.slots:
            return
    if place.depth > 0:
        for age in range(min(place.slots, place.type.tokens)):
            yield ("ring", place, reader, age)


def touched(item: Item) -> list[Place]:
    """The places an item fills or empties."""
    if isinstance(item, Node):
        return [*item.inputs, *(place for group in item.outputs for place in group)]
    return [item, *([item.source] if item.source is not None else [])]


def _walked(place: Place) -> Iterator[tuple[int, int]]:
    """The dimensions of a place's tensor that loops walk along, and which loop."""
    for dim, expr in enumerate(place.type.map.data.results):
        if isinstance(expr, AffineDimExpr):
            yield dim, expr.position


def _bound(place: Place) -> Place | None:
    """The buffer at an end of a place's edge, whose extent says how large its tokens are."""
    while place.buffer is None and place.source is not None:
        place = place.source
    if place.buffer is not None:
        return place
    copies = (_bound_below(p) for p in place.readers if isinstance(p, Place))
    return next((found for found in copies if found is not None), None)


def _bound_below(place: Place) -> Place | None:
    if place.buffer is not None:
        return place
    below = (_bound_below(p) for p in place.readers if isinstance(p, Place))
    return next((found for found in below if found is not None), None)


def _token(node: Node, result: int) -> tuple[int, ...]:
    """The token shape of a result that goes nowhere."""
    return stream.stream_type(node.op.outputs[result]).token.get_shape()


def _merge(
    block: Block, start: list[SSAValue], keys: list[Key], events: dict[Key, SSAValue]
) -> tuple[list[SSAValue], list[list[Key]]]:
    """Carry events that begin and go on equal only once; returns what the loop starts with, and the keys of each."""
    last = block.last_op
    assert isinstance(last, scf.YieldOp)
    groups: dict[tuple[SSAValue, SSAValue], list[int]] = {}
    for index, pair in enumerate(zip(start, last.arguments, strict=True)):
        groups.setdefault(pair, []).append(index)
    for same in groups.values():
        for index in same[1:]:
            block.args[1 + index].replace_all_uses_with(block.args[1 + same[0]])
    kept = [same[0] for same in groups.values()]
    for index in sorted(set(range(len(keys))) - set(kept), reverse=True):
        block.erase_arg(block.args[1 + index])
    last.detach()
    yields = [last.arguments[index] for index in kept]
    last.erase()
    block.add_op(scf.YieldOp(*yields))
    return [start[index] for index in kept], [
        [keys[index] for index in same] for same in groups.values()
    ]
