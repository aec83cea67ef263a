"""Graphs of the engine from graphs of the IR: rates from trips, depths from FIFOs, names from labels."""

import pytest
from machine_testing import parse

from dfc.dialects.stream import GraphOp
from dfc.runtime.errors import ExecutionError
from dfc.runtime.graph import Graph, Rate, simulate
from dfc.runtime.graph.extract import graph_of

ROW = "!stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>>"
FULL = "!stream.stream<tensor<1x1xf32>, [4, 3], affine_map<(d0, d1) -> (d0, d1)>>"
CENTRED = """
  %s = stream.read %x {label = "load"} : tensor<4x3xf32> -> FULL
  %a, %b = stream.fork %s {interval = 2 : i64} : FULL -> (FULL, FULL)
  %t = stream.reduce (%a : FULL) inits [0.0 : f32] -> (ROW) {
  ^bb0(%acc: tensor<1xf32>, %e: tensor<1x1xf32>):
    %flat = tensor.collapse_shape %e [[0, 1]] : tensor<1x1xf32> into tensor<1xf32>
    %sum = arith.addf %acc, %flat : tensor<1xf32>
    stream.yield %sum : tensor<1xf32>
  } {label = "sum", latency = 3 : i64}
  %c = stream.fifo %b depth 9 {label = "long"} : FULL
  %u = stream.map (%t, %c : ROW, FULL) -> (FULL) {
  ^bb0(%m: tensor<1xf32>, %e: tensor<1x1xf32>):
    %wide = tensor.expand_shape %m [[0, 1]] output_shape [1, 1] : tensor<1xf32> into tensor<1x1xf32>
    %d = arith.subf %e, %wide : tensor<1x1xf32>
    stream.yield %d : tensor<1x1xf32>
  } {label = "sub"}
  %w = stream.write %u : FULL -> tensor<4x3xf32>
  stream.yield %w : tensor<4x3xf32>
"""
HEADER = "%x: tensor<4x3xf32>, %n: index"


def graph_op(body: str, bound: str = "") -> GraphOp:
    """The graph of this body, in a function with a tensor and an index."""
    text = body.replace("FULL", FULL).replace("ROW", ROW)
    module = parse(
        f"func.func @f({HEADER}) -> tensor<4x3xf32> {{\n"
        f"%r = stream.graph {bound} -> tensor<4x3xf32> {{\n{text}\n}}\n"
        "func.return %r : tensor<4x3xf32>\n}"
    )
    return next(op for op in module.walk() if isinstance(op, GraphOp))


def rates(graph: Graph) -> dict[str, tuple[Rate, Rate]]:
    """What each edge is given and loses, by its name."""
    return {edge.name: (edge.produce, edge.consume) for edge in graph.edges}


def test_nodes_have_their_names_trips_and_timing():
    graph = graph_of(graph_op(CENTRED))
    found = [(n.name, n.firings, n.latency, n.interval) for n in graph.nodes]
    assert found == [
        ("load", 12, 1, 1),
        ("fork_0", 12, 1, 2),
        ("sum", 12, 3, 1),
        ("sub", 12, 1, 1),
        ("write_0", 12, 1, 1),
    ]
    graph.balanced()


def test_a_reduction_gives_at_the_end_of_a_row_and_a_held_operand_is_taken_at_its_start():
    one = Rate.each()
    assert rates(graph_of(graph_op(CENTRED))) == {
        "load->fork_0": (one, one),
        "fork_0->sum": (one, one),
        "long": (one, one),
        "sum->sub": (Rate.last_of(3), Rate.first_of(3)),
        "sub->write_0": (one, one),
    }


def test_a_fifo_is_its_edge_and_others_hold_two_tokens():
    edges = {edge.name: edge for edge in graph_of(graph_op(CENTRED)).edges}
    assert (edges["long"].depth, edges["sum->sub"].depth) == (9, 2)
    assert (edges["long"].token_bytes, edges["long"].initial) == (4, 0)


def test_what_is_read_in_place_is_no_node():
    text = CENTRED.replace('{label = "load"}', "{in_place}")
    assert graph_of(graph_op(text)).nodes[0].name == "fork_0"


def test_a_bound_ends_the_rows():
    # rows of 1 + i keys at position 0, of 3 + i at position 2, never more than 3
    op = graph_op(CENTRED, "bound affine_map<(d0)[s0] -> (d0 + s0 + 1)> (%n)")
    graph = graph_of(op, {op.symbols[0]: 0})
    graph.balanced()
    assert {node.firings for node in graph.nodes} == {9}
    assert rates(graph)["sum->sub"] == (
        Rate.phases([1, 0, 1, 0, 0, 1, 0, 0, 1]),
        Rate.phases([1, 1, 0, 1, 0, 0, 1, 0, 0]),
    )
    later = graph_of(op, {op.symbols[0]: 2})
    assert {node.firings for node in later.nodes} == {12}
    assert simulate(later).cycles > simulate(graph).cycles


def test_a_bound_needs_its_numbers():
    op = graph_op(CENTRED, "bound affine_map<(d0)[s0] -> (d0 + s0 + 1)> (%n)")
    with pytest.raises(ExecutionError, match="expected a number for `%n` of the bound"):
        graph_of(op)


def test_two_streams_between_two_nodes_are_two_edges():
    text = CENTRED.replace("(%t, %c : ROW, FULL)", "(%t, %a2, %c : ROW, FULL, FULL)")
    text = text.replace("%a, %b =", "%a, %a2, %b =").replace(
        "-> (FULL, FULL)", "-> (FULL, FULL, FULL)"
    )
    text = text.replace(
        "^bb0(%m: tensor<1xf32>,", "^bb0(%m: tensor<1xf32>, %o: tensor<1x1xf32>,"
    )
    text = text.replace('{label = "long"}', "")
    assert list(rates(graph_of(graph_op(text))))[2:4] == [
        "fork_0->sub",
        "fork_0->sub#2",
    ]


def test_a_converter_takes_and_gives_in_its_phases():
    # twelve rows: six tokens of 2 become four of 3
    twos = "!stream.stream<tensor<2x3xf32>, [6], affine_map<(d0) -> (d0, 0)>>"
    threes = "!stream.stream<tensor<3x3xf32>, [4], affine_map<(d0) -> (d0, 0)>>"
    module = parse(
        "func.func @f(%x: tensor<12x3xf32>) -> tensor<12x3xf32> {\n"
        "%r = stream.graph -> tensor<12x3xf32> {\n"
        f"%s = stream.read %x : tensor<12x3xf32> -> {twos}\n"
        f"%t = stream.convert %s : {twos} -> {threes}\n"
        f"%w = stream.write %t : {threes} -> tensor<12x3xf32>\n"
        "stream.yield %w : tensor<12x3xf32>\n}\n"
        "func.return %r : tensor<12x3xf32>\n}"
    )
    op = next(op for op in module.walk() if isinstance(op, GraphOp))
    graph = graph_of(op)
    graph.balanced()
    (into, out) = graph.edges
    assert into.consume.total(graph.nodes[1].firings) == 6
    assert out.produce.total(graph.nodes[1].firings) == 4
    # the first token of 3 is made of the first two of 2
    assert [out.produce.total(n) for n in range(3)] == [0, 0, 1]
    assert [into.consume.total(n) for n in range(3)] == [0, 1, 2]


def test_a_fifo_with_initial_tokens_closes_a_cycle():
    kind = "!stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>>"
    module = parse(f"""
      func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {{
        %r = stream.graph -> tensor<4xf32> {{
          %s = stream.read %x : tensor<4xf32> -> {kind}
          %y, %last = stream.map (%s, %old : {kind}, {kind}) -> ({kind}, {kind}) {{
          ^bb0(%a: tensor<1xf32>, %o: tensor<1xf32>):
            %t = arith.addf %a, %o : tensor<1xf32>
            stream.yield %t, %t : tensor<1xf32>, tensor<1xf32>
          }} {{label = "sum", latency = 3 : i64}}
          %old = stream.fifo %last depth 2 initial [0.0 : f32] {{label = "back"}} : {kind}
          %w = stream.write %y : {kind} -> tensor<4xf32>
          stream.yield %w : tensor<4xf32>
        }}
        func.return %r : tensor<4xf32>
      }}""")
    graph = graph_of(next(op for op in module.walk() if isinstance(op, GraphOp)))
    back = graph.edges[-1]
    assert (back.name, back.source, back.target, back.initial) == (
        "back",
        "sum",
        "sum",
        1,
    )
    # read at 0; each sum waits 3 cycles for the last one: 1, 4, 7, 10; write 3 cycles later
    assert simulate(graph).cycles == 14
