"""The exact cycles of a graph under the firing rule: the entry to the engine."""

from dataclasses import replace
from importlib.util import find_spec
from typing import Literal

from dfc.runtime.graph.arrays import ArrayRun
from dfc.runtime.graph.model import Graph
from dfc.runtime.graph.native import NativeRun
from dfc.runtime.graph.result import Run
from dfc.runtime.graph.schedule import schedule_of

Backend = Literal["auto", "mlir", "numpy"]


def simulate(
    graph: Graph,
    *,
    statistics: bool = True,
    skip: bool = True,
    backend: Backend = "auto",
) -> Run:
    """
    Every firing at the first cycle that the firing rule allows.

    A node fires when its interval has passed since its last firing, every token it takes is
    visible and every token it gives finds room; a token holds its room until the cycle after
    the one that takes it. With `skip`, whole periods of the steady state are added in closed
    form, with the same result. `mlir` compiles the graph, `numpy` does not and skips nothing;
    `auto` takes the first where its bindings are installed. Errors: `GraphError` for a graph
    that is not one, `DeadlockError`.
    """
    graph.balanced()
    trimmed = graph.trimmed()
    schedule = schedule_of(trimmed)
    if backend == "mlir" or (backend == "auto" and find_spec("torch_mlir")):
        run = NativeRun(trimmed, schedule, statistics).run(skip)
    else:
        run = ArrayRun(trimmed, schedule, statistics).run()
    depths = {edge.name: edge.depth for edge in graph.edges}
    edges = tuple(replace(edge, depth=depths[edge.name]) for edge in run.edges)
    return replace(run, edges=edges)
