"""The rules of docs/contributing.md that a machine can hold: names, docstrings, tests beside each part."""

import inspect
import runpy
from pathlib import Path

import pytest
from xdsl.irdl import IRDLOperation

from dfc.passes import PASSES, class_name, get_all_passes
from dfc.runtime.machine import list_targets, load_target
from dfc.universe import DFC_UNIVERSE

ROOT = Path(__file__).parents[1]
OPS = [
    pytest.param(op, id=op.name)
    for dialect in DFC_UNIVERSE.all_dialects.values()
    for op in dialect().operations
]


def module(name: str) -> str:
    """The file stem that belongs to a name."""
    return name.replace("-", "_")


def test_every_pass_file_is_listed():
    files = {path.stem for path in (ROOT / "passes").glob("*.py")} - {"__init__"}
    assert files == {module(name) for name in PASSES}


@pytest.mark.parametrize("name", PASSES)
def test_pass_class_has_the_derived_name(name: str):
    cls = get_all_passes()[name]()
    assert (cls.name, cls.__name__) == (name, class_name(name))


@pytest.mark.parametrize("name", PASSES)
def test_pass_docstring_shows_the_rewrite(name: str):
    doc = inspect.getmodule(get_all_passes()[name]()).__doc__
    first, *rest = doc.strip().split("\n")
    assert first.endswith(".")
    assert any(line.strip() == "-->" for line in rest)


@pytest.mark.parametrize("name", PASSES)
def test_pass_options_have_docstrings(name: str):
    for option, text in passes_page()["pass_options"](name):
        assert text, f"`{option}` of {name} has no docstring under it"


@pytest.mark.parametrize("name", PASSES)
def test_pass_has_a_text_test_with_a_case_where_nothing_happens(name: str):
    text = (ROOT / f"tests/filecheck/passes/{module(name)}.mlir").read_text()
    assert f"-p {name}" in text or f"-p '{name}" in text or f"{name}{{" in text
    functions = [line for line in text.splitlines() if "CHECK-LABEL" in line]
    assert len(functions) >= 2, "expected a case that fires and one that does not"


@pytest.mark.parametrize("name", PASSES)
def test_pass_has_a_meaning_test(name: str):
    assert (ROOT / f"tests/passes/test_{module(name)}.py").exists()


@pytest.mark.parametrize("op", OPS)
def test_op_example_is_a_tested_line(op: type[IRDLOperation]):
    lines = inspect.cleandoc(op.__doc__ or "").splitlines()
    examples = [
        line.strip() for line in lines if line[:4].isspace() and op.name in line
    ]
    assert examples, f"the docstring of {op.name} has no indented example"
    tested = ROOT / f"tests/filecheck/dialects/{op.name.split('.')[0]}/ops.mlir"
    stripped = {line.strip() for line in tested.read_text().splitlines()}
    assert stripped.issuperset(examples[:1])


@pytest.mark.parametrize("dialect", DFC_UNIVERSE.all_dialects)
def test_dialect_has_its_files(dialect: str):
    loaded = DFC_UNIVERSE.all_dialects[dialect]()
    assert loaded.name == dialect
    assert all(op.__name__.endswith("Op") for op in loaded.operations)
    assert all(a.__name__.endswith(("Type", "Attr")) for a in loaded.attributes)
    assert (ROOT / f"docs/dialects/{dialect}.md").exists()
    for file in ("ops", "invalid"):
        assert (ROOT / f"tests/filecheck/dialects/{dialect}/{file}.mlir").exists()


@pytest.mark.parametrize("name", list_targets())
def test_shipped_target_reads_and_says_where_its_numbers_come_from(name: str):
    target = load_target(name)
    assert target.name == name
    assert target.source
    assert (ROOT / f"docs/machines/{name}.md").exists()


def test_passes_page_is_fresh():
    page = passes_page()
    assert page["PAGE"].read_text() == page["page"](), (
        "run `python scripts/passes_page.py`"
    )


def passes_page():
    """The names of the script that writes docs/passes.md."""
    return runpy.run_path(str(ROOT / "scripts" / "passes_page.py"))
