"""Tests of reading target files: values, evidence, overrides, and one clear sentence for each error."""

import os
from pathlib import Path

import pytest
from machine_testing import parse

from dfc.runtime.errors import TargetError
from dfc.runtime.machine import (
    list_targets,
    load_target,
    parse_target,
    target_of,
    units,
)
from dfc.runtime.machine.units import Vector

SMALL = """
name = "small"
description = "one unit, two tiers"
source = "made up"
clock_mhz = 100
host_tier = "ddr"
control = { launch_cycles = 1, copy_cycles = 1 }

[unit.lanes]
kind = "vector"
data_tier = "ram"
lanes = 4
[unit.lanes.dtype.f32]
cycles_per_element = { default = { value = 2, assumed = "slow" } }

[tier.ram]
capacity_kib = 4

[tier.ddr]
source = "data sheet"
capacity_mib = 1
gb_per_s = 0.8
"""


def small(**changes: str):
    """The small target with lines replaced."""
    text = SMALL
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return parse_target(text, "small.toml")


def test_a_bare_number_has_the_source_of_its_table_or_of_the_file():
    target = small()
    assert (target.clock_mhz.kind, target.clock_mhz.note) == ("source", "made up")
    rate = target.tier["ddr"].gb_per_s
    assert rate is not None
    assert (rate.value, rate.note) == (0.8, "data sheet")


def test_a_number_says_what_it_rests_on():
    number = small().unit["lanes"].model_dump()["dtype"]["f32"]["cycles_per_element"]
    assert number["default"] == {"value": 2.0, "kind": "assumed", "note": "slow"}


def test_capacity_is_in_bytes_whatever_its_unit():
    target = small()
    assert target.tier["ram"].capacity_bytes == 4 * 1024
    assert target.tier["ddr"].capacity_bytes == 1024 * 1024


def test_rates_are_exact_fractions_of_the_clock():
    target = small()
    rate = target.tier["ddr"].gb_per_s
    assert rate is not None
    # 0.8 GB/s at 100 MHz is 8 bytes per tick
    assert target.bytes_per_tick(rate) == 8


def test_an_override_becomes_an_assumed_number():
    target = load_target("tiny-npu", {"unit.array.rows": "16"})
    rows = target.unit["array"].model_dump()["rows"]
    assert (rows["value"], rows["kind"]) == (16, "assumed")


def test_an_override_may_be_a_word():
    target = load_target("tiny-npu", {"unit.array.dataflow": "weight-stationary"})
    assert target.unit["array"].model_dump()["dataflow"] == "weight-stationary"


def test_an_override_in_another_unit_of_measure_replaces_the_one_that_stands():
    target = load_target(
        "tiny-npu", {"tier.sram.capacity_kib": 64, "tier.ddr.bytes_per_cycle": 8}
    )
    assert target.tier["sram"].capacity_bytes == 64 * 1024
    assert target.tier["ddr"].gb_per_s is None


def test_the_target_of_a_module_has_its_overrides():
    module = parse(
        'builtin.module attributes {accel.target = "tiny-npu",'
        ' accel.target_set = {"tier.ddr.gb_per_s" = 12.5 : f64, "unit.array.rows" = 8 : i64}} {}'
    )
    target = target_of(module)
    assert float(target.tier["ddr"].model_dump()["gb_per_s"]["value"]) == 12.5
    assert target.unit["array"].model_dump()["rows"]["value"] == 8


def test_a_module_without_a_target_is_an_error():
    with pytest.raises(TargetError, match="attach one with `-t`"):
        target_of(parse("builtin.module {}"))


def test_a_path_is_read_and_read_again_when_it_changes(tmp_path: Path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    assert load_target(str(path)).clock_mhz.value == 100
    path.write_text(SMALL.replace("clock_mhz = 100", "clock_mhz = 200"))
    os.utime(path, ns=(1, 1))
    assert load_target(str(path)).clock_mhz.value == 200


@pytest.mark.parametrize("name", list_targets())
def test_every_shipped_target_reads(name: str):
    assert load_target(name).name == name


def bad(**changes: str) -> str:
    """The one sentence that a changed small target gives."""
    with pytest.raises(TargetError) as caught:
        small(**changes)
    text = str(caught.value)
    assert text.startswith("small.toml: ")
    assert not text.endswith(".")
    assert "\n" not in text
    return text.removeprefix("small.toml: ")


def test_an_unknown_key_names_the_known_ones_and_the_nearest():
    text = bad(**{"capacity_kib = 4": "capacity = 4"})
    assert text.startswith(
        "unknown key `capacity` in [tier.ram], did you mean `capacity_mib`; known keys are banks, burst_bytes"
    )


def test_an_unknown_key_of_a_unit_names_those_of_its_kind():
    text = bad(**{"lanes = 4": "lanes = 4\nrows = 3"})
    assert text.startswith("unknown key `rows` in [unit.lanes]")
    assert "overhead_cycles" in text


def test_a_missing_key_names_its_table():
    assert bad(**{"lanes = 4": ""}) == "missing key `lanes` in [unit.lanes]"
    assert bad(**{"clock_mhz = 100": ""}) == "missing key `clock_mhz`"


def test_a_missing_capacity_names_the_choices():
    text = bad(**{"capacity_kib = 4": ""})
    assert text == (
        "`tier.ram`: expected one of `capacity_kib`, `capacity_mib`, `capacity_gib`, got none"
    )


def test_a_negative_number_is_refused():
    text = bad(**{"gb_per_s = 0.8": "gb_per_s = -1"})
    assert text == "`tier.ddr.gb_per_s`: expected a number above 0, got -1"


def test_a_number_in_quotes_is_refused():
    text = bad(**{"lanes = 4": 'lanes = "4"'})
    assert text == "`unit.lanes.lanes`: expected a number, got '4'"


def test_a_number_needs_exactly_one_kind_of_evidence():
    text = bad(**{"lanes = 4": 'lanes = { value = 4, source = "a", assumed = "b" }'})
    assert "expected exactly one of source, assumed, calibrated" in text


def test_a_number_without_any_source_is_refused():
    text = bad(**{'source = "made up"\n': ""})
    assert text.startswith("expected a source for `clock_mhz`, got none")


def test_an_unknown_kind_names_the_kinds():
    text = bad(**{'kind = "vector"': 'kind = "vectors"'})
    assert text == (
        "`unit.lanes`: expected `kind` of attention-engine, fixed-rate, op-library, packed-product,"
        " row-loops, stream-fabric, systolic, tlmm, vector, got `vectors`"
    )


def test_a_tier_that_is_not_there_is_named():
    text = bad(**{'data_tier = "ram"': 'data_tier = "rom"'})
    assert text == (
        "`unit.lanes.data_tier` names `rom`, expected one of ram, ddr, did you mean `ram`"
    )


def test_malformed_toml_says_where():
    text = bad(**{"capacity_kib = 4": "capacity_kib ="})
    assert text.startswith("expected TOML, got ")
    assert "line" in text


def test_the_name_is_the_file_stem():
    text = bad(**{'name = "small"': 'name = "tiny"'})
    assert text == "expected `name` to be the file's stem `small`, got `tiny`"


def test_an_unknown_target_gets_a_suggestion():
    with pytest.raises(TargetError, match="did you mean `tiny-npu`"):
        load_target("tiny-npuu")


def test_a_path_that_is_not_there():
    with pytest.raises(TargetError, match="cannot read it: no such file or directory"):
        load_target("missing.toml")


def test_an_override_of_a_table_that_is_not_there():
    with pytest.raises(TargetError, match=r"there is no \[tier.dr\]"):
        load_target("tiny-npu", {"tier.dr.efficiency": 1})


def test_an_override_of_an_unknown_key():
    with pytest.raises(TargetError, match="did you mean `efficiency`"):
        load_target("tiny-npu", {"tier.ddr.eficiency": 1})


class Plugin:
    """An entry point of the group `dfc.unit_kinds`."""

    name = "twice-vector"

    def load(self) -> type[Vector]:
        class TwiceVector(Vector):
            """A vector unit under another name."""

        return TwiceVector


def test_a_package_adds_a_kind_by_entry_point(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(units, "entry_points", lambda group: [Plugin()])
    units.unit_kinds.cache_clear()
    found = small(**{'kind = "vector"': 'kind = "twice-vector"'}).unit["lanes"]
    units.unit_kinds.cache_clear()
    assert type(found).__name__ == "TwiceVector"
