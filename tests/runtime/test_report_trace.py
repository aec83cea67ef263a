"""Traces: the format's rules, the report's bytes and end, and arrows from copies to the launches that wait for them."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from report_testing import language_model_report

from dfc.runtime.errors import DfcError
from dfc.runtime.report import Report


@pytest.fixture(scope="module")
def report() -> Report:
    """Two kernels, a prompt and three steps."""
    return language_model_report()


@pytest.fixture(scope="module")
def events(report: Report, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """The events of its trace."""
    path = tmp_path_factory.mktemp("trace") / "t.json"
    report.save_trace(path)
    found = json.loads(path.read_text())
    assert found["displayTimeUnit"] == "ns"
    return found["traceEvents"]


def test_slices_of_a_thread_never_overlap(events: list[dict]):
    threads: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events:
        if event["ph"] == "X":
            place = threads.setdefault((event["pid"], event["tid"]), [])
            place.append((event["ts"], event["ts"] + event["dur"]))
    assert len(threads) > 4
    for slices in threads.values():
        slices.sort()
        for (_, end), (start, _) in pairwise(slices):
            assert end <= start + 1e-9


def test_every_process_and_thread_has_a_name(events: list[dict]):
    names = {e["pid"] for e in events if e["name"] == "process_name"}
    assert {e["pid"] for e in events} == names
    threads = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    used = {(e["pid"], e["tid"]) for e in events if e["ph"] in "Xsf"}
    assert used == threads | {(1, 1)}


def test_arrows_go_from_copies_to_the_launches_that_wait_for_them(events: list[dict]):
    starts = {(e["pid"], e["tid"], e["ts"]): e for e in events if e["ph"] == "X"}
    ends: dict[int, dict[str, dict]] = {}
    for event in events:
        if event["ph"] in "sf":
            ends.setdefault(event["id"], {})[event["ph"]] = event
    assert ends
    for arrow in ends.values():
        copy, launch = (
            starts[arrow[end]["pid"], arrow[end]["tid"], arrow[end]["ts"]]
            for end in ("s", "f")
        )
        assert (copy["cat"], launch["cat"]) == ("load", "attend")
        assert copy["args"]["done_tick"] <= launch["args"]["start_tick"]
        assert arrow["f"]["bp"] == "e"


def test_the_last_event_ends_the_run(report: Report, events: list[dict]):
    last = max(
        e["args"]["done_tick"] for e in events if "done_tick" in e.get("args", {})
    )
    assert last == report.cycles
    calls = [e for e in events if e["ph"] == "X" and e["pid"] == 1]
    assert max(e["args"]["end_tick"] for e in calls) == report.cycles
    assert max(e["ts"] + e["dur"] for e in calls) == pytest.approx(
        report.latency_s * 1e6, abs=1e-3
    )


def test_bytes_of_the_slices_are_those_of_the_memories(
    report: Report, events: list[dict]
):
    moved = Counter[str]()
    for event in events:
        for key, size in event.get("args", {}).items():
            if key.endswith("_bytes"):
                moved[key] += size
    for row in report.tiers:
        assert moved[f"{row.name}_read_bytes"] == row.read_bytes
        assert moved[f"{row.name}_written_bytes"] == row.written_bytes


def test_memory_counters_stay_under_the_peak(report: Report, events: list[dict]):
    peaks = {row.name: row.peak_bytes for row in report.tiers}
    counters = [e for e in events if e["ph"] == "C" and e["name"] != "power"]
    assert {e["name"] for e in counters} == {"sram", "ddr"}
    for event in counters:
        assert event["args"]["bytes"] <= peaks[event["name"]]


def test_a_trace_is_json(report: Report, tmp_path: Path):
    with pytest.raises(DfcError, match=r"ends in \.json"):
        report.save_trace(tmp_path / "t.pftrace")


def test_the_power_counter_is_that_of_the_recording(report: Report, events: list[dict]):
    watts = [e["args"]["W"] for e in events if e["ph"] == "C" and e["name"] == "power"]
    assert watts == [value for _, value in report.recording.power]
