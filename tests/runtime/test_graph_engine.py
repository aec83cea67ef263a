"""How the engine gets to its results: schedules, periods, memory, and without compiled code."""

from dataclasses import replace
from typing import Literal
from unittest.mock import patch

import pytest
from paper_graphs_testing import naive, reordered, streaming

from dfc.runtime.graph import (
    DeadlockError,
    Edge,
    Graph,
    Node,
    Period,
    Rate,
    Run,
    arrays,
    engine,
    machine_code,
    native,
    schedule,
    simulate,
)
from dfc.runtime.graph.native import NativeRun
from dfc.runtime.graph.schedule import Scheduler

ONE = Rate.each()
FILLING = Graph(
    (Node("a", 20_000), Node("b", 20_000, interval=2)),
    (Edge("e", "a", "b", ONE, ONE, 300),),
)
"""Runs at one pace until the FIFO is full, then at another."""

ROUNDS = Graph(
    (Node("a", 3000, latency=10), Node("b", 3000, latency=10)),
    (Edge("to", "a", "b", ONE, ONE, 9), Edge("back", "b", "a", ONE, ONE, 9, 3)),
)
"""Three tokens go round together: 1, 1 and 18 cycles from one to the next."""


def unbounded(graph: Graph) -> Graph:
    """The graph with room for all tokens."""
    return replace(graph, edges=tuple(replace(e, depth=None) for e in graph.edges))


GAP = Graph(
    (Node("a", 5000), Node("late", 5000, latency=200), Node("b", 5000)),
    (
        Edge("deep", "a", "b", ONE, ONE, 64),
        Edge("started", "late", "b", ONE, ONE, 300, 20),
    ),
)
"""A pause of `b` after its first 20 firings reaches `a` 64 firings later."""

GRAPHS = [
    pytest.param(GAP, id="a gap on its way"),
    pytest.param(FILLING, id="a FIFO that fills up"),
    pytest.param(ROUNDS, id="tokens that go round"),
    pytest.param(unbounded(ROUNDS), id="tokens that go round, unbounded"),
    pytest.param(naive(96, 98), id="naive"),
    pytest.param(naive(96, 97), id="naive, one short"),
    pytest.param(naive(96, None), id="naive, unbounded"),
    pytest.param(reordered(96, 98), id="reordered"),
    pytest.param(streaming(96), id="streaming"),
]


def apart_from_skipping(run: Run) -> Run:
    """The run without what was skipped."""
    return replace(run, skipped_firings=0, period=None)


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("graph", GRAPHS)
def test_skipping_changes_nothing(graph: Graph, statistics: bool):
    whole = simulate(graph, skip=False, statistics=statistics)
    with patch.object(native, "CHUNK", 1):
        fast = simulate(graph, statistics=statistics)
    assert fast.skipped_firings > graph.firings // 2
    assert apart_from_skipping(fast) == whole


@pytest.mark.parametrize("graph", GRAPHS)
def test_arrays_find_the_same(graph: Graph):
    assert simulate(graph, backend="numpy") == simulate(graph, skip=False)


def test_a_period_is_a_row():
    # 7 nodes fire once for each of 96 elements, and `write` once
    with patch.object(native, "CHUNK", 96 * 7):
        run = simulate(naive(96, 98))
    assert run.period == Period(cycles=96, firings=96 * 7 + 1)


def test_a_source_that_runs_ahead_is_skipped_when_no_occupancy_is_asked_for():
    # the second takes two cycles each, so that the unbounded edge fills up
    nodes = (Node("a", 90_000), Node("b", 90_000, interval=2))
    graph = Graph(nodes, (Edge("e", "a", "b", ONE, ONE, None),))
    fast, whole = simulate(graph, statistics=False), simulate(graph)
    assert fast.skipped_firings > 0
    assert whole.skipped_firings == 0
    assert fast.cycles == whole.cycles == 2 * 90_000
    # when a fires last, at 89,999, b has taken the tokens up to 44,999 and gave their rooms back
    # except that of the last, which it takes in the same cycle
    assert whole.edges[0].peak_occupancy == 90_000 - 44_999


def test_a_graph_as_long_as_one_likes_needs_the_same_memory():
    sizes: set[int] = set()
    for rows in (100, 10_000):
        nodes = (Node("a", 64 * rows), Node("b", 64 * rows))
        graph = Graph(
            nodes, (Edge("e", "a", "b", Rate.last_of(64), Rate.first_of(64)),)
        )
        run = NativeRun(graph, Scheduler(graph).run(), statistics=True)
        run.run(skip=False)
        sizes.add(run.state.nbytes)
    assert len(sizes) == 1


def test_a_source_that_was_ahead_is_not_skipped_until_it_falls_behind():
    # b begins 5,000 cycles late and is faster than a, whose tokens it has used up at cycle 10,000;
    # c takes what b gave 300 firings before
    nodes = (
        Node("a", 40_000, interval=2),
        Node("late", 40_000, latency=5000),
        Node("b", 40_000),
        Node("c", 40_000),
    )
    edges = (
        Edge("a", "a", "b", ONE, ONE, None),
        Edge("late", "late", "b", ONE, ONE, None),
        Edge("b", "b", "c", ONE, ONE, None, 300),
    )
    graph = Graph(nodes, edges)
    whole = simulate(graph, statistics=False, skip=False)
    with patch.object(native, "CHUNK", 100):
        fast = simulate(graph, statistics=False)
    assert fast.skipped_firings > 0
    assert apart_from_skipping(fast) == whole


def test_the_schedule_of_a_long_graph_is_short_and_its_nodes_fire_together():
    steps = list(Scheduler(naive(4096, 4098)).run().steps())
    assert len(steps) < 100
    together = sum(
        step.firings * times for step, times in steps if len(step.actions) >= 7
    )
    assert together > 0.99 * naive(4096, 4098).firings


def with_a_flag(graph: Graph) -> Graph:
    """The graph with a node that folds all firings of its first one into one token at the end."""
    first = graph.nodes[0]
    nodes = (Node("fold", first.firings, latency=3), Node("flag", 1))
    edges = (
        Edge("fold", first.name, "fold", ONE, ONE),
        Edge("flag", "fold", "flag", Rate.last_of(first.firings), ONE),
    )
    return Graph((*graph.nodes, *nodes), (*graph.edges, *edges))


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("graph", GRAPHS)
def test_a_fold_over_the_whole_run_keeps_neither_loops_nor_periods_from_being_found(
    graph: Graph, statistics: bool
):
    flagged = with_a_flag(graph)
    steps, more = (list(Scheduler(each).run().steps()) for each in (graph, flagged))
    assert len(more) <= len(steps) + 1
    whole = simulate(flagged, skip=False, statistics=statistics)
    with patch.object(native, "CHUNK", 1):
        fast = simulate(flagged, statistics=statistics)
    assert fast.skipped_firings > flagged.firings // 2
    assert apart_from_skipping(fast) == whole
    assert simulate(flagged, backend="numpy", statistics=statistics) == whole


def test_a_deadlock_is_found_without_running():
    with pytest.raises(DeadlockError) as error, patch.object(native, "driver", None):
        simulate(naive(4096, 4095))
    assert str(error.value.cycle[0]) == (
        "`qk` waits for room in `qk->sub` (depth 4095) from `sub`"
    )
    assert str(error.value.cycle[1]) == (
        "`sub` waits for a token of `rowmax->sub` from `rowmax`"
    )


def test_a_node_gives_itself_no_room_in_the_same_cycle():
    # one slot: the token that is taken holds it until the next cycle
    def loop(depth: int) -> Graph:
        return Graph((Node("a", 3),), (Edge("e", "a", "a", ONE, ONE, depth, 1),))

    assert simulate(loop(2)).cycles == 3
    with pytest.raises(DeadlockError, match="`a` waits for room in `e`"):
        simulate(loop(1))


def test_feedback_sets_the_pace():
    # a token goes round in 3 + 2 cycles, and two go round, a cycle apart
    nodes = (Node("a", 40, latency=3), Node("b", 40, latency=2))
    edges = (Edge("to", "a", "b", ONE, ONE), Edge("back", "b", "a", ONE, ONE, 4, 2))
    run = simulate(Graph(nodes, edges))
    assert run.nodes[0].last_cycle == 19 * 5 + 1
    assert run.nodes[1].stalls.keys() == {"to", "back"}


def test_stalls_are_on_both_ends_of_an_edge():
    # b takes 3 cycles each, so a waits 2 cycles for each room beyond the first two
    nodes = (Node("a", 6), Node("b", 6, interval=3))
    run = simulate(Graph(nodes, (Edge("e", "a", "b", ONE, ONE, 2),)))
    # b: 1, 4, 7, 10, 13, 16; a: 0, 1, then behind b: 2, 5, 8, 11
    assert run.nodes[0].stalls == {"e": 0 + 2 + 2 + 2}
    assert run.nodes[1].stalls == {"e": 1}
    assert (run.edges[0].blocked_cycles, run.edges[0].starved_cycles) == (6, 1)
    # idle: b in cycle 0 only, and its last interval goes beyond the end
    assert run.nodes[1].utilisation == pytest.approx(16 / 17)
    assert run.nodes[0].utilisation == pytest.approx(6 / 17)


@pytest.mark.parametrize("backend", ["mlir", "numpy"])
def test_a_fifo_takes_memory_for_the_tokens_there_are(
    backend: Literal["mlir", "numpy"],
):
    deep = 1 << 60
    graph = Graph(
        (Node("a", 9), Node("b", 9, interval=2)),
        (Edge("e", "a", "b", ONE, ONE, deep, 1),),
    )
    run = simulate(graph, backend=backend)
    assert run.edges[0].depth == deep
    free = replace(graph, edges=(replace(graph.edges[0], depth=None),))
    assert run.cycles == simulate(free).cycles
    # b fires at cycles 0, 2, 4, ...: when a fires last, at 8, it has freed those of 0, 2, 4 and 6
    assert run.edges[0].peak_occupancy == 1 + 9 - 4


def test_a_graph_that_runs_again_is_ordered_once():
    graph = naive(97, 99)
    first = simulate(graph)
    with patch.object(schedule, "Scheduler", None):
        again = simulate(graph, statistics=False)
    assert again.cycles == first.cycles


def test_equal_steps_are_compiled_once():
    simulate(naive(8, 10))
    with patch.object(machine_code, "native", None):
        assert simulate(naive(12, 14)).cycles == 12 * 12 + 2 * 12 + 5


def test_without_the_bindings_arrays_run():
    with (
        patch.object(engine, "find_spec", return_value=None),
        patch.object(arrays, "chunks", wraps=arrays.chunks) as chunks,
    ):
        assert simulate(streaming(4)).cycles == 4 * 4 + 4
    assert chunks.called
