"""docs/streaming-attention.md says what the compiler computes."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def script() -> ModuleType:
    spec = spec_from_file_location(
        "streaming_page", ROOT / "scripts" / "streaming_page.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(name: str) -> dict[str, list[str]]:
    """The rows of a table of the page by their first cell."""
    page = (ROOT / "docs" / "streaming-attention.md").read_text()
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", page, re.DOTALL)
    assert found is not None
    lines = [line.strip("|").split("|") for line in found[1].split("\n") if line]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}


def test_the_memory_table_says_what_graphs_keep():
    made, table = script(), rows("memory")
    for name in made.SCHEDULES:
        assert table[name][0] == made.shown(made.stored(name, made.MEMORY_LENGTHS[0]))
    for name in ("unified_max", "streaming", "reversed", "windowed"):
        assert len(set(table[name])) == 1, f"{name} grows"


def test_the_cycle_table_says_what_the_engine_counts():
    made, table = script(), rows("cycles")
    first = made.CYCLE_LENGTHS[0]
    for name in ("naive", "reordered", "streaming"):
        found = made.attention(name, first).cycles()
        assert table[f"{name}, folded"][0] == made.shown(found)


@pytest.mark.slow
def test_the_page_is_as_the_script_writes_it():
    page = ROOT / "docs" / "streaming-attention.md"
    assert script().page(page.read_text()) == page.read_text()
