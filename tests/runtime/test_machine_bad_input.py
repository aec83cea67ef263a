"""Every wrong value in a target is one sentence with the file, the key, and what is allowed."""

from importlib import resources

import pytest

from dfc.runtime.errors import TargetError
from dfc.runtime.machine import parse_target

TEXT = (resources.files("dfc.runtime.targets") / "tiny-npu.toml").read_text()
KINDS = "attention-engine, fixed-rate, op-library, packed-product, row-loops, stream-fabric, systolic, tlmm, vector"
NETWORK = "[network]\nsockets = 8\ntopology = {}\ngb_per_s = 1\nlatency_ns = 1\n[power]"

CASES = [
    # units
    (
        'kind = "systolic"',
        'kind = "sistolic"',
        f"`unit.array`: expected `kind` of {KINDS}, got `sistolic`",
    ),
    ('kind = "systolic"\n', "", f"`unit.array`: expected `kind` of {KINDS}, got none"),
    ('kind = "systolic"', "kind = 3", f"expected `kind` of {KINDS}, got `3`"),
    ("[unit.host]", "[units.host]", "unknown key `units`, did you mean `unit`"),
    ("rows = 32", "rows = 0", "`unit.array.rows`: expected a number above 0, got 0"),
    ("rows = 32", "rows = 3.5", "`unit.array.rows`: expected a whole number, got 3.5"),
    (
        'dataflow = "output-stationary"',
        'dataflow = "row-stationary"',
        "`unit.array.dataflow`: expected 'output-stationary', 'weight-stationary' or"
        " 'input-stationary', got 'row-stationary'",
    ),
    (
        "[unit.array.dtype.f16]",
        "[unit.array.dtype.fp16]",
        "`unit.array.dtype.fp16`: `fp16` is no dtype, expected one of f64, f32, f16,",
    ),
    (
        "cycles_per_element = { default = 0.25 }",
        "cycles_per_element = { defualt = 1 }",
        "`defualt` is no function, expected one of default, move, abs,",
    ),
    (
        "cycles_per_element = { default = 0.25 }",
        "cycles_per_element = 1",
        "`unit.vector.dtype.i8.cycles_per_element`: expected a table",
    ),
    (
        "pj_per_mac = 20",
        "pj_per_mac = -20",
        "`unit.host.pj_per_mac`: expected a number of at least 0, got -20",
    ),
    # links
    (
        'data_tier = "sram"',
        'data_tier = "srm"',
        "`unit.array.data_tier` names `srm`, expected one of sram, ddr, did you mean `sram`",
    ),
    ('streams = ["ddr"]', 'streams = "ddr"', "streams`: expected a list, got 'ddr'"),
    (
        'streams = ["ddr"]',
        'streams = ["hbm"]',
        "`unit.attention.streams` names `hbm`, expected one of sram, ddr",
    ),
    (
        'tier = "ddr"\ndirection',
        'tier = "dddr"\ndirection',
        "`port.keys.tier` names `dddr`, expected one of sram, ddr, did you mean `ddr`",
    ),
    (
        'direction = "read"',
        'direction = "in"',
        "`port.keys.direction`: expected 'read' or 'write', got 'in'",
    ),
    (
        'serves = ["attention"]',
        'serves = ["atention"]',
        "`port.keys.serves` names `atention`, expected one of sram, ddr, array, vector,",
    ),
    (
        'key_port = "keys"',
        'key_port = "key"',
        "`unit.attention.key_port` names `key`, expected one of keys, values, ddr_read,",
    ),
    (
        'host_tier = "ddr"',
        'host_tier = "disk"',
        "`host_tier` names `disk`, expected one of sram, ddr",
    ),
    (
        'kind = "vector"',
        'kind = "vector"\nclock = "fast"',
        "`unit.vector.clock` names `fast`, expected one of none",
    ),
    # memories
    (
        "gb_per_s = 25.6",
        "gb_per_s = 0",
        "`tier.ddr.gb_per_s`: expected a number above 0, got 0",
    ),
    (
        "gb_per_s = 25.6",
        'gb_per_s = "25.6 GB/s"',
        "`tier.ddr.gb_per_s`: expected a number, got '25.6 GB/s'",
    ),
    ("gb_per_s = 25.6", "gb_per_s = inf", "expected a finite number, got inf"),
    ("gb_per_s = 25.6", "gb_per_s = true", "expected a number, got True"),
    (
        "gb_per_s = 25.6",
        "tb_per_s = 25.6",
        "unknown key `tb_per_s` in [tier.ddr], did you mean `gb_per_s`; known keys are",
    ),
    ("[tier.ddr]\n", "[tier.sram]\n", "expected one [tier.sram], got two of that name"),
    (
        "capacity_gib = 8",
        "capacity_gb = 8",
        "unknown key `capacity_gb` in [tier.ddr], did you mean `capacity_gib`",
    ),
    (
        "capacity_gib = 8",
        "capacity_gib = 8589934592",
        "`tier.ddr`: expected a capacity of 1 byte to 1 PiB, got 9223372036854775808 bytes;"
        " the unit of measure is the end of the key: kib, mib or gib",
    ),
    (
        "capacity_gib = 8",
        "capacity_gib = 1e-12",
        "expected a capacity of 1 byte to 1 PiB",
    ),
    (
        "capacity_gib = 8",
        'capacity_gib = "8 GiB"',
        "`tier.ddr.capacity_gib`: expected a number, got '8 GiB'",
    ),
    (
        "capacity_gib = 8",
        "capacity_gib = 8\ncapacity_mib = 3",
        "`tier.ddr`: expected one of `capacity_kib`, `capacity_mib`, `capacity_gib`, got",
    ),
    (
        "efficiency = 0.8",
        "efficiency = 80",
        "`tier.ddr.efficiency`: expected a number of at most 1, got 80",
    ),
    (
        "efficiency = 0.8",
        "pattern_efficiency.scattered = 0.8",
        "expected 'sequential', 'strided' or 'random', got 'scattered'",
    ),
    (
        "latency_ns = 100",
        "latency_ns = -1",
        "`tier.ddr.latency_ns`: expected a number of at least 0, got -1",
    ),
    (
        "burst_bytes = 64",
        "row_bytes = 64",
        "expected `row_bytes` and `row_cycle_ns` together, got `row_bytes` alone",
    ),
    # the rest
    (
        "clock_mhz = 500",
        "clock_mhz = 0",
        "`clock_mhz`: expected a number above 0, got 0",
    ),
    (
        "clock_mhz = 500",
        "clock_ghz = 0.5",
        "missing key `clock_mhz`, found `clock_ghz`",
    ),
    ("pipeline =", "pipeline = 3 #", "`pipeline`: expected text in quotes, got 3"),
    (
        "launch_cycles = 20",
        "launch_cycles = 20\nlaunch_cycles = 21",
        "expected one value for each key, got two for one key (at line",
    ),
    (
        "static_w = 0.5",
        "static_mw = 500",
        "unknown key `static_mw` in [power], did you mean `static_w`",
    ),
    (
        "static_w = 0.5",
        'process = "5nm"',
        "`power.process`: expected '45nm' or '7nm', got '5nm'",
    ),
    (
        "static_w = 0.5",
        "static_w = { value = 0.5, assumed = 3 }",
        "`power.static_w`: expected `assumed` to say in quotes why, got 3",
    ),
    (
        "static_w = 0.5",
        'static_w = { value = 0.5, guessed = "x" }',
        "`power.static_w`: expected exactly one of source, assumed, calibrated",
    ),
    (
        "[power]",
        NETWORK.format('"star"'),
        "`network.topology`: expected 'ring', 'all-to-all', 'switch' or 'mesh', got 'star'",
    ),
    (
        "[power]",
        NETWORK.format('"ring"').replace("[power]", "speed = 3\n[power]"),
        "unknown key `speed` in [network]; known keys are gb_per_s, latency_ns,",
    ),
    (
        "[power]",
        NETWORK.format('"mesh"'),
        "`network`: expected `rows` for a mesh and for nothing else, got none for `mesh`",
    ),
]


@pytest.mark.parametrize(("old", "new", "words"), CASES, ids=[c[1][:40] for c in CASES])
def test_a_wrong_value_is_one_sentence(old: str, new: str, words: str):
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    with pytest.raises(TargetError) as caught:
        parse_target(text, "tiny-npu.toml")
    sentence = str(caught.value)
    assert sentence.startswith("tiny-npu.toml: ")
    assert "\n" not in sentence
    assert not sentence.endswith(".")
    assert words in sentence
