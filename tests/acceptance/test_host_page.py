"""The examples of the host engine's page, run as they stand there."""

import re
import shlex
from pathlib import Path

import pytest

from dfc.cli import status

PAGE = Path(__file__).parents[2] / "docs" / "host-engine.md"
FIRST = PAGE.read_text().partition("## Using it")[2].partition("\n## ")[0]


def blocks(language: str) -> list[str]:
    """The fenced blocks of the page's first section in one language."""
    return re.findall(rf"```{language}\n(.*?)```", FIRST, re.DOTALL)


def test_every_example_is_found():
    assert [len(blocks(language)) for language in ("python", "sh")] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("python"))
def test_python(code: str, capsys: pytest.CaptureFixture[str]):
    exec(code, {})
    assert capsys.readouterr().out.startswith("torch.Size([1, 3, 512]) 0.")


@pytest.mark.slow
@pytest.mark.parametrize("command", "".join(blocks("sh")).splitlines())
def test_command(command: str, capsys: pytest.CaptureFixture[str]):
    program, *args = shlex.split(command)
    assert program == "dfc"
    assert status(args) == 0
    assert "check passed" in capsys.readouterr().out
