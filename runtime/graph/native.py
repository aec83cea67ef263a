"""A schedule run by code made for it, and the part of it that repeats added in closed form."""

import numpy as np

from dfc.runtime.graph.layout import MASK, PEAK, Layout, Words
from dfc.runtime.graph.machine_code import driver
from dfc.runtime.graph.model import Graph
from dfc.runtime.graph.picture import Camera, Picture
from dfc.runtime.graph.program import Part, program_of
from dfc.runtime.graph.result import Finished, Period, Run
from dfc.runtime.graph.steps import Schedule

CHUNK = 16_384
"""Firings between two looks at the state."""

HISTORY = 1024
"""Tokens that an edge without a depth is expected to hold at most."""


class NativeRun:
    """One run of a schedule; its memory is that of the rings."""

    state: Words
    first: Words
    skipped: int
    period: Period | None

    def __init__(self, graph: Graph, schedule: Schedule, statistics: bool) -> None:
        self.graph, self.statistics = graph, statistics
        self.layout = Layout(graph)
        self.program = program_of(schedule, self.layout, statistics)
        self.table = self.program.table
        self.rooms = list(schedule.rooms)
        self.free = [at for at, e in enumerate(graph.edges) if e.depth is None]
        for at in self.free if statistics else ():
            self.rooms[at] = max(self.rooms[at], HISTORY)

    def run(self, skip: bool) -> Run:
        """Run every item of the schedule; again where an edge without a depth held more than its ring."""
        while not self.whole(skip):
            pass
        words = self.layout.words(self.state).tolist()
        last = self.state[: self.layout.nodes].tolist()
        finished = Finished(self.first.tolist(), last, words, self.skipped, self.period)
        return finished.run(self.graph, self.statistics)

    def whole(self, skip: bool) -> bool:
        """Run every item from cycle 0 on; whether the rings were large enough to tell the peaks."""
        self.state = self.layout.state(self.rooms)
        self.first = np.full(len(self.graph.nodes), -1, np.int64)
        self.skipped, self.period = 0, None
        for part in self.program.parts:
            if skip and part.item.count > 1 and part.item.firings > 2 * CHUNK:
                self.repeat(part)
            else:
                self.rows(part, part.item.count)
            self.note_first()
            if self.grow():
                return False
        return True

    def grow(self) -> bool:
        """Enlarge the rings whose peak is too high for them; whether there are any."""
        words = self.layout.words(self.state)
        small = [at for at in self.free if words[at, PEAK] > words[at, MASK]]
        for at in small:
            self.rooms[at] = 8 * (int(words[at, MASK]) + 1)
        return bool(small)

    def rows(self, part: Part, count: int) -> None:
        """Run an item that many times."""
        if count > 1 or part.item.count > 1:
            self.table[part.end - 1, 1] = count
        state, table = self.state.ctypes.data, self.table.ctypes.data
        driver()(state, table, part.first, part.end)

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
        camera = Camera(self.layout, part.item, self.statistics)
        kept, at, done = camera.take(self.state), 0, 0
        while done < chunks:
            self.rows(part, chunk)
            done += 1
            now = camera.take(self.state)
            if camera.same(kept, now):
                rounds = (chunks - done) // (done - at)
                if rounds:
                    camera.skip(self.state, kept, now, rounds)
                    self.note_period(kept, now, (done - at) * chunk * each, rounds)
                done += rounds * (done - at)
                break
            if done & (done - 1) == 0:
                kept, at = now, done
        rest += (chunks - done) * chunk
        if rest:
            self.rows(part, rest)

    def note_period(
        self, old: Picture, new: Picture, firings: int, rounds: int
    ) -> None:
        """Keep what repeats, and how much of it was not run."""
        self.skipped += firings * rounds
        self.period = Period(int((new.times - old.times).max()), firings)
