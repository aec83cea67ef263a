"""`dfc graph`: runs of stream graphs by name, their pictures, and what is refused."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from xdsl.dialects.builtin import ModuleOp

from dfc.cli import status
from dfc.driver import new_context, parse_module
from dfc.errors import InputError
from dfc.passes.stream_size_fifos import StreamSizeFifosPass
from dfc.runtime.graph import DeadlockError
from dfc.stream_graphs import run_graphs

FILE = Path(__file__).parents[1] / "filecheck" / "cli" / "graph.mlir"


def module(depth: int = 6) -> ModuleOp:
    text = FILE.read_text().replace("depth 6", f"depth {depth}")
    return parse_module(text, new_context())


def test_a_full_fifo_is_charged_and_marked():
    """A row of 4 and a token fit: the source waits a cycle in each of the two later rows."""
    (whole,), (tight,) = run_graphs(module()), run_graphs(module(5))
    long = {row["name"]: row for row in tight.fifo_rows()}["long"]
    assert tight.run.cycles > whole.run.cycles
    assert long["blocked_cycles"] > 0
    assert long["peak_occupancy"] == 5
    strong = [link for link in tight.picture().links if link.strong]
    assert [link.label[0] for link in strong] == ["5 of 5"]
    assert not any(link.strong for link in whole.picture().links)


def test_a_sized_fifo_says_why():
    sized = module()
    StreamSizeFifosPass().apply(new_context(), sized)
    (graph,) = run_graphs(sized)
    reasons = {row["name"]: row["reason"] for row in graph.fifo_rows()}
    # rows of 4, of which the two later ones wait
    assert reasons.pop("long") == "a depth of 5 takes 2 cycles more"
    assert set(reasons.values()) == {""}


def test_a_row_that_does_not_fit_is_a_deadlock_of_named_nodes():
    with pytest.raises(
        InputError, match=r"^graph `softmax`: .*`exp`.*`long` \(depth 3\)"
    ) as error:
        run_graphs(module(3))
    assert isinstance(error.value.__cause__, DeadlockError)


def test_an_unknown_kernel_gets_a_suggestion():
    with pytest.raises(InputError, match="did you mean `softmax`"):
        run_graphs(module(), ["softmx"])


def test_a_module_without_graphs_says_what_to_do():
    with pytest.raises(InputError, match="lower it to level tiled"):
        run_graphs(ModuleOp([]))


def test_the_picture_has_the_numbers_of_the_run(tmp_path: Path):
    path = tmp_path / "x.svg"
    assert status(["graph", str(FILE), "-o", str(path)]) == 0
    texts = {e.text for e in ElementTree.parse(path).iter()}
    assert {"exp", "rowsum", "12 firings", "6 of 6"} <= texts


def test_a_model_needs_a_target(capsys: pytest.CaptureFixture[str]):
    assert status(["graph", "zoo:llama-tiny"]) == 1
    assert "expected a target with -t" in capsys.readouterr().err


def test_a_deadlock_exits_with_one_and_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "tight.mlir"
    path.write_text(FILE.read_text().replace("depth 6", "depth 3"))
    assert status(["graph", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
