"""Depths: found, minimal, and without effect on values."""

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pass_testing import FILECHECK, apply_to_clone, check_values, parse
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import stream
from dfc.passes.attach_target import AttachTargetPass
from dfc.passes.fabric.fifo_sizing import MUCH, Depths, Sizer, attempt, with_depths
from dfc.passes.stream_size_fifos import StreamSizeFifosPass
from dfc.runtime.graph import DeadlockError, Edge, Graph, Node, Rate, Run, simulate

TEXT = (FILECHECK / "stream_size_fifos.mlir").read_text()
TENSORS = TEXT[: TEXT.index("// On memrefs")]


def test_values_stay():
    check_values(parse(TENSORS), StreamSizeFifosPass())
    check_values(parse(TENSORS), StreamSizeFifosPass(least=1))


def test_sizing_twice_changes_nothing():
    once = apply_to_clone(StreamSizeFifosPass(), parse(TEXT))
    assert str(apply_to_clone(StreamSizeFifosPass(), once)) == str(once)


def test_a_fabric_has_fifos_of_its_own_depth():
    target = AttachTargetPass("stream-abstract", ("unit.fabric.fifo_depth=8",))
    module = apply_to_clone(target, parse(TENSORS))
    after = apply_to_clone(StreamSizeFifosPass(), module)
    fifos = [op for op in after.walk() if isinstance(op, stream.FifoOp)]
    # four edges in each of three graphs and two in the chain; 6 tokens would be enough
    assert [fifo.depth.value.data for fifo in fifos] == [8] * 14


def test_a_depth_of_nothing_is_refused():
    with pytest.raises(PassFailedException, match="expected `least` of at least 1"):
        apply_to_clone(StreamSizeFifosPass(least=0), parse(TEXT))


def test_a_circle_without_tokens_is_refused():
    text = """
    func.func @circle(%x: tensor<4xf32>) -> tensor<4xf32> {
      %r = stream.graph -> tensor<4xf32> {
        %s = stream.read %x {in_place} : tensor<4xf32> -> !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>
        %t, %u = stream.map (%s, %u : !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>, !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>) -> (!stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>, !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>) {
        ^bb0(%v: tensor<1xf32>, %w: tensor<1xf32>):
          stream.yield %v, %w : tensor<1xf32>, tensor<1xf32>
        } {label = "self"}
        %w = stream.write %t : !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>> -> tensor<4xf32>
        stream.yield %w : tensor<4xf32>
      }
      func.return %r : tensor<4xf32>
    }"""
    with pytest.raises(
        PassFailedException, match="`self` waits for a token of `self->self`"
    ):
        apply_to_clone(StreamSizeFifosPass(), parse(text))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Nodes one behind the other over rows of rows, with reductions, held values, other paths and feedback."""
    row, rows = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    count = draw(st.integers(2, 5))
    nodes = tuple(
        Node(f"n{i}", row * rows, draw(st.integers(1, 4)), draw(st.integers(1, 3)))
        for i in range(count)
    )
    kinds = (
        (Rate.each(), Rate.each()),
        (Rate.last_of(row), Rate.first_of(row)),
    )
    pairs = [(i, i + 1) for i in range(count - 1)]
    more = st.tuples(st.integers(0, count - 2), st.integers(1, count - 1))
    pairs += [(a, b) for a, b in draw(st.lists(more, max_size=3)) if a < b]
    edges: list[Edge] = []
    for number, (a, b) in enumerate(pairs):
        produce, consume = draw(st.sampled_from(kinds))
        size = draw(st.integers(0, 8))
        edges.append(
            Edge(f"e{number}", f"n{a}", f"n{b}", produce, consume, token_bytes=size)
        )
    for number, (a, b) in enumerate(draw(st.lists(more, max_size=2))):
        back, initial = f"back{number}", draw(st.integers(1, 4))
        each = Rate.each()
        if a < b:
            edges.append(Edge(back, f"n{b}", f"n{a}", each, each, 4, initial))
    return Graph(nodes, tuple(edges))


def cycles(graph: Graph, depths: Depths) -> float:
    """The cycles with these depths; a deadlock never ends."""
    run = attempt(graph, depths)
    return run.cycles if isinstance(run, Run) else float("inf")


@settings(max_examples=40, deadline=None)
@given(graph=graphs(), least=st.integers(1, 2), much=st.sampled_from([0, MUCH]))
def test_no_depth_can_be_smaller(graph: Graph, least: int, much: int):
    try:
        simulate(with_depths(graph, dict.fromkeys(e.name for e in graph.edges)))
    except DeadlockError:
        reject()
    sizing = Sizer([graph], least, much).run()
    best = simulate(with_depths(graph, dict.fromkeys(sizing.depths))).cycles
    assert sizing.cycles == (best,)
    assert cycles(graph, sizing.depths) == best
    told = {reason.edge.name: reason.loss for reason in sizing.reasons}
    for name, depth in sizing.depths.items():
        initial = next(edge.initial for edge in graph.edges if edge.name == name)
        assert depth >= max(least, initial)
        assert (name in told) == (depth > max(least, initial))
        if name in told:
            loss = cycles(graph, {**sizing.depths, name: depth - 1}) - best
            assert loss > 0
            assert loss == (float("inf") if told[name] is None else told[name])


def test_a_depth_is_enough_for_every_variant():
    def rows(size: int) -> Graph:
        nodes = tuple(Node(name, 4 * size) for name in ("a", "top", "sub"))
        return Graph(
            nodes,
            (
                Edge("scores", "a", "top", Rate.each(), Rate.each()),
                Edge("held", "a", "sub", Rate.each(), Rate.each()),
                Edge("tops", "top", "sub", Rate.last_of(size), Rate.first_of(size)),
            ),
        )

    sizing = Sizer([rows(2), rows(8)], 2).run()
    # a row of 8, and two that come while the first is taken
    assert sizing.depths == {"scores": 2, "held": 10, "tops": 2}
    assert len(sizing.cycles) == 2
