"""The three graphs of "attention on streaming dataflow", by hand, as papers.md 2 lists them."""

from dfc.runtime.graph import Edge, Graph, Node, Rate

ONE = Rate.each()


def edge(
    source: str,
    target: str,
    produce: Rate = ONE,
    consume: Rate = ONE,
    depth: int | None = 2,
) -> Edge:
    """An edge named after its ends."""
    return Edge(f"{source}->{target}", source, target, produce, consume, depth)


def naive(n: int, long: int | None) -> Graph:
    """Softmax as it is written: maximum, sum and product each need the whole row."""
    held, last = Rate.first_of(n), Rate.last_of(n)
    names = ("qk", "rowmax", "sub", "exp", "rowsum", "div", "pv")
    nodes = (*(Node(name, n * n) for name in names), Node("write", n))
    return Graph(
        nodes,
        (
            edge("qk", "rowmax"),
            edge("qk", "sub", depth=long),
            edge("rowmax", "sub", last, held),
            edge("sub", "exp"),
            edge("exp", "rowsum"),
            edge("exp", "div", depth=long),
            edge("rowsum", "div", last, held),
            edge("div", "pv"),
            edge("pv", "write", last),
        ),
    )


def reordered(n: int, long: int | None) -> Graph:
    """The division after the product with V: one value per row instead of a row."""
    held, last = Rate.first_of(n), Rate.last_of(n)
    names = ("qk", "rowmax", "sub", "exp", "rowsum", "pv")
    nodes = (*(Node(name, n * n) for name in names), Node("div", n), Node("write", n))
    return Graph(
        nodes,
        (
            edge("qk", "rowmax"),
            edge("qk", "sub", depth=long),
            edge("rowmax", "sub", last, held),
            edge("sub", "exp"),
            edge("exp", "rowsum"),
            edge("exp", "pv"),
            edge("rowsum", "div", last),
            edge("pv", "div", last),
            edge("div", "write"),
        ),
    )


def streaming(n: int) -> Graph:
    """Running maximum, sum and product: nothing of the length of a row is kept."""
    last = Rate.last_of(n)
    nodes = (
        *(Node(name, n * n) for name in ("qk", "scan", "sum", "pv")),
        Node("div", n),
        Node("write", n),
    )
    return Graph(
        nodes,
        (
            edge("qk", "scan"),
            Edge("scale->sum", "scan", "sum", ONE, ONE),
            Edge("p->sum", "scan", "sum", ONE, ONE),
            Edge("scale->pv", "scan", "pv", ONE, ONE),
            Edge("p->pv", "scan", "pv", ONE, ONE),
            edge("sum", "div", last),
            edge("pv", "div", last),
            edge("div", "write"),
        ),
    )
