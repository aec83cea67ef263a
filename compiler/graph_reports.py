# pyright: strict
"""What `dfc.last_report()` gives: the graphs that the last call of a compiled model ran."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

from torch import fx

from dfc.eager_work import EagerWork, eager_work
from dfc.frontends.partition import Plan, Region, is_work
from dfc.frontends.traced import Fallback
from dfc.runtime.machine import load_target

if TYPE_CHECKING:
    from dfc.runtime.report import Report


@dataclass
class GraphReport:
    """One graph in one call: its regions, and what ran in eager and why."""

    name: str
    plan: Plan | None
    target: str = ""
    fallbacks: list[Fallback] = field(default_factory=list[Fallback])

    def __post_init__(self) -> None:
        if self.plan is not None:
            self.fallbacks = list(self.plan.fallbacks)

    @classmethod
    def not_lowered(cls, name: str, reason: str) -> "GraphReport":
        """A graph that ran in eager as a whole."""
        return cls(name, None, fallbacks=[Fallback(name, reason)])

    @property
    def regions(self) -> int:
        """How many parts of the graph are lowered."""
        return len(self.plan.regions) if self.plan else 0

    @property
    def lowered_share(self) -> float:
        """The part of the graph's operators that is lowered, 0 to 1."""
        return self.plan.lowered_share() if self.plan else 0.0

    @property
    def eager(self) -> EagerWork:
        """The work of the operators that ran in eager."""
        if self.plan is None:
            return EagerWork()
        return eager_work(
            s for s in self.plan.steps if isinstance(s, fx.Node) and is_work(s)
        )

    @property
    def eager_s(self) -> float | None:
        """Their time on the target's host unit; None where it has none, and they are not priced."""
        return self.eager.seconds_on(load_target(self.target)) if self.target else None

    def simulate(self) -> "list[Report]":
        """The simulator's report of each region; run once per compiled graph."""
        if self.plan is None:
            return []
        return [simulated(region) for region in self.plan.regions]


def simulated(region: Region) -> Any:
    """A region's report, kept with its program."""
    compiled = region.compiled
    if not hasattr(compiled, "report"):
        compiled.report = compiled.program.simulate()
    return compiled.report


@dataclass
class CallReport:
    """The graphs of one outermost call, in the order in which they ran."""

    graphs: list[GraphReport] = field(default_factory=list[GraphReport])

    @property
    def fallbacks(self) -> list[Fallback]:
        """What ran in eager, in all graphs."""
        return [found for graph in self.graphs for found in graph.fallbacks]

    @property
    def lowered_share(self) -> float:
        """The mean of the graphs' lowered shares."""
        shares = [graph.lowered_share for graph in self.graphs]
        return sum(shares) / len(shares) if shares else 0.0

    @property
    def cycles(self) -> int:
        """Cycles of all regions."""
        return sum(report.cycles for report in self._reports())

    @property
    def latency_s(self) -> float:
        """Seconds of all regions, and of what runs in eager where the target has a unit for it."""
        eager = sum(graph.eager_s or 0.0 for graph in self.graphs)
        return eager + sum(report.latency_s for report in self._reports())

    @property
    def missing(self) -> EagerWork:
        """The work whose time is in no total: eager operators on a target without a host unit."""
        priced = [graph.eager for graph in self.graphs if graph.eager_s is None]
        return sum(priced, EagerWork())

    @property
    def energy_j(self) -> float:
        """Joules of all regions."""
        return sum(report.energy_j for report in self._reports())

    def _reports(self) -> "Iterator[Report]":
        for graph in self.graphs:
            yield from graph.simulate()


class CurrentCall(threading.local):
    """This thread's last outermost call: its report, and the frame it was made in."""

    def __init__(self) -> None:
        self.report: CallReport | None = None
        self.frame: FrameType | None = None


CURRENT = CurrentCall()


def begin_call() -> list[GraphReport]:
    """
    The list of graphs of the outermost call that is running.

    It is told apart by Dynamo's outermost frame on the stack: the frame object is kept, so
    that no later call's frame can be taken for it.
    """
    frame = outermost_frame()
    if CURRENT.report is None or frame is not CURRENT.frame:
        CURRENT.report, CURRENT.frame = CallReport(), frame
    return CURRENT.report.graphs


def note_fallback(origin: str, reason: str) -> None:
    """Say that a part of the graph that is running is run by PyTorch in this call."""
    graphs = CURRENT.report.graphs if CURRENT.report else []
    if graphs:
        graphs[-1].fallbacks = [*graphs[-1].fallbacks, Fallback(origin, reason)]


def outermost_frame() -> FrameType | None:
    """The frame in which the user's outermost call entered a compiled model."""
    found: FrameType | None = None
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if frame.f_code.co_filename.endswith("_dynamo/eval_frame.py"):
            found = frame
        frame = frame.f_back
    return found


def last_report() -> CallReport | None:
    """The report of this thread's last outermost call of a compiled model; None before any."""
    return CURRENT.report
