"""The pipeline `streaming`: from a text to a launch of whole graphs, its FIFOs, its deadlocks."""

import json

import numpy as np
import pytest

import dfc
from dfc.cli import status
from dfc.errors import InputError
from dfc.program import Program

ATTENTION = """
func.func @main(%q: tensor<1x2xNx8xf32>, %k: tensor<1x2xNx8xf32>, %v: tensor<1x2xNx8xf32>) -> tensor<1x2xNx8xf32> {
  %y = attention.sdpa %q, %k, %v {schedule = #attention.schedule<SCHEDULE>} : tensor<1x2xNx8xf32>, tensor<1x2xNx8xf32>, tensor<1x2xNx8xf32> -> tensor<1x2xNx8xf32>
  func.return %y : tensor<1x2xNx8xf32>
}
"""


def attention(schedule: str, n: int = 16) -> str:
    """Attention of two heads over n tokens."""
    return ATTENTION.replace("SCHEDULE", schedule).replace("N", str(n))


@pytest.fixture
def file(tmp_path):
    """Write a text to a file and give its path."""

    def write(text: str) -> str:
        path = tmp_path / "x.mlir"
        path.write_text(text)
        return str(path)

    return write


def simulated(capsys: pytest.CaptureFixture[str], path: str, *options: str):
    """What `dfc simulate --json` prints."""
    assert status(["simulate", path, "-t", "stream-abstract", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_streaming_attention_takes_a_cycle_per_score(capsys, file):
    # two heads of 16 x 16 scores in one graph, then 4 cycles until the last row is written
    found = simulated(capsys, file(attention("streaming")))
    assert found["cycles"] == 2 * 16 * 16 + 4
    assert {fifo["depth"] for fifo in found["fifos"]} == {2}


def test_naive_attention_keeps_two_rows(capsys, file):
    found = simulated(capsys, file(attention("naive")))
    deep = {fifo["name"]: fifo for fifo in found["fifos"] if fifo["depth"] > 2}
    assert {fifo["depth"] for fifo in deep.values()} == {16 + 2}
    assert set(deep) == {"qk->sub", "exp->div"}
    assert all(fifo["peak_occupancy"] == 18 for fifo in deep.values())
    assert all(set(f["stalls"]) == {"starved", "blocked"} for f in deep.values())


def test_every_level_computes_the_same():
    program = dfc.compile(attention("streaming"), target="stream-abstract")
    draw = np.random.default_rng(0)
    inputs = [draw.standard_normal((1, 2, 16, 8)).astype(np.float32) for _ in "qkv"]
    levels = ("tensor", "fused", "tiled", "placed", "program")
    values = [program.run("main", inputs, level=level)[0] for level in levels]
    assert np.array_equal(values[0], values[1])
    np.testing.assert_allclose(values[2], values[0], rtol=1e-5, atol=1e-6)
    assert np.array_equal(values[2], values[3])
    assert np.array_equal(values[2], values[4])


DEADLOCK = """
!row = !stream.stream<tensor<1xf32>, [2, 8], affine_map<(d0, d1) -> (d0 * 8 + d1)>>
!sum = !stream.stream<tensor<1xf32>, [2], affine_map<(d0) -> (d0)>>
builtin.module attributes {accel.target = "stream-abstract"} {
  func.func @main(%x: memref<16xf32, "memory">) -> memref<16xf32, "memory"> {
    %y = tier.alloc offset 0 : memref<16xf32, "memory">
    %e = accel.launch on "fabric" ins(%x : memref<16xf32, "memory">) outs(%y : memref<16xf32, "memory">) {
    ^bb0(%v: tensor<16xf32>, %old: tensor<16xf32>):
      %g = stream.graph -> tensor<16xf32> {
        %s = stream.read %v {label = "x"} : tensor<16xf32> -> !row
        %a, %b = stream.fork %s {label = "two"} : !row -> (!row, !row)
        %c = stream.reduce on "fabric" (%a : !row) inits [0.0 : f32] -> (!sum) {
        ^bb1(%t: tensor<1xf32>, %u: tensor<1xf32>):
          %w = arith.addf %t, %u : tensor<1xf32>
          stream.yield %w : tensor<1xf32>
        } {label = "sum"}
        %d = stream.map on "fabric" (%b, %c : !row, !sum) -> (!row) {
        ^bb2(%t: tensor<1xf32>, %u: tensor<1xf32>):
          %w = arith.divf %t, %u : tensor<1xf32>
          stream.yield %w : tensor<1xf32>
        } {label = "div"}
        %r = stream.write %d : !row -> tensor<16xf32>
        stream.yield %r : tensor<16xf32>
      }
      accel.yield %g : tensor<16xf32>
    }
    accel.wait %e
    func.return %y : memref<16xf32, "memory">
  }
}
"""


def test_a_deadlock_is_json_with_its_circle(capsys, file):
    command = ["simulate", file(DEADLOCK), "-t", "stream-abstract"]
    assert status([*command, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["deadlock"]
    circle = [(w["node"], w["waits_for"], w["fifo"], w["of"]) for w in found["cycle"]]
    assert circle == [
        ("two", "room", "two->div", "div"),
        ("div", "token", "sum->div", "sum"),
        ("sum", "token", "two->sum", "two"),
    ]
    assert status(command) == 1
    assert "`two` waits for room in `two->div` (depth 2)" in capsys.readouterr().err


def test_the_table_shows_the_deepest_fifos(capsys, file):
    path = file(attention("naive"))
    assert status(["simulate", path, "-t", "stream-abstract"]) == 0
    table = capsys.readouterr().out.partition("FIFOs")[2].splitlines()
    rows = [line.split() for line in table if "->" in line]
    assert rows[0][:4] == ["attention", "exp->div", "18", "18"]
    assert len(rows) == 9


def test_the_fall_back_of_unified_max_takes_its_share_of_the_calls(capsys, file):
    path = file(attention("unified_max"))
    alone = simulated(capsys, path)
    both = simulated(capsys, path, "--fallback-rate", "1")
    # the first graph and the second one after it, each 2 x 16 x 16 scores and 4 cycles
    assert (alone["cycles"], both["cycles"]) == (516, 1032)
    assert [row["name"] for row in alone["kernels"]] == ["attention"]
    some = simulated(capsys, path, "--fallback-rate", "0.25")
    assert some["cycles"] == 516 + 516 // 4
    assert sum(some["parts"].values()) == some["cycles"]
    assert "1 branch on data is taken in 0.25 of the calls (assumed)" in some["notes"]
    fallback = {row["name"]: row for row in some["kernels"]}["attention_fallback"]
    assert fallback["cycles"] == 129
    read = fallback["tiers"]["memory"]["read_bytes"]
    assert read == both["kernels"][1]["tiers"]["memory"]["read_bytes"] // 4


def test_a_rate_is_a_share(capsys, file):
    path = file(attention("unified_max"))
    command = ["simulate", path, "-t", "stream-abstract", "--fallback-rate"]
    assert status([*command, "2"]) == 2
    with pytest.raises(InputError, match="from 0 to 1, got 2"):
        dfc.simulate(path, "stream-abstract", fallback_rate=2)


def test_a_text_is_checked_against_its_own_level(capsys, file):
    path = file(attention("reordered", 5))
    assert status(["run", path, "-t", "stream-abstract", "--check", "--json"]) == 0
    check = json.loads(capsys.readouterr().out)["check"]
    assert [row["level"] for row in check["rows"]] == [
        "fused",
        "tiled",
        "placed",
        "program",
    ]
    assert all(row["values"] == 1 and row["error"] < 1e-5 for row in check["rows"])
    assert check["passed"]


def test_the_check_of_a_text_can_fail(monkeypatch: pytest.MonkeyPatch, capsys, file):
    run = Program.run

    def wrong(self: Program, function, inputs, *, level="program", hook=None):
        results = run(self, function, inputs, level=level, hook=hook)
        return tuple(r + 1 for r in results) if level == "placed" else results

    monkeypatch.setattr(Program, "run", wrong)
    path = file(attention("streaming", 5))
    assert status(["run", path, "-t", "stream-abstract", "--check", "--json"]) == 1
    check = json.loads(capsys.readouterr().out)["check"]
    assert [row["level"] for row in check["rows"] if not row["passed"]] == ["placed"]


def test_a_program_as_text_has_nothing_below_it(capsys, file):
    assert status(["run", file(DEADLOCK), "-t", "stream-abstract", "--check"]) == 1
    assert "above level `program`" in capsys.readouterr().err


def test_a_language_model_runs_on_the_fabric():
    report = dfc.simulate("zoo:llama-tiny", "stream-abstract", prefill=4, decode=2)
    assert {row.unit for row in report.kernels if row.unit} == {"fabric"}
    first, second = report.steps
    # a step at position P visits P + 1 keys: one more score for each of the heads and layers
    assert second.cycles > first.cycles
    names = {row.name for row in report.kernels}
    assert {"prefill_attention", "decode_attention", "decode_lm_head"} <= names
