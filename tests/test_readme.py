"""Every command and every Python example of the README, run as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# `make test` is what runs this file.
LEFT_OUT = "make test"
# Those that trace a model of full size or run one at every level.
SLOW = ("make demo", "dfc simulate", "--check", "-t host")


def blocks(language: str) -> list[str]:
    """The fenced blocks of the README in one language."""
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands() -> list[str]:
    """The lines of the shell blocks, comments taken off."""
    lines = [
        line.split("  #")[0].strip() for line in "".join(blocks("sh")).splitlines()
    ]
    return [line for line in lines if line and not line.startswith(("#", LEFT_OUT))]


def marked(command: str):
    """A command as a test parameter, marked when it takes long."""
    marks = [pytest.mark.slow] if any(part in command for part in SLOW) else []
    return pytest.param(command, id=command, marks=marks)


@pytest.mark.parametrize("command", [marked(command) for command in commands()])
def test_command(command: str):
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    run = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("python"))
def test_python_example(code: str):
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
