"""The page of a report without a browser: what is in it, what must not be, and that its script parses."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from report_testing import language_model_report

from dfc.runtime.errors import DfcError
from dfc.runtime.report import Report
from dfc.runtime.report.page import embedded, page, script


@pytest.fixture(scope="module")
def report() -> Report:
    """Two kernels, a prompt and three steps."""
    return language_model_report()


@pytest.fixture(scope="module")
def text(report: Report) -> str:
    """The page."""
    return page(report)


def data_of(text: str) -> dict:
    """The JSON that the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found
    return json.loads(found[1])


def test_the_page_holds_the_report_as_its_json(report: Report, text: str):
    assert data_of(text)["report"] == json.loads(report.to_json())


def test_the_page_holds_every_span(report: Report, text: str):
    spans, timeline = report.recording.spans, data_of(text)["timeline"]
    for at, span in enumerate(spans):
        assert timeline["resources"][timeline["resource"][at]] == span.resource
        assert timeline["kernels"][timeline["kernel"][at]] == span.kernel
        assert timeline["names"][timeline["name"][at]] == span.name
    assert timeline["start"] == [span.start for span in spans]
    assert timeline["length"] == [span.end - span.start for span in spans]
    assert timeline["busy"] == [span.busy for span in spans]


def test_busy_time_of_the_spans_is_that_of_the_table(text: str):
    data = data_of(text)
    timeline = data["timeline"]
    for at, name in enumerate(timeline["resources"]):
        busy = sum(
            n
            for n, resource in zip(timeline["busy"], timeline["resource"], strict=True)
            if resource == at
        )
        rows = data["report"]["units"] + data["report"]["links"]
        (row,) = (r for r in rows if r["name"] == name.removeprefix("unit."))
        assert busy == row["busy_cycles"]


def test_memory_never_stands_above_its_peak(text: str):
    data = data_of(text)
    peaks = {row["name"]: row["peak_bytes"] for row in data["report"]["tiers"]}
    for tier, (_, sizes) in data["timeline"]["occupancy"].items():
        assert max(sizes) <= peaks[tier]


def test_no_point_stands_above_a_roof(text: str):
    data = data_of(text)
    units = {r["name"]: r.get("peak_operations_per_s") for r in data["report"]["units"]}
    rates = {r["name"]: r.get("bytes_per_s") for r in data["report"]["tiers"]}
    assert data["points"]
    for point in data["points"]:
        roof = max(units[name] for name in point["unit"].split(", "))
        assert point["operations_per_s"] <= roof
        for tier, intensity in point["operations_per_byte"].items():
            if rates[tier]:
                assert point["operations_per_s"] <= 1.0001 * intensity * rates[tier]


def test_the_page_asks_for_nothing_from_outside(text: str):
    assert "default-src 'none'" in text
    without_namespaces = text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|\bsrc=|@import|\burl\(", without_namespaces)


def test_no_placeholder_is_left(text: str):
    assert not re.search(r"@[A-Z]+@", text)


def test_a_name_cannot_leave_the_script_it_stands_in():
    assert "</script>" not in embedded({"name": "</script><b>"})
    assert json.loads(embedded({"name": "</script>"})) == {"name": "</script>"}


def test_a_report_from_a_file_has_a_page_without_a_time_line(
    report: Report, tmp_path: Path
):
    report.save(tmp_path / "r.json")
    read = Report.read(tmp_path / "r.json")
    assert read.to_json() == report.to_json()
    read.save(tmp_path / "r.html")
    assert data_of((tmp_path / "r.html").read_text())["timeline"] is None
    with pytest.raises(DfcError, match="simulate again"):
        read.save_trace(tmp_path / "t.json")


def test_a_wrong_file_is_named(tmp_path: Path):
    wrong = tmp_path / "r.json"
    wrong.write_text('{"target": "x", "cycles": "many"}')
    with pytest.raises(DfcError, match=r"r\.json` where cycles"):
        Report.read(wrong)
    with pytest.raises(DfcError, match="cannot read"):
        Report.read(tmp_path / "none.json")


@pytest.mark.skipif(not shutil.which("node"), reason="no node to read the script with")
def test_the_script_parses(tmp_path: Path):
    file = tmp_path / "page.js"
    file.write_text(script())
    subprocess.run(["node", "--check", file], check=True, capture_output=True)
