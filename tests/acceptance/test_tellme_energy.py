"""The energy of a token on the KV260: the board's, its dynamic part, and the bottom-up estimate beside it."""

import re
from pathlib import Path

import pytest
from tellme_testing import large

from dfc.runtime.machine import load_target
from dfc.runtime.simulator import Simulator
from dfc.runtime.simulator.summary import Energy

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "machines" / "tellme-kv260.md"


def rows() -> dict[str, str]:
    """The table of the page's section on energy: first column and last."""
    section = PAGE.read_text().split("## Energy\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\| (.*?) \|.* (\S+) \|$", section, re.MULTILINE)
    return dict(lines)


def test_the_page_says_what_a_token_takes():
    target = load_target("tellme-kv260")
    simulator = Simulator(large().module("program"), target)
    arguments = simulator.planner.functions["decode"].body.block.args
    position = {arg.index: 64 for arg in arguments if str(arg.type) == "index"}
    call, energy = simulator.call("decode", position), Energy(target)
    seconds = call.cycles / float(target.ticks_per_second)
    dynamic = target.power.board_dynamic_watts(1) * seconds
    found = energy.dynamic_joules(call)
    assert energy.joules(call) == pytest.approx(4.8 * seconds)
    shown = rows()
    assert float(shown["board power x time"]) == pytest.approx(
        energy.joules(call) * 1e3, rel=0.01
    )
    assert float(shown["of it dynamic, by the assumed split"]) == pytest.approx(
        dynamic * 1e3, rel=0.01
    )
    assert float(shown["bottom up, operations and bytes"]) == pytest.approx(
        found * 1e3, rel=0.01
    )
    assert float(shown["dynamic over bottom up"]) == pytest.approx(
        dynamic / found, rel=0.01
    )
