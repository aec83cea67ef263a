"""
Chooses tile sizes and a loop order for a kernel.

All combinations of the candidate sizes (powers of two of what fills the unit, equal parts, all) and
of the loop orders that fit on chip get the time of their transfers and issues, which is
a lower bound. The units' times are then added for at most `MOST_COSTED` of them, the likely best
first, without those whose lower bound is no better than the best found. What was looked at is kept beside the choice.
A kernel whose units cut by themselves stays whole where that fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import ceil, prod

from dfc.passes.analysis.dimension_classes import DimClass
from dfc.passes.analysis.graph_places import fail
from dfc.passes.kernels.loops import KernelLoops
from dfc.passes.tiling.cost import TileCost, Tiling
from dfc.passes.tiling.tiled_nodes import Nest, nest_of
from dfc.runtime.machine import Target

MOST_COSTED = 12
"""Tilings of one kernel whose compute time is asked for."""

MOST_RANKED = 400
"""Combinations of sizes of one kernel that are looked at."""


@dataclass(frozen=True)
class Choice:
    """The best tiling found, its bound in ticks, and how many were ranked and costed."""

    tiling: Tiling
    ticks: float
    ranked: int
    costed: int


def choose_tiling(loops: KernelLoops, target: Target) -> Choice:
    """The tiling with the smallest bound; an error when none fits on chip."""
    cost = TileCost(loops, target)
    whole = _whole(loops)
    if whole is not None and cost.fits(whole):
        return Choice(whole, cost.bound(whole), 1, 1)
    fitting = [tiling for tiling in _tilings(loops) if cost.fits(tiling)]
    if not fitting:
        _refuse(loops, cost)
    floors = {tiling: cost.floor(tiling) for tiling in fitting}
    guesses = _guesses(loops, cost, floors)
    ranked = sorted(fitting, key=lambda t: (guesses[t], _launches(t)))
    best: tuple[float, int, Tiling] | None = None
    costed = 0
    for tiling in ranked:
        if costed == MOST_COSTED:
            break
        if best is not None and floors[tiling] >= best[0]:
            continue
        costed += 1
        found = (cost.bound(tiling), _launches(tiling), tiling)
        if best is None or found[:2] < best[:2]:
            best = found
    assert best is not None
    return Choice(best[2], best[0], len(fitting), costed)


def _whole(loops: KernelLoops) -> Tiling | None:
    """The tiling that cuts nothing, where the units want it so."""
    nest = nest_of(loops, ())
    if nest is None or not all(loops.unit(op).cuts_by_itself for op in loops.work):
        return None
    return Tiling((), nest)


def _guesses(
    loops: KernelLoops, cost: TileCost, floors: Mapping[Tiling, float]
) -> dict[Tiling, float]:
    """
    Guesses of the time of each tiling, to cost the likely best first.

    The compute time of the tiling with the fewest launches, times how much less of the units the
    other's tiles fill; not below the time of the transfers.
    """
    fewest = min(floors, key=_launches)
    multiples = list(loops.multiples())
    compute = cost.bound(fewest) / _filled(multiples, fewest)
    return {
        tiling: max(floor, compute * _filled(multiples, tiling)) + floor / 1000
        for tiling, floor in floors.items()
    }


def _filled(multiples: Sequence[tuple[DimClass, int]], tiling: Tiling) -> float:
    """How many times more room of the units the tiles take than they fill."""
    found = 1.0
    for c, multiple in multiples:
        size = min(tiling.sizes.get(c.id, c.size), c.size)
        found *= ceil(size / multiple) * multiple / size
    return found


def _launches(tiling: Tiling) -> int:
    """Tiles of the whole nest."""
    classes = tiling.nest.loops.classes.classes
    return prod(ceil(classes[c].size / size) for c, size in tiling.tile)


def _tilings(loops: KernelLoops) -> Iterator[Tiling]:
    """Every combination of candidate sizes and of orders that one nest can hold."""
    classes = loops.tileable()
    most = _most_sizes(len(classes))
    sizes = [loops.candidates(c, most) for c in classes]
    nests: dict[tuple[int, ...], Nest | None] = {}
    for combination in product(*sizes):
        cut = {
            c.id: size
            for c, size in zip(classes, combination, strict=True)
            if size < c.size
        }
        if not loops.allows(cut):
            continue
        sums = [c.id for c in classes if c.kind == "reduction" and c.id in cut]
        rest = [c for c in cut if c not in sums]
        for order in permutations(rest):
            key = (*order, *sums)
            if key not in nests:
                nests[key] = nest_of(loops, key)
            nest = nests[key]
            if nest is not None:
                yield Tiling(tuple(cut.items()), nest)


def _most_sizes(classes: int) -> int:
    """How many sizes to try for each of so many classes."""
    most = 12
    while classes and most**classes > MOST_RANKED and most > 2:
        most -= 1
    return most


def _refuse(loops: KernelLoops, cost: TileCost) -> None:
    """Say which tier the smallest tiling overflows."""
    tilings = list(_tilings(loops))
    if not tilings:
        fail(
            loops.op, "expected loops that one nest can hold, got none; fuse fewer ops"
        )
    smallest = min(tilings, key=lambda t: sum(cost.bytes(t).values()))
    for tier, size in cost.bytes(smallest).items():
        capacity = cost.target.tier[tier].capacity_bytes
        if size > capacity:
            fail(
                loops.op,
                f"the smallest tiles of kernel `{loops.op.sym.data}` take {size} bytes of tier"
                f" `{tier}`, which holds {capacity}; fuse fewer ops or use a larger tier",
            )
