"""Random graphs: the engine finds what the rule says, cycle by cycle, however it gets there."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs_testing import graphs, row_graphs
from reference_streams import Deadlock, Reference, Result

from dfc.runtime.graph import (
    DeadlockError,
    Graph,
    Run,
    arrays,
    native,
    program,
    simulate,
)


def expected(graph: Graph) -> Result | None:
    """What the reference finds; None for a deadlock."""
    try:
        return Reference(graph).run()
    except Deadlock:
        return None


def expect_equal(graph: Graph, run: Run, right: Result) -> None:
    """Check every number of a run."""
    assert run.cycles == right.cycles
    assert {n.name: n.first_cycle for n in run.nodes} == right.first
    assert {n.name: n.last_cycle for n in run.nodes} == right.last
    assert {e.name: e.peak_occupancy for e in run.edges} == right.peaks
    assert {e.name: e.starved_cycles for e in run.edges} == right.starved
    assert {e.name: e.blocked_cycles for e in run.edges} == right.blocked


def test_reference_knows_the_rule_on_two_nodes():
    # a fires at 0, 1, 2, ...; what it gives is visible 3 cycles later; b takes 2 cycles each
    from dfc.runtime.graph import Edge, Node, Rate

    one = Rate.each()
    graph = Graph(
        (Node("a", 4, latency=3), Node("b", 4, interval=2)),
        (Edge("e", "a", "b", one, one, 2),),
    )
    right = Reference(graph).run()
    # a: 0, 1, then room one cycle after b takes at 3 and at 5: 4, 6; b: 3, 5, 7, 9
    assert (right.first, right.last) == ({"a": 0, "b": 3}, {"a": 6, "b": 9})
    assert (right.cycles, right.peaks) == (10, {"e": 2})
    assert (right.starved, right.blocked) == ({"e": 3}, {"e": 3})


@settings(max_examples=150, deadline=None)
@given(graphs() | row_graphs(), st.sampled_from([1, 20, 1000]))
def test_array_run_equals_the_reference(graph: Graph, chunk: int):
    right = expected(graph)
    with patch.object(arrays, "CHUNK", chunk):
        if right is None:
            with pytest.raises(DeadlockError):
                simulate(graph, backend="numpy")
        else:
            expect_equal(graph, simulate(graph, backend="numpy"), right)


@settings(max_examples=60, deadline=None)
@given(graphs(rounds=12) | row_graphs(), st.booleans(), st.booleans())
def test_compiled_run_equals_the_reference(graph: Graph, own: bool, skip: bool):
    right = expected(graph)
    with (
        patch.object(program, "LARGE", 0 if own else 1 << 60),
        patch.object(native, "CHUNK", 1),
        patch.object(native, "HISTORY", 1),
    ):
        if right is None:
            with pytest.raises(DeadlockError):
                simulate(graph, backend="mlir")
        else:
            expect_equal(graph, simulate(graph, skip=skip, backend="mlir"), right)
            fast = simulate(graph, statistics=False, skip=skip, backend="mlir")
            assert (fast.cycles, fast.edges) == (right.cycles, ())
