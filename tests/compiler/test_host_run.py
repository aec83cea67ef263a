"""`dfc run -t host`: figures that agree with each other, the same tokens each time, and wrong inputs in one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dfc.cli import status
from dfc.host import parts
from dfc.host.check import Check, Count, Row, compare_calls
from dfc.host.result import Speed, spread
from dfc.runtime.native import bandwidth
from dfc.runtime.native.bandwidth import Bandwidth


@pytest.fixture(autouse=True)
def small_reads(monkeypatch: pytest.MonkeyPatch):
    """Threads as they were, and memory measured on a little of it."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(
        "dfc.host.run.measure", lambda threads: bandwidth.measure(1 << 20, 2, threads)
    )
    yield
    torch.set_num_threads(threads)


def run(capsys: pytest.CaptureFixture[str], *args: str):
    """The JSON of a command that ends well."""
    assert status(["run", *args, "-t", "host", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_language_model(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    sizes = ["--prefill", "8", "--decode", "6", "--threads", "1"]
    out = str(tmp_path / "x.npz")
    found = run(capsys, "zoo:bitnet-tiny", *sizes, "--check", "-o", out)
    assert found["threads"] == 1
    assert found["fallbacks"] == []
    assert found["check"]["passed"]
    assert found["check"]["end_to_end"]["tokens"] == 7
    ends = found["check"]["end_to_end"]
    # per token and layer: 192 for q, k and v, 192 for o, 192 for gate and up, 512 for down
    assert ends["integers"] == 2 * 1088 * (8 + 6)
    assert found["bytes_per_step"] == sum(part["bytes"] for part in found["parts"])
    # a layer's trits at two bits, its caches of 14 tokens, and the float LM head
    trits = (2 * 192 * 192 + 2 * 96 * 192 + 3 * 192 * 512) // 4
    assert found["bytes_per_step"] == pytest.approx(
        2 * (trits + 2 * 14 * 2 * 48 * 4) + 512 * 192 * 4, rel=0.05
    )
    assert found["decode_tokens_per_s"] * found["decode_step_s"] == pytest.approx(1)
    assert np.load(out)["tokens"].tolist() == found["tokens"]
    again = run(capsys, "zoo:bitnet-tiny", *sizes)
    assert again["tokens"] == found["tokens"]
    seeded = run(capsys, "zoo:bitnet-tiny", *sizes, "--seed", "1")
    assert seeded["tokens"] != found["tokens"]


@pytest.mark.slow
def test_the_lm_head_in_int8_is_read_as_such(capsys: pytest.CaptureFixture[str]):
    sizes = ["--prefill", "4", "--decode", "6"]
    plain = run(capsys, "zoo:bitnet-tiny", *sizes)
    small = run(capsys, "zoo:bitnet-tiny", *sizes, "--quantize-lm-head", "--check")
    assert small["check"]["passed"]
    # 512 x 192 at one byte and a scale instead of four bytes
    saved = plain["bytes_per_step"] - small["bytes_per_step"]
    assert saved == pytest.approx(512 * (3 * 192 - 4), rel=0.05)


def test_a_model_that_is_no_language_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    zoo = tmp_path / "own.toml"
    zoo.write_text(
        "[mine]\nclass = 'transformers.integrations.bitnet.BitLinear'\nsource = 'a test'\n"
        "config = { in_features = 64, out_features = 32, bias = true }\n"
        "inputs = [{ shape = [3, 64] }]"
    )
    found = run(capsys, f"zoo:{zoo}#mine", "--check")
    assert found["check"]["regions"][0]["passed"]
    assert found["outputs"] == [
        {"name": "main.0", "shape": [3, 32], "dtype": "float32"}
    ]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (
            ["zoo:bitnet-tiny", "-t", "host", "--threads", "0"],
            2,
            "greater than or equal to 1",
        ),
        (["zoo:bitnet-tiny", "-t", "host", "--set", "a=1"], 2, "no values to set"),
        (["zoo:bitnet-tiny", "-t", "tiny-npu", "--threads", "2"], 2, "target host"),
        (["zoo:bitnet-tiny", "-t", "host", "--decode", "4"], 1, "no cache"),
        (["zoo:bitnet-tiny", "-t", "host", "--prefill", "1025"], 1, "at most 1024"),
        (["zoo:none", "-t", "host"], 1, "no model is called `none`"),
        (["absent.pt2", "-t", "host"], 1, "expected a model file at `absent.pt2`"),
        (["bitnet-tiny", "-t", "host"], 1, "did you mean `zoo:bitnet-tiny`"),
    ],
)
def test_wrong_inputs(
    capsys: pytest.CaptureFixture[str], args: list[str], code: int, said: str
):
    assert status(["run", *args]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert error.strip().count("\n") == 0


def test_speed_adds_up():
    memory = Bandwidth((9e9, 10e9))
    found = Speed([3.0, 1.0, 2.0], [0.1, 0.1, 0.3, 0.1], 10**8, memory, 2).as_dict()
    assert found["ttft_s"] == 2
    assert found["decode_tokens_per_s"] == pytest.approx(20)
    assert found["bytes_per_s"] == pytest.approx(1e9)
    assert found["memory_share"] == pytest.approx(0.1)
    assert spread([1.0, 1.0, 1.0, 2.0, 2.0]) == pytest.approx(1.0)


def test_regions_of_one_name_are_one_part(monkeypatch: pytest.MonkeyPatch):
    names = {1: "a", 2: "b"}
    monkeypatch.setattr(parts, "name_of", names.__getitem__)
    monkeypatch.setattr(parts, "weight_bytes", lambda region: 10 * region)
    calls = [(1, 0.5), (2, 0.25), (1, 0.5)]
    found = parts.of_regions(calls)  # pyright: ignore[reportArgumentType]
    assert [(p.name, p.calls, p.seconds, p.bytes_) for p in found] == [
        ("a", 2, 1.0, 20),
        ("b", 1, 0.25, 20),
    ]


def test_logits_that_are_not_finite_fail_the_check():
    fine, logits = torch.ones(1, 3), torch.tensor([[1.0, float("nan"), 2.0]])
    for pairs in ([(logits, fine)], [(fine, fine), (logits, logits), (fine, fine)]):
        check = Check({"a": Row("a")})
        for got, want in pairs:
            check.end(got, want)
        assert not check.passed
    check = Check({"a": Row("a")})
    check.end(fine, fine)
    assert check.passed


def test_integers_that_flips_do_not_explain_fail_the_check():
    same = torch.zeros(10, 10, dtype=torch.int8)
    for wrong, passed in ((0, True), (2, True), (3, False), (100, False)):
        off = same.clone()
        off.view(-1)[:wrong] = 2
        row = Row("a")
        row.count.add(off, same)
        assert (row.count.integers, row.count.wrong) == (100, wrong)
        assert Check({"a": row}).passed is passed
        assert row.as_dict()["passed"] is passed


@pytest.mark.parametrize("rows", [None, 3])
def test_integers_that_one_side_has_not_fail_the_check(rows: int | None):
    other = None if rows is None else torch.zeros(rows, 4, dtype=torch.int8)
    count = Count()
    count.add(torch.zeros(2, 4, dtype=torch.int8), other)
    assert count.integers == count.differing == 8 + 4 * (rows or 0)
    assert not Check({"a": Row("a", count=count)}).passed


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (0, 4)])
def test_results_that_choose_no_token(shape: tuple[int, ...]):
    ones = torch.ones(shape)
    found = compare_calls([(lambda: ones, lambda: ones)])
    assert (found.error, found.tokens) == (0, 0)
    assert found.summary() == "end to end: error 0"


def test_the_summary_says_what_was_compared():
    check = Check(tokens=3, tokens_differing=1)
    assert check.summary() == "end to end: error 0, 1 of 3 tokens differ"
    check.ends = Count(integers=2000, flips=2, wrong=1, missing=4)
    assert "7 of 2,000 quantised integers differ, 1 of 3" in check.summary()
