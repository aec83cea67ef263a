"""`dfc reproduce`: ratios, unknown papers, and papers whose figures follow from the compiler."""

import json

import pytest

from dfc.cli import status
from dfc.errors import InputError
from dfc.reproduce import PAPERS, Claim, reproduce
from dfc.reproduce.attention import SIZED, Attention, unbounded
from dfc.runtime.graph import simulate


def test_a_ratio_is_ours_over_the_papers():
    assert Claim("x", 4.0, 5.0).ratio == 1.25
    assert Claim("x", 0, 0).ratio == 1
    assert Claim("x", 0, 3).ratio == float("inf")


def test_an_unknown_paper_gets_a_suggestion():
    with pytest.raises(InputError, match="did you mean `swat`"):
        reproduce(["swap"])


def test_unbounded_fifos_are_what_sized_ones_keep_up_with():
    attention = Attention(16, "naive")
    free = simulate(unbounded(attention.graph(SIZED))).cycles
    assert attention.cycles() == free
    depths = [edge.depth for edge in attention.graph(SIZED).edges]
    assert depths.count(16 + 2) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_our_figures_stand_beside_the_papers(
    name: str, capsys: pytest.CaptureFixture[str]
):
    assert status(["reproduce", name, "--json"]) == 0
    paper = json.loads(capsys.readouterr().out)["papers"][name]
    exact = {
        c["what"]: c["ratio"] for c in paper["claims"] if "baseline" not in c["note"]
    }
    assert exact
    assert all(abs(ratio - 1) < 0.01 for ratio in exact.values()), exact
