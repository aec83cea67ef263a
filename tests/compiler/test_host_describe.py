"""A target file for this machine: each number follows from one time, and the file loads."""

from dataclasses import replace
from pathlib import Path

import pytest

from dfc.cli import status
from dfc.host import describe, micro
from dfc.host.describe import Machine, doubts, last_cache
from dfc.host.micro import Library, Times, norm_elements
from dfc.runtime.machine import Target, load_target, parse_target
from dfc.runtime.machine.number import Number
from dfc.runtime.machine.units.op_library import OpLibrary
from dfc.runtime.machine.units.packed_product import PackedProduct
from dfc.runtime.machine.units.row_loops import RowLoops
from dfc.runtime.native.bandwidth import Bandwidth

MACS = 3072 * 8192
PACKED = MACS / 4
CALL, OPERATOR = 5e-6, 2e-6

TIMES = Times(
    reads=Bandwidth((40e9, 38e9, 20e9)),
    product_one=PACKED / 30e9 + CALL,
    product_many=128 * MACS / 400e9 + CALL,
    rows=CALL + 0.05e-9 * (10 * 128 * 3072 + 3 * 128),
    call=CALL,
    library={
        kind: Library(
            one_row=MACS / 10e9 / n + OPERATOR,
            many_rows=128 * MACS / 100e9 / n + OPERATOR,
            elementwise=128 * 3072 / 8e9 / n + OPERATOR,
        )
        for n, kind in enumerate(("f32", "bf16", "f16"), 1)
    },
    operator=OPERATOR,
    attention=40e-6,
)
MACHINE = Machine("a processor", memory=8 << 30, cache=32 << 20)


@pytest.fixture
def target() -> Target:
    text = describe.describe("here", TIMES, MACHINE, threads=2, isa="avx2")
    return parse_target(text, "here.toml")


def value(number: Number[float] | None) -> float:
    assert number is not None
    assert number.kind == "calibrated"
    return number.value


def test_rates_follow_from_the_times(target: Target):
    product, rows = target.unit["product"], target.unit["rows"]
    assert isinstance(product, PackedProduct)
    assert isinstance(rows, RowLoops)
    assert value(product.gmac_per_s) == pytest.approx(400, rel=1e-3)
    assert value(product.overhead_ns) == 5000
    assert rows.overhead_cycles.value == 5000
    for dtype in rows.dtype.values():
        each = dtype.cycles_per_element["default"]
        assert value(each) == pytest.approx(0.05, rel=1e-3)
    ddr = target.tier["ddr"]
    assert value(ddr.gb_per_s) == 40
    assert value(ddr.efficiency) == pytest.approx(30 / 40, rel=1e-3)
    assert ddr.capacity_bytes == 8 << 30
    assert target.tier["cache"].capacity_bytes == 32 << 20


def test_pytorch_has_rates_of_each_dtype(target: Target):
    unit = target.unit["torch"]
    assert isinstance(unit, OpLibrary)
    assert value(unit.overhead_ns) == 2000
    assert value(unit.attention_ns) == 40000
    for n, rates in ((1, unit), (2, unit.dtype["bf16"]), (3, unit.dtype["f16"])):
        assert value(rates.gmac_per_s) == pytest.approx(100 * n, rel=1e-3)
        assert value(rates.one_row_gmac_per_s) == pytest.approx(10 * n, rel=1e-3)
        assert value(rates.gelement_per_s) == pytest.approx(8 * n, rel=1e-3)


def test_the_simulator_gives_back_what_was_measured(target: Target):
    # the norm's elements at the fitted rate are the time it was fitted to
    rows = target.unit["rows"]
    assert isinstance(rows, RowLoops)
    ns = rows.dtype["bf16"].cycles_per_element["default"].value
    elements = norm_elements(128, 3072)
    assert CALL * 1e9 + elements * ns == pytest.approx(TIMES.rows * 1e9, rel=1e-3)


def test_a_norm_is_ten_functions_an_element_and_three_a_row():
    # widen, square, sum, scale, round, times the weight; absolute value, maximum, multiply, round
    assert norm_elements(2, 16) == 10 * 2 * 16 + 3 * 2


def test_what_is_no_verdict_says_so():
    assert doubts(TIMES, 0.0) == []
    slow = replace(TIMES, reads=Bandwidth((40e9, 30e9, 20e9)))
    assert doubts(slow, 2.0) == [
        "reads of the memory spread by 25%",
        "other work was running (load 2.0)",
    ]


def test_the_last_cache_is_the_largest(tmp_path: Path):
    for index, size in enumerate(("32K", "1024K", "32M")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(f"{size}\n")
    assert last_cache(tmp_path) == 32 << 20
    assert last_cache(tmp_path / "none") == 1 << 20


def test_the_command_writes_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sizes = {"FILL": 1 << 20, "COLUMNS": 256, "ROWS": 512}
    for name, small in {**sizes, "ROUNDS": 1, "ROUND": 1e-4}.items():
        monkeypatch.setattr(micro, name, small)
    for name, small in sizes.items():
        monkeypatch.setattr(describe, name, small)
    path = tmp_path / "here.toml"
    assert (
        status(["bench", "host", "--describe", "--threads", "1", "-o", str(path)]) == 0
    )
    found = load_target(str(path))
    assert found.name == "here"
    assert "1 threads" in found.description
    shipped = load_target("host")
    assert set(found.unit) == set(shipped.unit)
