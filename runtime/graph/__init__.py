"""The engine for element-level stream graphs: exact cycles, occupancies and stalls."""

from dfc.runtime.graph.deadlock import DeadlockError, Wait
from dfc.runtime.graph.engine import simulate
from dfc.runtime.graph.model import Edge, Graph, GraphError, Node, Rate
from dfc.runtime.graph.result import EdgeRun, NodeRun, Period, Run

__all__ = [
    "DeadlockError",
    "Edge",
    "EdgeRun",
    "Graph",
    "GraphError",
    "Node",
    "NodeRun",
    "Period",
    "Rate",
    "Run",
    "Wait",
    "simulate",
]
