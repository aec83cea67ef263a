"""Random graphs: any topology with feedback, any latencies, intervals, depths, rates and initial tokens."""

from itertools import pairwise

from hypothesis import strategies as st

from dfc.runtime.graph import Edge, Graph, Node, Rate


@st.composite
def shares(draw: st.DrawFn, tokens: int, firings: int) -> Rate:
    """Tokens dealt to the firings of a round in any way."""
    ends = sorted(
        draw(
            st.lists(st.integers(0, tokens), min_size=firings - 1, max_size=firings - 1)
        )
    )
    cuts = [0, *ends, tokens]
    return Rate.phases(b - a for a, b in pairwise(cuts))


@st.composite
def graphs(draw: st.DrawFn, rounds: int = 5, bounded: bool = False) -> Graph:
    """A graph whose rates balance; it may deadlock."""
    count = draw(st.integers(1, 5))
    rounds = draw(st.integers(1, rounds))
    per_round = [draw(st.integers(1, 6)) for _ in range(count)]
    nodes = tuple(
        Node(f"n{at}", rounds * each, draw(st.integers(0, 5)), draw(st.integers(1, 4)))
        for at, each in enumerate(per_round)
    )
    edges: list[Edge] = []
    for at in range(draw(st.integers(0, 6))):
        source, target = (draw(st.integers(0, count - 1)) for _ in range(2))
        tokens = draw(st.integers(0, 6))
        back = source >= target
        initial = draw(st.integers(0, 7) if back else st.sampled_from([0, 0, 0, 2]))
        room = draw(st.integers(max(1, initial), initial + 7))
        edges.append(
            Edge(
                f"e{at}",
                f"n{source}",
                f"n{target}",
                draw(shares(tokens, per_round[source])),
                draw(shares(tokens, per_round[target])),
                room if bounded or draw(st.integers(0, 4)) else None,
                initial,
            )
        )
    return Graph(nodes, tuple(edges))


@st.composite
def row_graphs(draw: st.DrawFn) -> Graph:
    """A graph of nodes that fire once per element of rows: most edges carry elements, some row values."""
    length, rows = draw(st.integers(1, 9)), draw(st.integers(1, 8))
    count = draw(st.integers(2, 5))
    nodes = tuple(
        Node(
            f"n{at}",
            length * rows,
            draw(st.integers(0, 3)),
            draw(st.sampled_from([1, 1, 2])),
        )
        for at in range(count)
    )
    one = Rate.each()
    edges: list[Edge] = []
    for target in range(1, count):
        sources = draw(st.lists(st.integers(0, target - 1), min_size=1, max_size=2))
        for source in sources:
            row = not draw(st.integers(0, 3))
            edges.append(
                Edge(
                    f"e{len(edges)}",
                    f"n{source}",
                    f"n{target}",
                    Rate.last_of(length) if row else one,
                    Rate.first_of(length) if row else one,
                    draw(st.sampled_from([1, 2, 2, 3, 4, 5, length + 2, None])),
                )
            )
    return Graph(nodes, tuple(edges))
