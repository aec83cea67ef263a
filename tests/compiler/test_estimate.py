"""`Program.estimate` and `dfc simulate --estimate`: the run of the simulation in closed form."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import dfc
from dfc.api import asked, load
from dfc.cli import app
from dfc.program import Program

TEXT = """
func.func @main(%x: tensor<64x192xf32>, %w: tensor<96x192x!ternary.trit> {dfc.weight = "w"}, %s: tensor<f32>) -> tensor<64x96xf32> {
  %y = ternary.linear %x, %w scale %s : (tensor<64x192xf32>, tensor<96x192x!ternary.trit>, tensor<f32>) -> tensor<64x96xf32>
  func.return %y : tensor<64x96xf32>
}
"""


@pytest.fixture(scope="module")
def model() -> Program:
    """A small language model: a prompt and three steps behind it."""
    return load("zoo:bitnet-tiny", "tiny-npu", asked(prefill=16, decode=3))


def test_the_estimate_of_a_language_model_is_that_of_its_run(model: Program):
    about, report = model.estimate(), model.simulate()
    assert [call.name for call in about.calls] == [
        "prefill",
        *(f"decode at {n}" for n in (16, 17, 18)),
    ]
    assert about.cycles == pytest.approx(report.cycles, rel=0.05)
    assert about.energy_j == pytest.approx(report.energy_j, rel=0.05)
    assert about.ttft_s == pytest.approx(report.ttft_s, rel=0.05)
    assert about.decode_tokens_per_s == pytest.approx(
        report.decode_tokens_per_s, rel=0.05
    )
    assert about.latency_s == pytest.approx(sum(c.latency_s for c in about.calls))


def test_the_bound_is_that_of_the_report_and_never_above_it(model: Program):
    about, report = model.estimate(), model.simulate()
    found = (about.bound_cycles, about.bound_by)
    assert found == (report.bound_cycles, report.bound_by)
    assert 0 < report.bound_cycles <= report.cycles
    steps = about.calls[1:]
    assert all(
        call.bound_cycles <= step.cycles
        for call, step in zip(steps, report.steps, strict=True)
    )


def test_the_estimate_of_a_text():
    program = dfc.compile(TEXT)
    about, report = program.estimate(), program.simulate()
    assert [call.name for call in about.calls] == ["main"]
    assert about.cycles == pytest.approx(report.cycles, rel=0.05)
    assert about.ttft_s is None


def test_a_power_cap_slows_the_estimate_too():
    source = dfc.compile(TEXT)
    watts = source.simulate().energy_j / source.simulate().latency_s
    capped = dfc.compile(TEXT, overrides={"power.cap_w": watts * 0.8})
    about, report = capped.estimate(), capped.simulate()
    assert about.latency_s == pytest.approx(report.latency_s, rel=0.05)
    assert "the clock is" in about.notes[-1]


def test_the_command_prints_figures_and_calls(tmp_path: Path):
    path = tmp_path / "m.mlir"
    path.write_text(TEXT)
    command = ["simulate", str(path), "-t", "tiny-npu", "--estimate"]
    text = CliRunner().invoke(app, command)
    assert text.exit_code == 0, text.output
    assert "cycles, at least" in text.output
    found = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert found["calls"][0]["bound_cycles"] <= found["calls"][0]["cycles"]


@pytest.mark.parametrize("option", ["--report", "--trace", "-o"])
def test_an_estimate_has_no_page_and_no_trace(tmp_path: Path, option: str):
    path = tmp_path / "m.mlir"
    path.write_text(TEXT)
    written = tmp_path / ("x.html" if option == "--report" else "x.json")
    command = ["simulate", str(path), "-t", "tiny-npu", "--estimate", option]
    found = CliRunner().invoke(app, [*command, str(written)])
    assert found.exit_code == 2
    assert "--estimate" in found.output
