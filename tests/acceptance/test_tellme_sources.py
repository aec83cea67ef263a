"""Measured results stand in no code, and the page of the board is up to date."""

import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("compiler", "dialects", "passes", "runtime", "scripts", "benchmarks")
MEASURED = {0.45, 25.0, 5.2, 14.3}
"""Seconds to the first token, tokens per second and per joule, milliseconds of attention."""
PAGE = ROOT / "docs" / "machines" / "tellme-kv260.md"


def files(ending: str) -> list[Path]:
    """The project's files with this ending."""
    return [path for folder in FOLDERS for path in (ROOT / folder).rglob(f"*{ending}")]


def literals(path: Path) -> Iterator[float]:
    """The numbers of a Python file, whatever the power of ten."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.NUMBER and re.fullmatch(
                r"[\d._]+(e-?\d+)?", token.string
            ):
                yield float(token.string.partition("e")[0])


def values(table: object) -> Iterator[float]:
    """The numbers of a TOML file."""
    if isinstance(table, dict):
        for value in table.values():
            yield from values(value)
    elif isinstance(table, list):
        for value in table:
            yield from values(value)
    elif isinstance(table, int | float):
        yield float(table)


def test_no_measured_result_stands_in_code():
    paths = files(".py")
    assert len(paths) > 100
    for path in paths:
        assert not MEASURED & set(literals(path)), path


def test_no_measured_result_is_a_number_of_a_target_or_of_the_zoo():
    paths = files(".toml")
    assert any(path.stem == "tellme-kv260" for path in paths)
    for path in paths:
        assert not MEASURED & set(values(tomllib.loads(path.read_text()))), path


def test_what_is_calibrated_is_named_with_its_measurement():
    text = (ROOT / "runtime" / "targets" / "tellme-kv260.toml").read_text()
    lines = [line for line in text.splitlines() if "calibrated =" in line]
    assert len(lines) == 4  # two are readings of the same
    found = re.findall(r"\b(0\.45|25|14\.3)\b", "".join(lines))
    assert sorted(found) == ["0.45", "14.3", "25", "25"]
    others = "".join(line for line in text.splitlines() if line not in lines)
    assert not re.search(r"(?<![\d.])(0\.45|25|5\.2|14\.3)(?![\d.]*\d)", others)


@pytest.mark.slow
@pytest.mark.parametrize("reading", ["controller", "port"])
def test_the_page_shows_what_the_command_prints(reading: str):
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from context_table import table
    finally:
        sys.path.pop(0)
    overrides = (
        {} if reading == "controller" else {"tier.ddr.efficiency_applies": reading}
    )
    made = table("zoo:bitnet-b1.58-large", "tellme-kv260", (64, 256, 1000), overrides)
    assert made in PAGE.read_text()
