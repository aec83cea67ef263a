"""When buffers live: from the first step of their function that uses them to the last, and what that fills."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Block, Operation, SSAValue

from dfc.dialects import tier
from dfc.runtime.machine.structure import value_bytes
from dfc.runtime.simulator.plan import Body

POINTS = 2000
"""Stretches of a tier's occupancy that are told apart; the highest of each is kept."""


@dataclass(frozen=True)
class Buffer:
    """An alloc of a function: bytes `low` to `high` of a tier, used from step `first` to `last`; to the end if `None`."""

    tier: str
    low: int
    high: int
    first: int
    last: int | None


@dataclass(frozen=True)
class Life:
    """Bytes `low` to `high` of a tier, live from tick `start` to `end`."""

    tier: str
    low: int
    high: int
    start: int
    end: int


def buffers_of(body: Body) -> tuple[Buffer, ...]:
    """The allocs of a function's body that its steps use."""
    if not body.sources:
        return ()
    block = body.sources[0].parent
    assert block is not None
    steps = {op: at for at, op in enumerate(body.sources)}
    found: list[Buffer] = []
    for op in block.walk():
        if isinstance(op, tier.AllocOp):
            users = [_in_block(user, block) for user in users_of(op.buffer)]
            used = sorted({steps[user] for user in users if user in steps})
            if used:
                low = 0 if op.offset_bytes is None else op.offset_bytes.value.data
                kept = any(isinstance(user, func.ReturnOp) for user in users)
                found.append(
                    Buffer(
                        tier.tier_of(op.buffer),
                        low,
                        low + value_bytes(op.buffer),
                        used[0],
                        None if kept else used[-1],
                    )
                )
    return tuple(found)


def users_of(value: SSAValue) -> Iterator[Operation]:
    """The ops that use a buffer, through its views too."""
    for use in value.uses:
        yield use.operation
        if use.operation.name.startswith("memref."):
            for result in use.operation.results:
                if isinstance(result.type, MemRefType):
                    yield from users_of(result)


def _in_block(op: Operation, block: Block) -> Operation:
    """The op of a block that an op is, or is inside of."""
    while op.parent is not block:
        outer = op.parent_op()
        assert outer is not None
        op = outer
    return op


def occupancy(
    lives: Iterable[Life], given: Mapping[str, int], tiers: Iterable[str], end: int
) -> dict[str, tuple[tuple[int, int], ...]]:
    """Per tier, (tick, bytes from there on): what is given, and every byte that is live once."""
    lives = list(lives)
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    for name in tiers:
        own = [life for life in lives if life.tier == name]
        points = [(at, n + given.get(name, 0)) for at, n in live_bytes(own)]
        if points or given.get(name):
            first = () if points and points[0][0] == 0 else ((0, given.get(name, 0)),)
            found[name] = thinned((*first, *points), end)
    return found


def live_bytes(lives: Sequence[Life]) -> list[tuple[int, int]]:
    """(tick, bytes from there on) of the union of live ranges in one tier."""
    edges = np.unique([edge for life in lives for edge in (life.low, life.high)])
    widths = np.diff(edges)
    count = np.zeros(len(widths), np.int64)
    changes = sorted(
        (at, sign, *(int(np.searchsorted(edges, edge)) for edge in (low, high)))
        for life in lives
        for at, sign in ((life.start, 1), (life.end, -1))
        for low, high in ((life.low, life.high),)
    )
    points: list[tuple[int, int]] = []
    for index, (at, sign, low, high) in enumerate(changes):
        count[low:high] += sign
        if index + 1 == len(changes) or changes[index + 1][0] != at:
            filled = int(widths[count > 0].sum())
            if not points or points[-1][1] != filled:
                points.append((at, filled))
    return points


def thinned(
    points: Sequence[tuple[int, int]], end: int, most: int = POINTS
) -> tuple[tuple[int, int], ...]:
    """The highest of each of so many stretches of equal length, where there are more points."""
    if len(points) <= most:
        return tuple(points)
    stretch = -(-(end + 1) // most)
    kept: dict[int, int] = {}
    for at, size in points:
        place = at // stretch
        kept[place] = max(kept.get(place, 0), size)
        kept[place + 1] = size
    return tuple((place * stretch, size) for place, size in kept.items())
