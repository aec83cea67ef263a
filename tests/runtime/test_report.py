"""Tests of reports: sums that must agree, names of the JSON, a language model's figures."""

import json
from pathlib import Path

import pytest
from machine_testing import parse

from dfc.runtime.errors import DfcError, ModelError
from dfc.runtime.report import Report
from dfc.runtime.simulator import (
    Simulator,
    simulate_function,
    simulate_language_model,
)

MODEL = """
builtin.module attributes {accel.target = "tiny-npu"SET} {
func.func private @attend(%q: memref<1x2x1x32xf32, "sram">, %k: memref<1x2x256x32xf32, "ddr">, %v: memref<1x2x256x32xf32, "ddr">, %p: index, %before: !accel.event) -> !accel.event attributes {accel.kernel = "attend", dfc.origin = "model.layers.0:sdpa"} {
  %e = accel.launch on "attention" after(%before) ins(%q, %k, %v, %p : memref<1x2x1x32xf32, "sram">, memref<1x2x256x32xf32, "ddr">, memref<1x2x256x32xf32, "ddr">, index) outs(%q : memref<1x2x1x32xf32, "sram">) {
  ^bb0(%qv: tensor<1x2x1x32xf32>, %kv: tensor<1x2x256x32xf32>, %vv: tensor<1x2x256x32xf32>, %pos: index, %o: tensor<1x2x1x32xf32>):
    %y = attention.sdpa %qv, %kv, %vv at %pos {causal} : tensor<1x2x1x32xf32>, tensor<1x2x256x32xf32>, tensor<1x2x256x32xf32> -> tensor<1x2x1x32xf32>
    accel.yield %y : tensor<1x2x1x32xf32>
  }
  func.return %e : !accel.event
}
func.func private @load(%w: memref<4096xi8, "ddr">, %s: memref<4096xi8, "sram">, %before: !accel.event) -> !accel.event attributes {accel.kernel = "load"} {
  %e = tier.copy %w to %s after(%before) : memref<4096xi8, "ddr"> to memref<4096xi8, "sram">
  func.return %e : !accel.event
}
func.func @prefill(%w: memref<4096xi8, "ddr">) {
  %s = tier.alloc offset 256 : memref<4096xi8, "sram">
  %start = accel.start
  %e = func.call @load(%w, %s, %start) : (memref<4096xi8, "ddr">, memref<4096xi8, "sram">, !accel.event) -> !accel.event
  accel.wait %e
  func.return
}
func.func @decode(%w: memref<4096xi8, "ddr">, %k: memref<1x2x256x32xf32, "ddr">, %v: memref<1x2x256x32xf32, "ddr">, %p: index) {
  %s = tier.alloc offset 256 : memref<4096xi8, "sram">
  %q = tier.alloc offset 0 : memref<1x2x1x32xf32, "sram">
  %start = accel.start
  %e = func.call @load(%w, %s, %start) : (memref<4096xi8, "ddr">, memref<4096xi8, "sram">, !accel.event) -> !accel.event
  %f = func.call @attend(%q, %k, %v, %p, %e) : (memref<1x2x1x32xf32, "sram">, memref<1x2x256x32xf32, "ddr">, memref<1x2x256x32xf32, "ddr">, index, !accel.event) -> !accel.event
  accel.wait %f
  func.return
}
}
"""
LOAD = 8 + 100 + 50
"""Ticks of the copy: 8 to issue, 4,096 bytes at 40.96 a tick, 100 ns of latency at 500 MHz."""
KEY = (4 + 4 + 2 + 12) + (4 + 4 + 2 + 8)
"""Ticks per valid key: beats, waiting for the port, softmax and fill, of keys and of values."""


def model(**chosen: str):
    """The model, with overrides of its target."""
    table = ", ".join(f'"{key}" = {value}' for key, value in chosen.items())
    extra = f", accel.target_set = {{{table}}}" if chosen else ""
    return parse(MODEL.replace("SET", extra))


@pytest.fixture
def report() -> Report:
    """Four tokens in, three out."""
    return simulate_language_model(model(), prefill=4, decode=3)


def test_time_to_first_token_is_that_of_prefill(report: Report):
    assert report.ttft_s == pytest.approx(LOAD / 500e6)


def test_steps_are_at_their_positions(report: Report):
    assert [step.context for step in report.steps] == [4, 5, 6]
    # the attention launch is issued while the copy runs; position + 1 keys are valid
    assert [step.cycles for step in report.steps] == [
        LOAD + KEY * (position + 1) for position in (4, 5, 6)
    ]


def test_totals_are_over_prefill_and_every_step(report: Report):
    assert report.cycles == 4 * LOAD + KEY * (5 + 6 + 7)
    assert sum(row.cycles for row in report.kernels) == report.cycles
    assert sum(report.parts.values()) == report.cycles
    for row in report.kernels:
        assert sum(row.parts.values()) == row.cycles


def test_tokens_per_second_are_of_the_decode_steps(report: Report):
    seconds = (3 * LOAD + KEY * 18) / 500e6
    assert report.decode_tokens_per_s == pytest.approx(3 / seconds)


def test_kernels_have_their_bytes_unit_and_origin(report: Report):
    rows = {row.name: row for row in report.kernels}
    assert rows["load"].calls == 4
    assert rows["load"].tiers["ddr"].read_bytes == 4 * 4096
    assert rows["load"].tiers["sram"].written_bytes == 4 * 4096
    attend = rows["attend"]
    assert (attend.unit, attend.origin) == ("attention", "model.layers.0:sdpa")
    assert attend.tiers["ddr"].read_bytes == 2 * 18 * 2 * 32 * 4


def test_stalls_say_what_the_unit_waited_for(report: Report):
    rows = {row.name: row for row in report.kernels}
    # a key takes 8 ticks of its port and 4 of the lanes, a value too
    assert rows["attend"].stalls == {"port.keys": 18 * 4, "port.values": 18 * 4}
    assert rows["load"].stalls == {
        "tier.ddr": 4 * 100,
        "tier.ddr latency": 4 * 50,
        "control": 4 * 8,
    }


def test_tiers_have_peaks_and_traffic(report: Report):
    rows = {row.name: row for row in report.tiers}
    assert rows["sram"].peak_bytes == 256 + 4096
    assert rows["ddr"].peak_bytes == 4096 + 2 * 2 * 256 * 32 * 4
    assert rows["ddr"].read_bytes == 4 * 4096 + 2 * 18 * 2 * 32 * 4
    assert rows["ddr"].written_bytes == 0


def test_units_and_links_have_their_use(report: Report):
    busy = {row.name: row.busy_cycles for row in (*report.units, *report.links)}
    assert busy["attention"] == KEY * 18
    # the channel is taken by copies, and by launches that stream keys and values
    assert busy["tier.ddr"] == 4 * 100 + KEY * 18
    assert busy["array"] == 0


def test_energy_adds_up_from_operations_bytes_and_static_power():
    found = simulate_function(model(), "prefill")
    seconds = LOAD / 500e6
    expected = 0.5 * seconds + 4096 * (163 + 12.5) * 1e-12
    assert found.energy_j == pytest.approx(expected)


def test_energy_of_a_board_is_its_power_times_the_time():
    found = simulate_function(model(**{"power.total_w": "10 : i64"}), "prefill")
    assert found.energy_j == pytest.approx(10 * LOAD / 500e6)
    assert "prove no more" in found.notes[0]


def test_shares_of_evidence():
    found = simulate_function(model(**{"tier.ddr.latency_ns": "100 : i64"}), "prefill")
    assert found.assumed_share == pytest.approx(50 / LOAD)
    assert found.calibrated_share == 0


def test_contexts_are_one_step_each():
    found = simulate_language_model(model(), context=[10, 200], decode=1)
    assert [step.context for step in found.steps] == [10, 200]
    assert found.ttft_s is None
    first, second = found.steps
    assert second.cycles - first.cycles == 190 * KEY


def test_decode_from_a_context():
    found = simulate_language_model(model(), context=7, decode=2)
    assert [step.context for step in found.steps] == [7, 8]


def test_a_batch_multiplies_tokens():
    one = simulate_language_model(model(), context=7, decode=2)
    four = simulate_language_model(model(), context=7, decode=2, batch=4)
    assert one.decode_tokens_per_s is not None
    assert four.decode_tokens_per_s == pytest.approx(4 * one.decode_tokens_per_s)


def test_the_target_limits_the_length():
    module = model(**{"max_tokens": "8 : i64"})
    simulate_language_model(module, prefill=4, decode=4)
    with pytest.raises(ModelError, match="at most 8 tokens"):
        simulate_language_model(module, prefill=5, decode=4)


def test_json_has_stable_names(report: Report, tmp_path: Path):
    found = json.loads(report.to_json())
    for name in ("cycles", "latency_s", "energy_j", "assumed_share", "steps"):
        assert name in found
    report.save(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == found
    with pytest.raises(DfcError, match=r"ends in \.json"):
        report.save(tmp_path / "r.pdf")


def test_a_model_without_tokens_leaves_their_figures_out():
    found = json.loads(simulate_function(model(), "prefill").to_json())
    assert "ttft_s" not in found


def test_records_end_with_the_latency():
    timeline = Simulator(model()).record("decode", {3: 5})
    assert timeline.cycles == max(record.end for record in timeline.records)
    assert timeline.cycles == Simulator(model()).call("decode", {3: 5}).cycles
