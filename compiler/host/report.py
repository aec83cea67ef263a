# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What `dfc.last_report()` says of a graph on target `host`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from torch import Tensor, fx

from dfc.eager_work import EagerWork
from dfc.frontends.traced import Fallback
from dfc.graph_reports import GraphReport
from dfc.host.graph import callee, value

if TYPE_CHECKING:
    from dfc.host.canonical import Canonical
    from dfc.host.compiled import Compiled


@dataclass
class HostReport(GraphReport):
    """One graph in one call: what ran as regions, what `rest` ran, and what could not be lowered."""

    rest: str = ""
    calls: int = 0
    distinct: int = 0
    operators: int = 0
    lowered: int = 0
    notes: list[str] = field(default_factory=list[str])

    @classmethod
    def of(
        cls,
        graph: fx.Graph,
        forms: "Sequence[Canonical]",
        regions: "Sequence[Compiled]",
        fallbacks: list[Fallback],
    ) -> "HostReport":
        """The report of a lowered graph."""
        inside = {n for form in forms for n in (*form.cluster.nodes, *form.work)}
        work = [n for n in graph.nodes if is_work(n)]
        found = cls("main", None, "host", fallbacks)
        found.calls, found.distinct = len(forms), len(set(map(id, regions)))
        found.operators = len(work)
        found.lowered = sum(n in inside for n in work)
        return found

    def ran(self, rest: str) -> "HostReport":
        """The same, with what runs the rest."""
        return replace(self, rest=rest)

    @property
    def regions(self) -> int:
        """How many parts of the graph are lowered."""
        return self.calls

    @property
    def lowered_share(self) -> float:
        """The part of the graph's operators that is lowered, 0 to 1."""
        return self.lowered / max(1, self.operators)

    @property
    def eager(self) -> EagerWork:
        """What runs in PyTorch is not modelled: it is measured on the processor itself."""
        return EagerWork()


def is_work(node: fx.Node) -> bool:
    """Whether a node computes a tensor, rather than choosing one or saying something."""
    if not node.op.startswith("call_") or not isinstance(value(node), Tensor):
        return False
    return callee(node) != "getitem"
