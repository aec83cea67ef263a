"""The stream graphs of a module: their runs on the engine, as tables and as pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation

from dfc.dialects import accel, stream
from dfc.driver import new_context, read_module
from dfc.errors import DfcError, InputError, suggest
from dfc.passes.stream_size_fifos import sizing_reasons
from dfc.runtime.drawing import Box, Link, Picture
from dfc.runtime.graph import Edge, Graph, Run, simulate
from dfc.runtime.graph.extract import graph_of
from dfc.runtime.graph.storage import Storage, storage_of

LARGE = 2**40
"""An index beyond every capacity: bounds on trips end at the static trips."""
LEGEND = "on each FIFO its largest occupancy of its depth"


@dataclass(frozen=True)
class StreamGraph:
    """A graph of a module, by the name of its kernel or function, and its run."""

    name: str
    graph: Graph
    run: Run
    reasons: Mapping[str, str]
    """Why a FIFO has its depth, by its name, where `stream-size-fifos` found it."""
    storage: Storage
    """What it keeps between firings."""

    @property
    def title(self) -> str:
        """Name, cycles, bottleneck and memory in one line."""
        return (
            f"{self.name}: {self.run.cycles:,} cycles, busiest node {self.bottleneck},"
            f" {self.storage.bytes:,} bytes between firings"
        )

    @property
    def bottleneck(self) -> str:
        """The node that is busy for the largest share of the time."""
        return max(self.run.nodes, key=lambda node: node.utilisation).name

    def as_dict(self) -> dict[str, Any]:
        """What `dfc graph --json` prints of it."""
        return {
            "name": self.name,
            "cycles": self.run.cycles,
            "firings": self.run.firings,
            "bottleneck": self.bottleneck,
            "fifo_bytes": self.storage.fifo_bytes,
            "state_bytes": self.storage.state_bytes,
            "nodes": self.node_rows(),
            "fifos": self.fifo_rows(),
        }

    def node_rows(self) -> list[dict[str, Any]]:
        """One row per node."""
        return [
            {
                "name": node.name,
                "firings": node.firings,
                "first_cycle": node.first_cycle,
                "last_cycle": node.last_cycle,
                "utilisation": node.utilisation,
                "stalls": dict(node.stalls),
            }
            for node in self.run.nodes
        ]

    def fifo_rows(self) -> list[dict[str, Any]]:
        """One row per edge."""
        return [
            {
                "name": edge.name,
                "depth": edge.depth,
                "peak_occupancy": edge.peak_occupancy,
                "tokens": edge.tokens,
                "starved_cycles": edge.starved_cycles,
                "blocked_cycles": edge.blocked_cycles,
                "reason": self.reasons.get(edge.name, ""),
            }
            for edge in self.run.edges
        ]

    def picture(self) -> Picture:
        """Nodes with their firings and use; FIFOs with depth, occupancy and waiting; what limits marked."""
        hot = self.bottleneck
        boxes = [
            Box(
                node.name,
                (f"{node.firings:,} firings", f"busy {node.utilisation:.1%}"),
                node.name == hot,
            )
            for node in self.run.nodes
        ]
        ends = {edge.name: edge for edge in self.graph.edges}
        links = [_link(ends[row["name"]], row) for row in self.fifo_rows()]
        return Picture(f"{self.title}; {LEGEND}", tuple(boxes), tuple(links))


def _link(edge: Edge, row: Mapping[str, Any]) -> Link:
    """An edge of a picture; one whose full FIFO made its source wait stands out."""
    depth = "∞" if edge.depth is None else f"{edge.depth:,}"
    label = [f"{row['peak_occupancy']:,} of {depth}"]
    if row["blocked_cycles"]:
        label.append(f"full {row['blocked_cycles']:,}")
    return Link(edge.source, edge.target, tuple(label), bool(row["blocked_cycles"]))


def read_graphs(
    model: str, target: str | None, overrides: Mapping[str, object]
) -> ModuleOp:
    """A file's module as it stands, or a model lowered to *tiled* for a target."""
    if target is not None:
        from dfc.api import load

        return load(model, target, overrides=overrides).module("tiled")
    if model != "-" and not model.endswith(".mlir"):
        raise InputError(f"expected a target with -t to lower `{model}` for, got none")
    return read_module(model, new_context())


def graphs_of(module: ModuleOp) -> dict[str, stream.GraphOp]:
    """Every graph of a module by the name of its kernel, or of its function and place."""
    found: dict[str, stream.GraphOp] = {}
    for op in module.walk():
        if isinstance(op, stream.GraphOp):
            name = _name(op)
            count = sum(other.partition("#")[0] == name for other in found)
            found[f"{name}#{count}" if count else name] = op
    return found


def _name(graph: Operation) -> str:
    """What a graph is called: the kernel it stands in, else the function."""
    for parent in _parents(graph):
        if isinstance(parent, accel.KernelOp):
            return parent.sym.data
        if isinstance(parent, FuncOp):
            kernel = parent.attributes.get("accel.kernel")
            return (
                kernel.data if isinstance(kernel, StringAttr) else parent.sym_name.data
            )
    return "graph"


def _parents(op: Operation) -> Iterator[Operation]:
    parent = op.parent_op()
    while parent is not None:
        yield parent
        parent = parent.parent_op()


def run_graphs(
    module: ModuleOp, kernels: Sequence[str] = (), position: int | None = None
) -> list[StreamGraph]:
    """
    The graphs of a module on the engine, all of them or those named.

    `position` is the value of every index that a graph takes; without one, bounds are at their
    largest. Errors: `InputError` where there is no graph, or none of a name, or one cannot run.
    """
    graphs = graphs_of(module)
    if not graphs:
        raise InputError(
            "expected a module with a `stream.graph`, got none: lower it to level tiled,"
            " or give a target with -t"
        )
    for name in kernels:
        if name not in graphs:
            hint = suggest(name, graphs, f"it has {', '.join(graphs)}")
            raise InputError(f"no graph is called `{name}`: {hint}", name)
    return [
        run_graph(name, graphs[name], position) for name in (kernels or tuple(graphs))
    ]


def run_graph(
    name: str, op: stream.GraphOp, position: int | None = None
) -> StreamGraph:
    """One graph on the engine; `position` as in `run_graphs`. `InputError` names one that cannot run."""
    value = LARGE if position is None else position
    try:
        graph = graph_of(op, dict.fromkeys(op.symbols, value))
        run = simulate(graph)
    except DfcError as error:
        raise InputError(f"graph `{name}`: {error}", name) from error
    return StreamGraph(name, graph, run, sizing_reasons(op), storage_of(op))
