"""The documented fields of a report: every one has a meaning, the pages are fresh, and JSON reads back."""

import json
import pickle
import runpy
from pathlib import Path

import pytest
from report_testing import language_model_report

from dfc.runtime.report import FifoRow, Report

FIELDS = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "report_fields.py"))


@pytest.mark.parametrize("row", FIELDS["ROWS"])
def test_every_field_has_a_meaning(row: type):
    for name, field in row.model_fields.items():
        assert field.description, f"`{row.__name__}.{name}` has no docstring under it"


def test_every_row_is_on_the_page():
    named = set(json.loads(FIELDS["schema"]())["$defs"]) | {"Report"}
    assert named == {row.__name__ for row in FIELDS["ROWS"]}


def test_the_page_and_the_schema_are_fresh():
    hint = "run `python scripts/report_fields.py`"
    assert FIELDS["PAGE"].read_text() == FIELDS["page"](), hint
    assert FIELDS["SCHEMA"].read_text() == FIELDS["schema"](), hint


def test_a_report_reads_back_what_it_wrote(tmp_path: Path):
    fifo = FifoRow(kernel="k", name="a to b", depth=None, peak_occupancy=3, stalls={})
    report = language_model_report().model_copy(update={"fifos": (fifo,)})
    report.save(tmp_path / "r.json")
    read = Report.read(tmp_path / "r.json")
    assert read.model_dump() == report.model_dump()


def test_a_pickled_report_leaves_its_program_behind():
    report = language_model_report()
    read = pickle.loads(pickle.dumps(report))
    assert read.model_dump() == report.model_dump()
    assert read.recording is None
    assert report.recording is not None
    assert report.model_copy().recording is report.recording


def test_the_schema_names_what_a_report_writes():
    schema = json.loads(FIELDS["schema"]())
    written = json.loads(language_model_report().to_json())
    assert set(written) <= set(schema["properties"])
    assert set(schema["required"]) <= set(written)
    kernel = schema["$defs"]["KernelRow"]["properties"]
    assert set(written["kernels"][0]) == set(kernel)
