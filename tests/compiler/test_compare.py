"""`dfc compare`: changes that add up, their causes, and the values of the target behind them."""

import json
from pathlib import Path

import pytest
from report_testing import language_model_report

from dfc.cli import status
from dfc.compare import Change, compare
from dfc.runtime.report import Report

RATE = "tier.ddr.gb_per_s"


@pytest.fixture(scope="module")
def before() -> Report:
    """The model on the small machine."""
    return language_model_report()


@pytest.fixture(scope="module")
def after() -> Report:
    """The same with a memory of half the rate."""
    return language_model_report(**{RATE: "12.8 : f64"})


def test_causes_and_kernels_add_up_to_the_change_of_the_time(
    before: Report, after: Report
):
    found = compare(before, after)
    change = after.latency_s - before.latency_s
    assert change > 0
    assert sum(c.difference for c in found.causes_s) == pytest.approx(change)
    assert sum(k.seconds.difference for k in found.kernels) == pytest.approx(change)


def test_the_cause_is_what_became_slower(before: Report, after: Report):
    found = compare(before, after)
    # four loads of 4,096 bytes at 40.96, then at 20.48 bytes a tick of 2 ns
    assert found.causes_s[0].name == "tier.ddr: transfer"
    assert found.causes_s[0].difference == pytest.approx(4 * 100 * 2e-9)
    assert found.kernels[0].name == "load"
    assert found.kernels[0].cause is not None
    assert found.kernels[0].cause.name == "tier.ddr: transfer"


def test_the_values_of_the_target_that_differ_are_named(before: Report, after: Report):
    found = compare(before, after)
    assert [(row.key, row.before, row.after) for row in found.target] == [
        (RATE, 25.6, 12.8)
    ]
    assert f"`{RATE}` is 12.8 instead of 25.6" in found.summary[-1]


def test_a_value_that_only_one_gives_is_said_to_be_missing(before: Report):
    found = compare(
        before,
        before.model_copy(
            update={"target_values": {**before.target_values, "clock_scale": 0.5}}
        ),
    )
    assert (
        found.summary[-1] == "in the target, `clock_scale` is 0.5 instead of not given"
    )


def test_what_is_the_same_is_left_out(before: Report):
    found = compare(before, before)
    assert (found.causes_s, found.kernels, found.target) == ((), (), ())
    assert found.figures == ()
    assert found.tiers_bytes == found.energy_parts_j == ()
    assert found.summary == (
        f"the time is the same, {before.latency_s:.4g} s",
        "the target is the same",
    )


def test_other_clocks_are_compared_in_seconds(before: Report):
    # every cycle takes half the time; the memory is stated in GB/s and does not follow
    fast = language_model_report(**{"clock_mhz": "1000 : i64"})
    found = compare(before, fast)
    assert sum(c.difference for c in found.causes_s) == pytest.approx(
        fast.latency_s - before.latency_s
    )


def test_a_kernel_that_only_one_has(before: Report):
    fewer = before.model_copy(update={"kernels": before.kernels[:1]})
    (row,) = compare(before, fewer).kernels
    assert (row.name, row.seconds.after, row.calls.after) == (
        before.kernels[1].name,
        None,
        None,
    )


def test_bytes_that_changed_are_there_though_the_time_did_not(before: Report):
    first = before.tiers[0]
    more = first.model_copy(update={"read_bytes": first.read_bytes + 64})
    other = before.model_copy(update={"tiers": (more, *before.tiers[1:])})
    assert compare(before, other).tiers_bytes == (
        Change(f"{first.name} read", first.read_bytes, first.read_bytes + 64),
    )


def test_the_command_prints_what_changed(
    before: Report, after: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    files = [str(tmp_path / name) for name in ("a.json", "b.json")]
    for report, file in zip((before, after), files, strict=True):
        report.save(file)
    assert status(["compare", *files]) == 0
    out = capsys.readouterr().out
    assert "`tier.ddr: transfer` +8e-07 s" in out
    assert RATE in out
    assert status(["compare", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["target"] == [{"key": RATE, "before": 25.6, "after": 12.8}]


def test_a_file_that_is_no_report_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "a.json"
    file.write_text("{}")
    assert status(["compare", str(file), str(file)]) == 1
    assert "where target: Field required" in capsys.readouterr().err
