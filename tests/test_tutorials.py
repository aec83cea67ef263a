"""The tutorials do what they say: their files are written, and their commands run."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tutorials" / "own-unit-kind.md").read_text()
INSTALL = "pip install --editable ."
"""What the test does itself: the package's folder on the path, with the entry points of its file."""


def files() -> dict[str, str]:
    """The files that the page shows, by name."""
    found = re.findall(r'```\w+ title="(.*?)"\n(.*?)```', PAGE, re.DOTALL)
    return dict(found)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command of the page, in the folder of its files."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The tutorial's folder, as it is once installed."""
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    project = tomllib.loads(files()["pyproject.toml"])["project"]
    info = (
        tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    )
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head)
    groups = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    return tmp_path


def test_the_kind_and_its_package_are_under_60_lines():
    parts = files()
    lines = [
        line for text in parts.values() for line in text.splitlines() if line.strip()
    ]
    assert {"adder_tree.py", "pyproject.toml"} <= set(parts)
    assert len(lines) < 60


def commands() -> list[str]:
    """What the page runs after installing."""
    first, *rest = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()
    assert first == INSTALL
    return rest


def test_the_target_with_the_kind_is_shown(package: Path):
    shown = run(commands()[0], package)
    assert shown.returncode == 0, shown.stderr
    assert "unit.trees.width" in shown.stdout


@pytest.mark.slow
def test_a_model_runs_on_the_unit(package: Path):
    shown = run(commands()[1], package)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"q_proj\s+trees", shown.stdout), shown.stdout


def test_a_wrong_key_is_answered_as_the_page_says(package: Path):
    command = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)[0]
    said = PAGE.split(command)[1].splitlines()[1].removesuffix("…").strip()
    failed = run(command, package)
    assert failed.returncode == 1
    assert said in failed.stdout + failed.stderr
