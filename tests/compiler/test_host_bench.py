"""`dfc bench host`: what is compared, and wrong inputs in one sentence."""

import json

import pytest
import torch

from dfc.cli import status
from dfc.host import bench
from dfc.runtime.native.bandwidth import Bandwidth


def test_the_layers_of_a_model_by_size():
    assert bench.shapes("zoo:bitnet-tiny") == {
        (192, 192): "q_proj, o_proj",
        (192, 96): "k_proj, v_proj",
        (192, 512): "gate_proj, up_proj",
        (512, 192): "down_proj",
    }


def test_ratios_are_of_medians():
    own = bench.Contender("dfc", len, [], 100, [1e-6, 1e-6, 5e-6])
    other = bench.Contender("eager", len, [], 800, [4e-6, 3e-6, 4e-6])
    row = bench.Row("up", (2, 3), 1, [own, other], Bandwidth((2e8, 1e8))).as_dict()
    assert row["eager / dfc"] == pytest.approx(4)
    assert row["memory_share"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--model", "zoo:llama-tiny"], 1, "expected a model with ternary layers"),
        (["--model", "x.pt2"], 1, "expected `zoo:NAME`"),
        (["-o", "x.toml"], 2, "it is for `--describe`"),
    ],
)
def test_wrong_inputs(
    capsys: pytest.CaptureFixture[str], args: list[str], code: int, said: str
):
    assert status(["bench", "host", *args]) == code
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_model(capsys: pytest.CaptureFixture[str]):
    threads = torch.get_num_threads()
    args = ["--model", "zoo:bitnet-tiny", "--rounds", "2", "--mib", "1", "--json"]
    assert status(["bench", "host", *args]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["tokens"] for row in found["rows"]] == [1, 128] * 4
    assert all(row["compile / dfc"] > 0 for row in found["rows"])
    assert torch.get_num_threads() == threads
