"""Stream graphs with other numbers: deeper FIFOs and faster nodes never cost a cycle, nor does a slower clock."""

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_graphs_testing import graphs, row_graphs

from dfc.runtime.graph import DeadlockError, Graph, Node, simulate

ANY = graphs() | row_graphs()


def cycles(graph: Graph) -> int:
    """The makespan of a graph that does not stop."""
    return simulate(graph, statistics=False, backend="numpy").cycles


def makespan(graph: Graph) -> int:
    """The makespan; graphs that stop are not looked at."""
    try:
        return cycles(graph)
    except DeadlockError:
        assume(False)
        raise


@settings(max_examples=60, deadline=None)
@given(ANY, st.data())
def test_deeper_fifos_cost_nothing(graph: Graph, data: st.DataObject):
    before = makespan(graph)
    edges = tuple(
        edge
        if edge.depth is None
        else replace(edge, depth=edge.depth + data.draw(st.integers(0, 5)))
        for edge in graph.edges
    )
    assert cycles(replace(graph, edges=edges)) <= before


def faster(node: Node, data: st.DataObject) -> Node:
    """A node of a lower latency and a shorter interval, or the same ones."""
    return replace(
        node,
        latency=data.draw(st.integers(0, node.latency)),
        interval=data.draw(st.integers(1, node.interval)),
    )


@settings(max_examples=60, deadline=None)
@given(ANY, st.data())
def test_faster_nodes_cost_nothing(graph: Graph, data: st.DataObject):
    before = makespan(graph)
    nodes = tuple(faster(node, data) for node in graph.nodes)
    assert cycles(replace(graph, nodes=nodes)) <= before
