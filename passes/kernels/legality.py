"""
Which ops may share a kernel: those that one loop nest can tile, within the target's memories.

A product or an attention op *begins* its kernel: what it multiplies comes from outside, since the
nest that accumulates it would repeat the work before it for every tile of its other operand. Its
loops stay tileable, so that weights can be streamed; there is one such op in a kernel, since two
on one unit take turns and each has its own loops. Everything else joins while the loops of all
ops are prefixes of one nest and the smallest tiles fit on chip.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from math import prod

from xdsl.ir import Operation, SSAValue

from dfc.dialects import attention, ternary
from dfc.dialects.utils import element, shape
from dfc.passes.analysis.dimension_classes import Classes, analyse
from dfc.passes.analysis.op_loops import loops_of
from dfc.passes.analysis.weight_layout import weight_layout
from dfc.passes.kernels.fusion_graph import (
    VIEWS,
    FusionGraph,
    Group,
    named_dimension,
    root_of,
)
from dfc.runtime.machine import Target, Unit
from dfc.runtime.machine.structure import element_bytes


def begins(anchor: Operation, graph: FusionGraph, group: Group) -> bool:
    """Whether nothing of the group is worked out before its anchor."""
    return not any(value.owner in group for value in graph.sources(anchor))


def keeps_loops(anchor: Operation, classes: Classes) -> bool:
    """Whether each loop of the anchor can be tiled in the group as it can be alone."""
    return not any(
        loop.kind != "whole"
        and shape(slot.value)[slot.dim] > 1
        and classes.classes[classes.class_of(slot.value, slot.dim)[0]].kind == "whole"
        for loop in loops_of(anchor)
        for slot in loop.slots[:1]
    )


def nest(group: Group, classes: Classes) -> tuple[int, ...]:
    """
    The classes that one loop nest over the group can tile, outermost first.

    Every op walks a prefix of the nest; a class for which that cannot be is left out, those
    that few ops walk along first.
    """
    walks = [{c.id for c in classes.of_op(op) if c.kind != "whole"} for op in group]
    shared = {
        index: sum(index in walk for walk in walks) for walk in walks for index in walk
    }
    parallel = {c.id: c.kind == "parallel" for c in classes.classes}
    order = sorted(
        shared, key=lambda index: (-shared[index], not parallel[index], index)
    )
    chosen: list[int] = []
    for index in order:
        trial = [*chosen, index]
        if all(_is_prefix(walk, trial) for walk in walks):
            chosen = trial
    return tuple(chosen)


def _is_prefix(walk: set[int], order: Sequence[int]) -> bool:
    """Whether the classes of `order` that are in `walk` come first in it."""
    inside = [index in walk for index in order]
    return inside == sorted(inside, reverse=True)


def smallest_tile(
    group: Group, graph: FusionGraph, classes: Classes, unit_of: dict[Operation, Unit]
) -> dict[int, int]:
    """Points per class of the smallest sensible tile: what fills the anchor's unit, a region of its weights, else one."""
    tiled = nest(group, classes)
    tile = {index: 1 for index in tiled}
    anchor = graph.anchor_of(group)
    if anchor is None:
        return tile
    for name, size in unit_of[anchor].tile_multiples(anchor).items():
        for value, dim in _rows_or_dimension(anchor, name):
            index, scale = classes.class_of(value, dim)
            if index in tile:
                tile[index] = max(tile[index], -(-size // scale))
    for index, least in _regions(anchor, classes, unit_of[anchor]):
        if index in tile:
            tile[index] = max(tile[index], least)
    return tile


def _regions(
    anchor: Operation, classes: Classes, unit: Unit
) -> Iterator[tuple[int, int]]:
    """Classes of a ternary product's weights, and the points of one region of packed weights."""
    if isinstance(anchor, ternary.MatmulOp | ternary.LinearOp):
        layout = weight_layout(unit)
        for dim, size in enumerate((layout.rows or 1, layout.columns)):
            index, scale = classes.class_of(anchor.w, dim)
            yield index, min(classes.classes[index].size, -(-size // scale))


def _rows_or_dimension(op: Operation, name: str) -> list[tuple[SSAValue, int]]:
    """Where m, n and k stand: of attention, m is the query rows, and the rest cannot be cut."""
    if isinstance(op, attention.SdpaOp):
        return [(op.q, 2)] if name == "m" else []
    return named_dimension(op, name)


@dataclass(frozen=True)
class Shortage:
    """A tier that is too small for the tokens that a kernel needs in it at once."""

    tier: str
    needed_bytes: int
    capacity_bytes: int


def fits(
    group: Group, graph: FusionGraph, target: Target, unit_of: dict[Operation, Unit]
) -> bool:
    """Whether the group's smallest tiles are within the target's memories; whole values are tried first."""
    whole = tier_bytes(group, graph, shape, unit_of)
    return (
        find_shortage(whole, target) is None
        or shortage(group, graph, target, unit_of) is None
    )


def shortage(
    group: Group, graph: FusionGraph, target: Target, unit_of: dict[Operation, Unit]
) -> Shortage | None:
    """The first tier that the group's smallest tiles do not fit in."""
    classes = classes_of(graph, group)
    tile = smallest_tile(group, graph, classes, unit_of)

    def token(value: SSAValue) -> tuple[int, ...]:
        return classes.tile_shape(value, tile)

    return find_shortage(tier_bytes(group, graph, token, unit_of), target)


def find_shortage(used: dict[str, int], target: Target) -> Shortage | None:
    """The first tier with fewer bytes than are used of it."""
    for tier, size in used.items():
        capacity = target.tier[tier].capacity_bytes
        if size > capacity:
            return Shortage(tier, size, capacity)
    return None


def tier_bytes(
    group: Group,
    graph: FusionGraph,
    token: Callable[[SSAValue], tuple[int, ...]],
    unit_of: dict[Operation, Unit],
) -> dict[str, int]:
    """Bytes that tokens of these shapes take in each tier, with the slots that overlap needs."""
    found: dict[str, int] = {}
    done: set[tuple[str, SSAValue]] = set()
    members = set(group)
    for op in group:
        unit = unit_of[op]
        for value in (*graph.inputs[op], *op.results):
            tier, slots = tier_of(value, op, graph, unit)
            inside = value.owner in members and _stays(value, graph, members, unit_of)
            none = value.owner in graph.cheap or not shape(value)
            if inside or none or (tier, value) in done or streams(value, op, unit):
                continue
            done.add((tier, value))
            size = prod(token(value)) * slots * bits(value)
            found[tier] = found.get(tier, 0) + -(-size // 8)
    return found


def _stays(
    value: SSAValue,
    graph: FusionGraph,
    members: Collection[Operation],
    unit_of: dict[Operation, Unit],
) -> bool:
    """Whether a value never leaves the unit that makes it."""
    owner = value.owner
    if not isinstance(owner, Operation):
        return False
    return all(
        o in members and unit_of[o] is unit_of[owner] for o in graph.readers(value)
    )


def tier_of(
    value: SSAValue, op: Operation, graph: FusionGraph, unit: Unit
) -> tuple[str, int]:
    """The tier a unit wants an operand or result of an op in, and how many slots it gets there."""
    is_product = op in graph.anchors and not isinstance(op, attention.SdpaOp)
    if is_product and len(op.operands) > 1 and value is op.operands[1]:
        return unit.weight_tier or unit.data_tier, unit.weight_slots.value
    return unit.data_tier, 2


def streams(value: SSAValue, op: Operation, unit: Unit) -> bool:
    """Whether a unit reads a value in place, from a memory of any size: the keys and values of attention."""
    return (
        bool(unit.streams)
        and isinstance(op, attention.SdpaOp)
        and value in (op.k, op.v)
    )


def bits(value: SSAValue) -> int:
    """Bits of an element; packed, a trit takes two."""
    kind = element(value)
    return 2 if isinstance(kind, ternary.TritType) else 8 * element_bytes(kind)


def is_legal(graph: FusionGraph, group: Group) -> bool:
    """Whether one loop nest can run a group, memories aside."""
    anchors = [op for op in group if op in graph.anchors]
    if len(anchors) > 1:
        return False
    if not anchors:
        return True
    return begins(anchors[0], graph, group) and keeps_loops(
        anchors[0], classes_of(graph, group)
    )


def classes_of(graph: FusionGraph, group: Group) -> Classes:
    """The dimension classes of a group with the views between its ops."""
    return analyse(with_views(graph, group))


def with_views(graph: FusionGraph, group: Group) -> list[Operation]:
    """The ops of a group and the views and cheap ops in front of them."""
    found: set[Operation] = set(group)
    work = list(group)
    while work:
        for value in graph.inputs[work.pop()]:
            owner = value.owner
            if (
                isinstance(owner, Operation)
                and owner not in found
                and in_front(owner, graph, group)
            ):
                found.add(owner)
                work.append(owner)
    return sorted(found, key=graph.order.__getitem__)


def in_front(op: Operation, graph: FusionGraph, group: Group) -> bool:
    """Whether a kernel of the group makes this op for itself: cheap, or a view of what the group makes."""
    if op in graph.cheap:
        return True
    return isinstance(op, VIEWS) and root_of(op.results[0]).owner in group
