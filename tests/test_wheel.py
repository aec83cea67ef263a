"""The package list and the package data of pyproject.toml are those of the source folders."""

import runpy
import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def source_files() -> set[Path]:
    """The files that a wheel must hold, as paths inside it."""
    check = runpy.run_path(str(ROOT / "scripts" / "check_wheel.py"))
    return {Path(name) for name in check["source_files"]()}


def test_every_folder_is_a_package():
    folders = {".".join(path.parent.parts) for path in source_files()}
    assert folders == set(SETUPTOOLS["packages"])


def test_every_file_is_code_or_data():
    patterns = [p for values in SETUPTOOLS["package-data"].values() for p in values]
    patterns.append("*.py")
    for path in source_files():
        assert any(fnmatch(path.name, pattern) for pattern in patterns), path
