"""Rates, and graphs that are none: the message names the node or the edge."""

import pytest
from paper_graphs_testing import naive

from dfc.runtime.graph import Edge, Graph, GraphError, Node, Rate, simulate

ONE = Rate.each()


def test_a_rate_counts_tokens_over_its_rounds():
    # 2 tokens in the first and third of four firings
    rate = Rate.phases([2, 0, 2, 0])
    assert (rate.round, rate.per_round, rate.most) == (4, 4, 2)
    assert [rate.total(n) for n in range(7)] == [0, 2, 2, 4, 4, 6, 6]


def test_equal_runs_are_one():
    assert Rate(((2, 1), (0, 5), (3, 1))) == ONE
    assert Rate.first_of(1) == Rate.last_of(1) == ONE
    assert Rate.first_of(3) == Rate.phases([1, 0, 0])
    assert Rate.last_of(3) == Rate.phases([0, 0, 1])


def pair(edge: Edge, *more: Edge, firings: int = 4) -> Graph:
    """Two nodes, the second of which fires 4 times."""
    return Graph((Node("a", firings), Node("b", 4)), (edge, *more))


def test_rates_that_do_not_balance_name_the_edge():
    graph = pair(Edge("scores", "a", "b", ONE, ONE), firings=3)
    message = "expected `b` to take the 3 tokens that `a` gives to `scores`, got 4"
    with pytest.raises(GraphError, match=message):
        simulate(graph)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            pair(Edge("e", "a", "b", ONE, ONE, 0)),
            "expected a depth of at least 1 for `e`, got 0",
        ),
        (
            pair(Edge("e", "a", "b", ONE, ONE, 2, 3)),
            "expected a depth of at least 3 for `e`, got 2",
        ),
        (
            pair(Edge("e", "a", "b", ONE, ONE, 2, -1)),
            "expected initial tokens of at least 0 in `e`, got -1",
        ),
        (
            pair(Edge("e", "a", "c", ONE, ONE)),
            "expected a node of the graph at the end of `e`, got `c`",
        ),
        (
            pair(Edge("e", "a", "b", ONE, ONE), Edge("e", "a", "b", ONE, ONE)),
            "expected one edge of each name, got two `e`",
        ),
        (
            Graph((Node("a", 1), Node("a", 1)), ()),
            "expected one node of each name, got two `a`",
        ),
        (Graph((Node("a", 0),), ()), "expected firings of at least 1 for `a`, got 0"),
        (
            Graph((Node("a", 1, latency=-1),), ()),
            "expected a latency of at least 0 for `a`, got -1",
        ),
        (
            Graph((Node("a", 1, interval=0),), ()),
            "expected an interval of at least 1 for `a`, got 0",
        ),
        (
            Graph((Node("a", 8), Node("b", 2, interval=1 << 60)), ()),
            "expected firings of at most 2305843009213693952 cycles one after the other,"
            " got 2305843009213693960, most of them of `b`",
        ),
    ],
)
def test_a_graph_that_is_none_says_why(graph: Graph, message: str):
    with pytest.raises(GraphError, match=message):
        simulate(graph)


@pytest.mark.parametrize("runs", [(), ((0, 1),), ((-1, 1),), ((1, -1),)])
def test_a_rate_needs_firings(runs: tuple[tuple[int, int], ...]):
    with pytest.raises(GraphError, match="expected runs of firings and tokens"):
        Rate(runs)


def test_names_find_nodes():
    graph = naive(2, 4)
    assert graph.node("rowmax") is graph.nodes[graph.place["rowmax"]]
    assert graph.firings == 7 * 4 + 2
