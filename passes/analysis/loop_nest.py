"""
The loop nest of one kernel: copies and launches, ordered by events that rotate through slots.

Every FIFO of depth d is d slots; token i stands in slot i mod d. What fills the slot waits for
those that emptied it d tokens before: per reader the last d events rotate through the loops'
`iter_args`, the oldest first. What empties it waits for what filled it. A token whose trips are a
prefix of the nest's is copied in the loop it belongs to and stays for the loops inside it.
The last trip of a loop with an edge stands behind the loop, on smaller tiles.

Ports and channels serve copies in program order. So where a loop copies tokens in and out, a token
is copied out behind the next one's copies in: those would wait for its launch otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xdsl.builder import Builder
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.rewriter import InsertPoint

from dfc.dialects import accel, stream, tier
from dfc.passes.analysis.graph_places import Graph, Item, Node, Place, in_order
from dfc.passes.analysis.launch_body import launch_body
from dfc.passes.analysis.memory_views import Index, Indices, memref_type
from dfc.passes.analysis.token_views import TokenViews, Trip
from dfc.passes.fabric.event_rings import Key, last_key, merge_carried, ring_keys

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
        self.counts = graph.trips
        builder = Builder(InsertPoint.at_end(block))
        self.start = named(builder.insert(accel.StartOp()).event, "start")
        self.at = Indices(builder, Builder(InsertPoint.at_end(block)))
        self.slots = {p: self._allocate(p) for p in graph.places if p.slots}
        self.tokens = TokenViews(graph, self.at, self.slots, buffers)
        self.views: dict[Place, SSAValue] = {}
        self.events: dict[Key, SSAValue] = {}
        self.late: set[Item] = set()

    def emit(self) -> None:
        """Emit the whole nest."""
        self._level(0, self.graph.items)

    def drop_unused(self) -> None:
        """Remove the event of the first round, and slots, that nobody used."""
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

    def _level(
        self, depth: int, items: Sequence[Item], owed: Owed | None = None
    ) -> None:
        """
        The items inside `depth` loops: those in front of the next loop, the loop, those behind it.

        The copies out that the trip before owes come behind this trip's copies in.
        """
        places = [p for p in places_of(items) if p.depth == depth]
        for place in places:
            self._look(place)
        before, inner, after = in_order(items, depth)
        ahead = [item for item in before if is_copy_in(item)]
        for item in ahead:
            self._item(item)
        if owed is not None:
            owed.pay(self)
        for item in before:
            if item not in ahead:
                self._item(item)
        if inner:
            self._loop(depth, inner)
        for item in after:
            self._item(item)
        for place in places:
            for reader in place.readers:
                if reader not in self.late:
                    self._rotate(place, reader)

    def _look(self, place: Place) -> None:
        """Take a view of a place's token in the present trips."""
        view = self.views[place] = self.tokens.view(place)
        if view.name_hint is None:
            view.name_hint = "tile" if place.buffer is not None else "slot"

    def _loop(self, depth: int, items: Sequence[Item]) -> None:
        """One loop over the full tiles, and its last trip when that has an edge."""
        trips = self.counts[depth]
        edge = self.tokens.has_edge(depth, places_of(items))
        late = copied_out_late(items, depth + 1) if trips > 1 else []
        items = [item for item in items if item not in late]
        self.late |= set(late)
        first = 0
        if late:
            # nothing is owed in the first trip, so it stands in front of the loop
            self._trip(depth, items, Trip(0, edge and trips == 1))
            first = 1
        full = trips - edge
        if full - first == 1:
            self._trip(depth, items, Trip(first, False), self._owed(late, first))
        elif full - first > 1:
            self._for(depth, items, first, full, late)
        if edge:
            self._trip(depth, items, Trip(trips - 1, True), self._owed(late, trips - 1))
        if late:
            Owed(late, Trip(trips - 1, edge)).pay(self)

    def _owed(self, late: Sequence[Item], index: int) -> Owed | None:
        """What the trip before this one owes."""
        return Owed(late, Trip(index - 1, False)) if late else None

    def _trip(
        self, depth: int, items: Sequence[Item], trip: Trip, owed: Owed | None = None
    ) -> None:
        self.tokens.trips.append(trip)
        self._level(depth + 1, items, owed)
        self.tokens.trips.pop()

    def _for(
        self,
        depth: int,
        items: Sequence[Item],
        first: int,
        end: int,
        late: Sequence[Item],
    ) -> None:
        keys = list(self._carried([*items, *late], depth))
        start = [self._event(key) for key in keys]
        block = Block(arg_types=[IndexType(), *(event.type for event in start)])
        bounds = [self.at.constant(number) for number in (first, end, 1)]
        outside = self.at.builder
        self.at.builder = Builder(InsertPoint.at_end(block))
        self.events |= dict(zip(keys, block.args[1:], strict=True))
        index = named(block.args[0], LOOP_NAMES[min(depth, len(LOOP_NAMES) - 1)])
        owed = Owed(late, Trip(self._before(index), False)) if late else None
        self._trip(depth, items, Trip(index, False), owed)
        self.at.builder.insert(scf.YieldOp(*(self._event(key) for key in keys)))
        self.at.builder = outside
        start, kept = merge_carried(block, start, keys)
        loop = scf.ForOp(bounds[0], bounds[1], bounds[2], start, Region(block))
        for names, event in zip(kept, outside.insert(loop).results, strict=True):
            self.events |= dict.fromkeys(names, named(event, "last"))

    def _before(self, index: SSAValue) -> SSAValue:
        """The trip before this one."""
        made = arith.SubiOp(index, self.at.constant(1))
        return self.at.builder.insert(made).result

    def _carried(self, items: Sequence[Item], depth: int) -> Iterator[Key]:
        """The events that the loop at `depth` changes and somebody behind its trip needs."""
        for place in places_of(items):
            if place.depth > depth:
                for reader in place.readers:
                    yield from ring_keys(place, reader)
        for item in items:
            if isinstance(item, Node):
                yield last_key(item)

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
            self.tokens.sizes(group[0]) if group else _token(node, index)
            for index, group in enumerate(node.outputs)
        ]
        inputs = [self.tokens.sizes(place) for place in node.inputs]
        trips: list[Index] = [trip.index for trip in self.tokens.trips[: node.depth]]
        body = launch_body(node, trips, inputs, outputs)
        operands = [self.views[place] for place in node.inputs]
        operands += [self.buffers[control] for control in node.op.controls]
        operands += [self.at.value(trips[dim]) for dim in body.trips]
        launch = accel.LaunchOp(
            node.unit,
            self._after(node, after),
            operands,
            [self.views[place] for place in places],
            body.region,
        )
        launch.attributes |= node.op.attributes
        return named(self.at.builder.insert(launch).event, "ran")

    def _rotate(self, place: Place, reader: Item) -> None:
        """Put the event of this token's reader at the end of its ring."""
        keys = list(ring_keys(place, reader))
        if keys:
            shifted = [self._event(key) for key in keys[1:]]
            rotated = zip(keys, [*shifted, self._last(reader)], strict=True)
            self.events |= dict(rotated)

    def copy_out(self, items: Sequence[Place], trip: Trip) -> None:
        """The copies of tokens of another trip of the innermost loop."""
        views, trips = dict(self.views), self.tokens.trips
        depth = items[0].depth
        self.tokens.trips = [*trips[: depth - 1], trip]
        for item in items:
            assert item.source is not None
            self._look(item.source)
            self._look(item)
            self._item(item)
            self._rotate(item.source, item)
        self.views, self.tokens.trips = views, trips


class Owed:
    """Copies out that a trip leaves to the next one."""

    def __init__(self, items: Sequence[Item], trip: Trip) -> None:
        self.items = [item for item in items if isinstance(item, Place)]
        self.trip = trip

    def pay(self, nest: LoopNest) -> None:
        """Emit them."""
        nest.copy_out(self.items, self.trip)


def named(value: SSAValue, hint: str) -> SSAValue:
    """The value, with a name for the text."""
    value.name_hint = hint
    return value


def touched(item: Item) -> list[Place]:
    """The places an item fills or empties."""
    if isinstance(item, Node):
        return [*item.inputs, *(place for group in item.outputs for place in group)]
    return [item, *([item.source] if item.source is not None else [])]


def places_of(items: Sequence[Item]) -> list[Place]:
    """The places that items fill or empty."""
    return list(dict.fromkeys(place for item in items for place in touched(item)))


def is_copy_in(item: Item) -> bool:
    """Whether an item copies from a buffer into a FIFO."""
    if isinstance(item, Node) or item.source is None:
        return False
    return isinstance(item.op, stream.FifoOp) and item.source.buffer is not None


def copied_out_late(items: Sequence[Item], depth: int) -> list[Item]:
    """The copies into buffers that a loop delays by a trip: where it also copies in, and is innermost."""
    if any(item.depth > depth for item in items) or not any(map(is_copy_in, items)):
        return []
    return [
        item
        for item in items
        if isinstance(item, Place)
        and isinstance(item.op, stream.WriteOp)
        and item.source is not None
        and item.source.slots > 0
    ]


def _token(node: Node, result: int) -> tuple[int, ...]:
    """The token shape of a result that goes nowhere."""
    return stream.stream_type(node.op.outputs[result]).token.get_shape()
