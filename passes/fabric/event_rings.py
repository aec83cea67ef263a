"""The events that a kernel's loops carry: each item's last, and rings of those that emptied a FIFO's slots."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects import scf
from xdsl.ir import Block, SSAValue

from dfc.passes.analysis.graph_places import Item, Node, Place

Key = tuple[str, Item, Item | None, int]
"""An event that changes from trip to trip: the last of an item, or one in the ring of a place and a reader."""


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


def merge_carried(
    block: Block, start: list[SSAValue], keys: list[Key]
) -> tuple[list[SSAValue], list[list[Key]]]:
    """
    Carry events that begin and go on equal only once.

    `block` is a loop's body, whose arguments behind the index and whose yield are the events of
    `keys`. Returns what the loop starts with, and the keys of each event that is left.
    """
    last = block.last_op
    assert isinstance(last, scf.YieldOp)
    groups: dict[tuple[SSAValue, SSAValue], list[int]] = {}
    for index, pair in enumerate(zip(start, last.arguments, strict=True)):
        groups.setdefault(pair, []).append(index)
    for same in groups.values():
        for index in same[1:]:
            block.args[1 + index].replace_all_uses_with(block.args[1 + same[0]])
    kept = [same[0] for same in groups.values()]
    yields = [last.arguments[index] for index in kept]
    last.detach()
    last.erase()
    for index in sorted(set(range(len(keys))) - set(kept), reverse=True):
        block.erase_arg(block.args[1 + index])
    block.add_op(scf.YieldOp(*yields))
    return [start[index] for index in kept], [
        [keys[index] for index in same] for same in groups.values()
    ]
