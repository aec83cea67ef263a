"""Decode on nodes of eight sockets: bytes of a socket by hand, the bound, and the rows of the page."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from dfc import simulate
from dfc.runtime.report import Report

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "machines" / "tensor-parallel.md").read_text()
MATRICES = {"llama2-7b": 1_651_769_344, "llama2-70b": 17_178_296_320}
CACHES = {"llama2-7b": 268_500_992, "llama2-70b": 167_813_120}


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "tensor_parallel_page.py"))


def rows(model: str) -> list[list[str]]:
    """The cells of a model's table, without its heads."""
    found = re.search(rf"<!-- {model} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found is not None
    lines = found[1].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("model", MATRICES)
def test_the_bytes_by_hand(script: dict[str, Any], model: str):
    """Each number of the page from the shapes, and their sum from the script's formula."""
    width, inner, groups, layers = {
        "llama2-7b": (4096, 11_008, 32, 32),
        "llama2-70b": (8192, 28_672, 8, 80),
    }[model]
    q_o, k_v, mlp = width * width, width * groups * 128, width * inner
    layer = 2 * q_o + 2 * k_v + 3 * mlp
    assert MATRICES[model] == 2 * (layers * layer + width * 32_000) // 8
    assert CACHES[model] == 2 * (2 * layers * groups * 128 * 4097) // 8
    total = MATRICES[model] + CACHES[model]
    assert script["MODELS"][model].bytes_per_socket(8, 4097) == total
    for number in (f"{layer:,}", *(f"{n:,}" for n in (MATRICES[model], CACHES[model]))):
        assert number in PAGE
    assert f"{total:,}" in PAGE


def simulated(model: str, target: str, rate: float) -> Report:
    changes = {"pipeline": "tensor-parallel", "network.gb_per_s": rate}
    return simulate(f"zoo:{model}", target, context=4096, overrides=changes)


@pytest.mark.slow
@pytest.mark.parametrize("model", MATRICES)
def test_a_socket_reads_its_part_and_little_more(model: str):
    found = simulated(model, "sn40l-node", 50)
    (memory,) = [row for row in found.tiers if row.name == "hbm"]
    least = MATRICES[model] + CACHES[model]
    # activations and what collectives read are the rest
    assert least <= memory.read_bytes < 1.005 * least
    sums = {row.name: row.calls for row in found.kernels}
    layers = {"llama2-7b": 32, "llama2-70b": 80}[model]
    assert (sums["all-reduce"], sums["all-gather"]) == (2 * layers, 1)
    # a socket holds an eighth of the model and of the cache, and the embedding
    held = 32_000 * {"llama2-7b": 4096, "llama2-70b": 8192}[model] * 2
    assert least + held <= memory.peak_bytes < 1.005 * (least + held)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "name", "rate"),
    [
        ("sn40l-node", "x1/4", 12.5),
        ("sn40l-node", "x1", 50),
        ("sn40l-node", "x4", 200),
        ("h100", "x1", 450),
        ("a100", "x1", 300),
    ],
)
def test_rows_of_the_page(script: dict[str, Any], target: str, name: str, rate: float):
    (row,) = [row for row in rows("llama2-7b") if row[:2] == [f"`{target}`", name]]
    found = simulated("llama2-7b", target, rate)
    _, _, bound, step, tokens, network, share = row
    assert float(step) == pytest.approx(1e3 * found.latency_s, abs=0.006)
    assert float(tokens) == pytest.approx(1 / found.latency_s, abs=1)
    assert float(network) == pytest.approx(1e3 * script["network_s"](found), abs=0.006)
    seconds = script["bound_s"]("llama2-7b", target)
    assert float(bound) == pytest.approx(1e3 * seconds, abs=0.006)
    assert found.latency_s >= seconds
    reached = script["share_of_peak"]("llama2-7b", target, found.latency_s)
    assert share == f"{100 * reached:.0f}%"


@pytest.mark.parametrize("model", MATRICES)
def test_the_table_is_whole_and_never_below_its_bound(model: str):
    found = rows(model)
    assert [row[:2] for row in found] == [
        [f"`{target}`", scale]
        for target in ("sn40l-node", "a100", "h100")
        for scale in ("x1/4", "x1", "x4")
    ]
    for row in found:
        assert float(row[2]) <= float(row[3])
    steps = [float(row[3]) for row in found]
    assert all(steps[i] >= steps[i + 1] >= steps[i + 2] for i in (0, 3, 6))


def test_the_bound_by_hand(script: dict[str, Any]):
    # 1,920,270,336 bytes at 85% of 1.8 TB/s
    found = script["bound_s"]("llama2-7b", "sn40l-node")
    assert found == pytest.approx(1_920_270_336 / (0.85 * 1.8e12))
