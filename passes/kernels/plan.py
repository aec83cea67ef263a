"""What a placed kernel touches, in which group of its events, and the events it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from dfc.dialects import accel, stream
from dfc.passes.analysis.event_order import End, Plan, Region, Start, region_of
from dfc.passes.analysis.graph_places import (
    Graph,
    Item,
    Node,
    Place,
    graph_of,
    in_order,
)
from dfc.passes.analysis.memory_views import buffer_bytes
from dfc.passes.fabric.event_rings import ring_keys


@dataclass
class KernelPlan:
    """A kernel's graph, its plan, and the items whose last events it gives, in the order of the plan."""

    op: accel.KernelOp
    graph: Graph
    done: list[Item]
    plan: Plan

    @property
    def heads(self) -> list[list[Item]]:
        """The items that wait for each group of events; everything else waits for one of them."""
        ahead: list[list[Item]] = [[place] for place in self.graph.copied_in()]
        return [*ahead, [item for item in self.graph.items if _is_head(item)]]


def kernel_plan(op: accel.KernelOp) -> KernelPlan:
    """The plan of a placed kernel."""
    graph = graph_of(_graph(op))
    done = _last_items(graph)
    return KernelPlan(op, graph, done, _Planner(op, graph, done).plan())


def _graph(op: accel.KernelOp) -> stream.GraphOp:
    first = op.body.block.first_op
    assert isinstance(first, stream.GraphOp)
    return first


def _is_head(item: Item) -> bool:
    """Whether an item of the main group waits for no other item of it."""
    if isinstance(item, Place):
        return isinstance(item.op, stream.WriteOp) and _maker(item) is None
    return all(_maker(place) is None for place in item.inputs)


def _maker(place: Place | None) -> Node | None:
    """The node whose launches make a place's tokens, `None` when they come from a buffer."""
    while place is not None and place.source is not None:
        place = place.source
    return None if place is None else place.maker


def execution_order(items: Sequence[Item], depth: int = 0) -> list[Item]:
    """Items in the order in which their last launches and copies stand."""
    before, inner, after = in_order(items, depth)
    return [*before, *(execution_order(inner, depth + 1) if inner else []), *after]


def _last_items(graph: Graph) -> list[Item]:
    """The last node of each unit, and the copies that write to buffers."""
    order = execution_order(graph.items)
    last = {item.unit: item for item in order if isinstance(item, Node)}
    writes = [
        i for i in order if isinstance(i, Place) and isinstance(i.op, stream.WriteOp)
    ]
    return [*last.values(), *writes]


def event_count(item: Item) -> int:
    """How many events an item's end is: those of the last copies out of a FIFO, one for a node."""
    if isinstance(item, Place) and item.source is not None:
        return len(list(ring_keys(item.source, item))) or 1
    return 1


class _Planner:
    def __init__(self, op: accel.KernelOp, graph: Graph, done: Sequence[Item]) -> None:
        values = (*op.inputs, *op.outs)
        blocks: Sequence[SSAValue] = op.body.block.args
        self.buffers: dict[SSAValue, SSAValue] = {
            block: value for block, value in zip(blocks, values, strict=True)
        }
        self.graph = graph
        self.done: dict[Item, tuple[int, ...]] = {}
        self.units: list[str | None] = []
        for item in done:
            first = len(self.units)
            count = event_count(item)
            self.units += [item.unit if isinstance(item, Node) else None] * count
            self.done[item] = tuple(range(first, first + count))
        self.by_unit = {i.unit: self.done[i] for i in done if isinstance(i, Node)}

    def plan(self) -> Plan:
        ahead = self.graph.copied_in()
        starts: list[Start] = []
        ends: list[End] = []
        for place in self.graph.places:
            region, writes = self._region(place), self._writes(place)
            group = self._group(place, ahead)
            groups = [group]
            if place.buffer is not None and not writes:
                groups = self._reading_groups(place, ahead)
            starts += [Start(region, writes, group) for group in groups]
            ends.append(End(region, writes, self._ends(place)))
        return Plan(len(ahead) + 1, tuple(self.units), tuple(starts), tuple(ends))

    def _region(self, place: Place) -> Region:
        if place.buffer is not None:
            return region_of(self.buffers[place.buffer])
        begin = place.offset
        size = place.slots * buffer_bytes(place.type.token)
        return Region(place.tier, begin, begin + size)

    def _writes(self, place: Place) -> bool:
        return place.buffer is None or isinstance(place.op, stream.WriteOp)

    def _group(self, place: Place, ahead: Sequence[Place]) -> int:
        """The group in which a place is filled: that of the copies ahead of it, else main."""
        while place.source is not None:
            if place in ahead:
                return ahead.index(place)
            place = place.source
        return len(ahead)

    def _reading_groups(self, place: Place, ahead: Sequence[Place]) -> list[int]:
        """The groups in which a buffer is read: those of the copies from it, main when nodes read it."""
        return list(
            dict.fromkeys(
                self._group(reader, ahead) if isinstance(reader, Place) else len(ahead)
                for reader in place.readers
            )
        )

    def _ends(self, place: Place) -> tuple[int, ...]:
        """The events after which nothing fills or empties a place."""
        if isinstance(place.op, stream.WriteOp):
            items = [place.maker if place.maker is not None else place]
        else:
            items = _final_readers(place)
        found = {n: None for item in items for n in self._events_of(item)}
        return tuple(found)

    def _events_of(self, item: Item) -> tuple[int, ...]:
        return self.by_unit[item.unit] if isinstance(item, Node) else self.done[item]


def _final_readers(place: Place) -> list[Item]:
    """The nodes and copies into buffers at the end of what is read from a place."""
    found: list[Item] = []
    for reader in place.readers:
        if isinstance(reader, Place) and isinstance(reader.op, stream.FifoOp):
            found += _final_readers(reader)
        else:
            found.append(reader)
    return found
