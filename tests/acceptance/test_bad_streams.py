"""Graphs that make no sense end with one sentence that names the op, and status 1."""

from pathlib import Path

import pytest

from dfc.cli import status

ROW = "!stream.stream<tensor<1xf32>, [8], affine_map<(d0) -> (d0)>>"
ROWS = "!stream.stream<tensor<1xf32>, [2, 4], affine_map<(d0, d1) -> (d0 * 4 + d1)>>"
TURNED = "!stream.stream<tensor<1xf32>, [4, 2], affine_map<(d0, d1) -> (d1 * 4 + d0)>>"
GRAPH = """
func.func @main(%x: tensor<8xf32>, %z: tensor<8xf32>) -> tensor<8xf32> {
  %r = stream.graph -> tensor<8xf32> {
    %a = stream.read %x {label = "left"} : tensor<8xf32> -> A
    %b = stream.read %z {label = "right"} : tensor<8xf32> -> B
    %s = stream.fifo %a depth 2 : A
    %t = stream.map (%s, %b : A, B) -> (A) {
    ^bb0(%v: tensor<1xf32>, %w: tensor<1xf32>):
      %u = arith.addf %v, %w : tensor<1xf32>
      stream.yield %u : tensor<1xf32>
    } {label = "add"}
    %y = stream.write %t : A -> tensor<8xf32>
    stream.yield %y : tensor<8xf32>
  }
  func.return %r : tensor<8xf32>
}
"""


def graph(a: str, b: str) -> str:
    """The sum of two streams of these types."""
    return GRAPH.replace("A", a).replace("B", b)


CASES = {
    "a FIFO of depth 0": (
        graph(ROWS, ROWS).replace("depth 2", "depth 0"),
        "expected `depth` above 0, got 0",
    ),
    "rates that cannot balance": (
        graph(ROWS, ROW.replace("[8]", "[3]")),
        "expected `right->add` to balance, with trips that are a prefix of [2, 4], got [3]",
    ),
    "orders that differ": (
        graph(ROWS, TURNED),
        "expected `right->add` in the order of trips [2, 4], got [4, 2]; insert stream.convert",
    ),
    "a graph with no input": (
        f"""
func.func @main() -> tensor<8xf32> {{
  %r = stream.graph -> tensor<8xf32> {{
    %t = stream.fifo %s depth 2 initial [0.0 : f32] : {ROW}
    %s, %u = stream.fork %t : {ROW} -> ({ROW}, {ROW})
    %y = stream.write %u : {ROW} -> tensor<8xf32>
    stream.yield %y : tensor<8xf32>
  }}
  func.return %r : tensor<8xf32>
}}
""",
        "expected a graph with an input, as a `stream.read`, got none",
    ),
    "element types that differ": (
        graph(ROWS, ROWS).replace("%w: tensor<1xf32>", "%w: tensor<1xf16>").replace("%v, %w", "%v, %v"),
        "expected body arguments tensor<1xf32>, tensor<1xf32>, got tensor<1xf32>, tensor<1xf16>",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_graph_that_makes_no_sense(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text, message = CASES[name]
    path = tmp_path / "graph.mlir"
    path.write_text(text)
    assert status(["opt", str(path)]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert message in said
    assert "Traceback" not in said


def test_a_convert_makes_the_orders_agree(tmp_path: Path):
    text = graph(ROWS, TURNED).replace(
        "    %s = stream.fifo",
        f"    %c = stream.convert %b : {TURNED} -> {ROWS}\n    %s = stream.fifo",
    )
    text = text.replace(f"(%s, %b : {ROWS}, {TURNED})", f"(%s, %c : {ROWS}, {ROWS})")
    path = tmp_path / "graph.mlir"
    path.write_text(text)
    assert status(["opt", str(path)]) == 0
