"""Tests of what `dfc targets` shows: every number with its evidence, and the energies that hold by default."""

import json

import pytest

from dfc.cli import status
from dfc.listing import default_energies, evidence, number_rows
from dfc.runtime.machine import load_target


def test_default_energies_stand_beside_the_numbers_of_the_file():
    rows = {
        key: (value, kind) for key, value, kind, _ in number_rows(load_target("a100"))
    }
    assert rows["tier.hbm.gb_per_s"] == (2039, "source")
    # BF16 product 0.21 and sum 0.11, at 7 nm
    assert rows["unit.sm.pj_per_mac (bf16)"] == (pytest.approx(0.32), "assumed")
    assert rows["tier.hbm.pj_per_byte"] == (31, "assumed")
    assert rows["network.pj_per_byte"] == (80, "assumed")


def test_an_energy_of_the_file_has_no_default_beside_it():
    keys = [key for key, _ in default_energies(load_target("tiny-npu"))]
    assert keys == []


def test_a_board_of_known_power_needs_no_energies():
    assert list(default_energies(load_target("tellme-kv260"))) == []


def test_the_numbers_are_counted_by_their_evidence():
    rows = number_rows(load_target("tellme-kv260"))
    assert evidence(rows).endswith(" assumed, 4 calibrated")
    assert evidence(rows).startswith(f"{len(rows)} numbers: ")


def test_one_target_in_detail(capsys: pytest.CaptureFixture[str]):
    assert status(["targets", "h200"]) == 0
    shown = capsys.readouterr().out
    assert "NVIDIA H200 data sheet, SXM" in shown
    assert "4,800" in shown


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]):
    assert status(["targets", "--schema"]) == 0
    assert "unit-systolic" in json.loads(capsys.readouterr().out)["$defs"]


def test_default_energies_stand_in_the_json_too(capsys: pytest.CaptureFixture[str]):
    assert status(["targets", "h100", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tier"]["hbm"]["gb_per_s"]["kind"] == "source"
    assert found["default_energies"]["tier.hbm.pj_per_byte"]["value"] == 31
