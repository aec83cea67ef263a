"""`dfc simulate -o --report --trace`: three files of one run, and kinds of files that are refused before any work."""

import json
from pathlib import Path

import pytest

from dfc.cli import status

RUN = (
    "simulate",
    "zoo:llama-tiny",
    "-t",
    "tiny-npu",
    "--prefill",
    "4",
    "--decode",
    "2",
)


def test_the_files_are_of_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    files = [tmp_path / name for name in ("r.json", "r.html", "t.json")]
    options = ("-o", files[0], "--report", files[1], "--trace", files[2])
    assert status([*RUN, *map(str, options), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    report, page, trace = (file.read_text() for file in files)
    assert json.loads(report) == printed
    assert json.dumps(printed, separators=(",", ":")) in page
    events = json.loads(trace)["traceEvents"]
    ends = [event["args"].get("done_tick", 0) for event in events if "args" in event]
    assert max(ends) == printed["cycles"]


@pytest.mark.parametrize(
    ("option", "file", "kinds"),
    [
        ("--report", "r.pdf", "`.html` or `.json`"),
        ("--trace", "t.html", "`.json`"),
        ("-o", "r.html", "`.json`"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    option: str, file: str, kinds: str, capsys: pytest.CaptureFixture[str]
):
    # the model does not exist: the file is looked at first
    assert status(["simulate", "zoo:none", "-t", "none", option, file]) == 1
    said = capsys.readouterr().err
    assert (
        said == f"error: expected an output file that ends in {kinds}, got `{file}`\n"
    )
