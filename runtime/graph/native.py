"""A schedule run by code made for it, and the part of it that repeats added in closed form."""

import numpy as np

from dfc.runtime.graph.layout import Layout
from dfc.runtime.graph.model import Graph
from dfc.runtime.graph.picture import Camera, Picture
from dfc.runtime.graph.program import Part, program_of
from dfc.runtime.graph.result import Finished, Period, Run
from dfc.runtime.graph.schedule import Schedule
from dfc.runtime.mlir import native

CHUNK = 16_384
"""Firings between two looks at the state."""


class NativeRun:
    """One run of a schedule; its memory is that of the rings."""

    def __init__(self, graph: Graph, schedule: Schedule, statistics: bool) -> None:
        self.graph, self.statistics = graph, statistics
        self.layout = Layout(graph)
        self.program = program_of(schedule, self.layout, statistics)
        self.table = self.program.table
        self.state = self.layout.state(schedule.rooms, statistics)
        self.camera = Camera(self.layout, statistics)
        self.code = native(self.program.text, "run")
        self.first = np.full(len(graph.nodes), -1, np.int64)
        self.skipped = 0
        self.period: Period | None = None

    def run(self, skip: bool) -> Run:
        """Run every item of the schedule."""
        for part in self.program.parts:
            count = part.item.count
            if skip and count > 1 and part.item.firings > 2 * CHUNK:
                self.repeat(part)
            else:
                self.rows(part, count)
            self.note_first()
        words = self.camera.words(self.state).tolist()
        last = self.state[: self.layout.nodes].tolist()
        finished = Finished(self.first.tolist(), last, words, self.skipped, self.period)
        return finished.run(self.graph, self.statistics)

    def rows(self, part: Part, count: int) -> None:
        """Run an item that many times."""
        if count > 1 or part.item.count > 1:
            self.table[part.end - 1, 1] = count
        state, table = self.state.ctypes.data, self.table.ctypes.data
        self.code(state, table, part.first, part.end)

    def note_first(self) -> None:
        """Nodes that have fired by now for the first time have done so once."""
        times = self.state[: self.layout.nodes]
        new = (self.first < 0) & (times >= 0)
        self.first[new] = times[new]

    def repeat(self, part: Part) -> None:
        """
        Run an item until the state comes back, then add what is left in whole periods.

        The state is compared with one that is taken again at each power of two (Brent), so a
        period is found after at most three times the firings before and in it.
        """
        each = part.item.firings // part.item.count
        chunk = max(1, CHUNK // each)
        chunks, rest = divmod(part.item.count, chunk)
        kept, at, done = self.camera.take(self.state), 0, 0
        while done < chunks:
            self.rows(part, chunk)
            done += 1
            now = self.camera.take(self.state)
            if self.camera.same(kept, now):
                rounds = (chunks - done) // (done - at)
                self.skip(kept, now, (done - at) * chunk * each, rounds)
                done += rounds * (done - at)
                break
            if done & (done - 1) == 0:
                kept, at = now, done
        rest += (chunks - done) * chunk
        if rest:
            self.rows(part, rest)

    def skip(self, old: Picture, new: Picture, firings: int, rounds: int) -> None:
        """Add whole periods in closed form."""
        if rounds:
            self.camera.skip(self.state, old, new, rounds)
            self.skipped += firings * rounds
            cycles = int((new.times - old.times).max())
            self.period = Period(cycles, firings)
