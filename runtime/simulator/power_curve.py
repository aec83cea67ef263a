"""Power over time: what spans draw while they run, and what the machine draws all the time."""

from collections.abc import Sequence

import numpy as np

from dfc.runtime.machine import Target
from dfc.runtime.report.recording import Span

STRETCHES = 1000
"""Stretches of equal length over which power is a mean."""


def power_curve(
    spans: Sequence[Span], target: Target, end: int
) -> tuple[tuple[int, float], ...]:
    """
    (tick, watts from there on), equal neighbours as one; over the time the joules of the run.

    A span draws its energy evenly from its start to its end; beside it stands static power. A
    board whose power is known draws that.
    """
    scale, second = float(target.clock_scale), float(target.ticks_per_second)
    board = target.power.board_watts(scale)
    if board is not None or not end:
        return ((0, board or 0.0),)
    edges = np.unique(np.linspace(0, end, STRETCHES + 1).astype(np.int64))
    joules = np.diff(drawn_until(spans, edges)) * 1e-12
    watts = joules / np.diff(edges) * second + target.power.static_watts(scale)
    points = zip(edges[:-1].tolist(), watts.tolist(), strict=True)
    kept: list[tuple[int, float]] = []
    for at, value in points:
        if not kept or kept[-1][1] != value:
            kept.append((at, value))
    return tuple(kept)


def drawn_until(spans: Sequence[Span], edges: np.ndarray) -> np.ndarray:
    """Picojoules that spans have drawn by each of these ticks; one of no length draws at once, before its tick."""
    drawn = np.zeros(len(edges))
    for span in spans:
        if span.energy_pj:
            length = max(span.end - span.start, 1)
            start = span.end - length
            first, last = np.searchsorted(edges, (start, span.end))
            inside = (edges[first:last] - start) / length
            drawn[first:last] += span.energy_pj * inside
            drawn[last:] += span.energy_pj
    return drawn
