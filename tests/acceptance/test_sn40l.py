"""Decode on one socket beside other boards: bound by the memory, at the share of its peak that the page says."""

import re
from pathlib import Path

import pytest

from dfc import simulate
from dfc.runtime.machine import load_target

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "machines" / "sn40l.md"
ROWS = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+)% \|$", PAGE.read_text(), re.M)
WEIGHTS = 6_738_415_616 - 32_000 * 4096
"""Parameters of llama2-7b without its embedding table, of which a token reads one row."""
CACHE = 2 * 32 * 4096 * 4096
"""Keys and values of 4,096 positions."""


@pytest.mark.parametrize(("name", "tokens", "share"), ROWS)
def test_decode_of_llama2_7b(name: str, tokens: str, share: str):
    found = simulate("zoo:llama2-7b", name, context=4095)
    assert found.decode_tokens_per_s == pytest.approx(float(tokens), rel=1e-3)
    (memory,) = [row for row in found.tiers if row.name == "hbm"]
    # two bytes each; activations are less than a hundredth beside them
    assert memory.read_bytes == pytest.approx(2 * (WEIGHTS + CACHE), rel=0.01)
    rate = load_target(name).tier["hbm"].gb_per_s
    assert rate is not None
    reached = memory.read_bytes / found.latency_s / (float(rate) * 1e9)
    assert 100 * reached == pytest.approx(float(share), abs=0.06)
    # the two bounds: not below the bytes at what the memory reaches
    assert reached <= float(
        load_target(name).tier["hbm"].efficiency_of("sequential").exact
    )


def test_the_page_has_the_published_share():
    assert [row[0] for row in ROWS] == ["sn40l", "a100", "h100", "h200"]
    assert ROWS[0][2] == "85.0"
