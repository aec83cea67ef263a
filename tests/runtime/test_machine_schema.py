"""Tests of the JSON schema: it is up to date, and says of files what reading them says."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dfc.runtime.errors import TargetError
from dfc.runtime.machine import list_targets, parse_target
from dfc.runtime.machine.schema import schema_text, target_schema

ROOT = Path(__file__).parents[2]
FOLDER = resources.files("dfc.runtime.targets")
TINY = (FOLDER / "tiny-npu.toml").read_text()


def errors(text: str) -> list[str]:
    """What the schema says is wrong with a file."""
    found: Any = Draft202012Validator(target_schema())
    return [error.message for error in found.iter_errors(tomllib.loads(text))]


def test_the_schema_is_one():
    Draft202012Validator.check_schema(target_schema())


def test_the_shipped_schema_is_fresh():
    written = (ROOT / "docs/machines/target.schema.json").read_text()
    assert written == schema_text(), "run `python scripts/target_schema.py`"


@pytest.mark.parametrize("name", list_targets())
def test_shipped_targets_meet_the_schema(name: str):
    assert errors((FOLDER / f"{name}.toml").read_text()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rows = 32", "row = 32"),
        ("rows = 32", "rows = 0"),
        ("rows = 32", 'rows = "32"'),
        ("rows = 32", "rows = 3.5"),
        ("rows = 32", 'rows = { value = 32, assumed = "a", source = "b" }'),
        ("rows = 32", "rows = { value = 32 }"),
        ('kind = "systolic"', 'kind = "sistolic"'),
        ("clock_mhz = 500", ""),
        ("efficiency = 0.8", "efficiency = 1.5"),
        ('direction = "write"', 'direction = "out"'),
    ],
)
def test_what_the_schema_refuses_the_reader_refuses(old: str, new: str):
    text = TINY.replace(old, new, 1)
    assert text != TINY
    assert errors(text)
    with pytest.raises(TargetError):
        parse_target(text, "tiny-npu.toml")


def test_a_number_is_bare_or_has_its_evidence():
    text = TINY.replace("rows = 32", 'rows = { value = 32, assumed = "a guess" }', 1)
    assert errors(text) == []


def test_a_file_with_a_base_needs_a_name_only():
    assert errors('name = "mine"\nbase = "tiny-npu"\n') == []
    assert errors('name = "mine"\n')
