"""Tests of the shipped targets: published figures that follow from their numbers, and files with a base."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
from machine_testing import body_of, cost

from dfc.runtime.errors import TargetError
from dfc.runtime.machine import Target, link_rates, load_target, parse_target
from dfc.runtime.machine.fpga import (
    Blocks,
    printed_equation,
    uram_blocks,
    weight_buffer,
)
from dfc.runtime.machine.units import FixedRate, Tlmm


def tflops(name: str, unit: str) -> float:
    """The most a unit does in a second."""
    target = load_target(name)
    per_tick = target.peak_operations_per_tick(unit)
    assert per_tick is not None
    return float(per_tick * target.ticks_per_second) / 1e12


@pytest.mark.parametrize(
    ("name", "unit", "peak"),
    [
        # the GPUs' peak is INT8's
        ("a100", "sm", 624),
        ("h100", "sm", 1978.9),
        ("h200", "sm", 1978.9),
        # twice BF16's 638
        ("sn40l", "fabric", 1276),
        # 64 cores x 2 GHz x 8 lanes of 16 bits, two operations each
        ("sg2042", "cores", 2.048),
        # 64 x 64 products a ns
        ("systolic-64x64", "array", 8.192),
    ],
)
def test_peaks(name: str, unit: str, peak: float):
    assert tflops(name, unit) == pytest.approx(peak, rel=1e-4)


def test_a_compute_unit_of_the_sn40l_is_what_the_paper_gives():
    unit = load_target("sn40l").unit["fabric"]
    assert isinstance(unit, FixedRate)
    rate = unit.dtype["bf16"].gmac_per_s
    assert rate is not None
    assert rate.value / 1040 == pytest.approx(306.7, rel=1e-3)


def decode_bound(target: Target, weights: float) -> float:
    """Seconds to read so many bytes of weights from HBM."""
    rate = link_rates(target)["tier.hbm"] * target.ticks_per_second
    return float(Fraction(weights) / rate)


def test_decode_is_bound_by_what_the_memory_reaches():
    # 6.74 G parameters of BF16 at 85% of 1.8 TB/s are 8.8 ms
    assert decode_bound(load_target("sn40l"), 13.48e9) == pytest.approx(
        8.81e-3, rel=1e-3
    )


GEMV = """
%y = linalg.matmul ins(%x, %w : tensor<1x4096xbf16>, tensor<4096x4096xbf16>) outs(%o : tensor<1x4096xbf16>) -> tensor<1x4096xbf16>
"""
ARGS = "%x: tensor<1x4096xbf16>, %w: tensor<4096x4096xbf16>, %o: tensor<1x4096xbf16>"


def test_a_roofline_unit_takes_the_longer_of_bytes_and_work():
    target = load_target("h100")
    ops = body_of(ARGS, GEMV)
    found = cost(target, "sm", ops, tiers=("hbm", "hbm", "hbm"))
    moved = 2 * (4096 * 4096 + 2 * 4096)
    seconds = found.cycles / float(target.ticks_per_second)
    assert seconds == pytest.approx(moved / (0.9 * 3.35e12), rel=1e-3)
    assert found.holds == ("tier.hbm",)
    # values that stand in no memory cost their work only: 2^24 products at 494.7 T/s
    near = cost(target, "sm", ops)
    assert near.cycles == 63


def test_products_and_functions_overlap_where_the_file_says_so():
    args = "%a: tensor<64x64xf32>, %b: tensor<64x64xf32>, %o: tensor<64x64xf32>"
    ops = body_of(
        args,
        "%y = linalg.matmul ins(%a, %b : tensor<64x64xf32>, tensor<64x64xf32>)"
        " outs(%o : tensor<64x64xf32>) -> tensor<64x64xf32>\n"
        "%z = arith.addf %y, %a : tensor<64x64xf32>",
    )
    ticks = {
        overlap: load_target(
            "tiny-npu",
            {
                "unit.host.overlap": overlap,
                "unit.host.overhead_ns": 0,
                # one product and one function a tick
                "unit.host.gmac_per_s": 0.5,
                "unit.host.gelement_per_s": 0.5,
            },
        )
        for overlap in (False, True)
    }
    assert cost(ticks[False], "host", ops).cycles == 64**3 + 64**2
    assert cost(ticks[True], "host", ops).cycles == 64**3


def test_a_dtypes_own_rate_holds_for_it_alone():
    target = load_target("a100")
    found = {
        kind: cost(
            target,
            "sm",
            body_of(ARGS.replace("bf16", kind), GEMV.replace("bf16", kind)),
        )
        for kind in ("bf16", "f32")
    }
    assert found["f32"].cycles == pytest.approx(16 * found["bf16"].cycles, rel=0.01)


def test_a_base_is_taken_over_but_for_what_is_different():
    h100, h200 = load_target("h100"), load_target("h200")
    assert h200.unit == h100.unit
    rate = h200.tier["hbm"].gb_per_s
    assert rate is not None
    assert rate.value == 4800
    # a bare number of the base keeps the base's source
    text = 'name = "mine"\nbase = "tiny-npu"\nsource = "mine"\nclock_mhz = 250\n'
    mine = parse_target(text, "mine.toml")
    assert (mine.clock_mhz.value, mine.clock_mhz.note) == (250, "mine")
    assert mine.control.launch_cycles.note == "invented"


def test_a_base_that_is_not_there():
    text = 'name = "mine"\nbase = "h10"\ndescription = "x"\nsource = "x"\n'
    with pytest.raises(
        TargetError, match=r"`base` names `h10`, .* did you mean `h100`"
    ):
        parse_target(text, "mine.toml")


def test_a_base_can_be_overridden():
    assert load_target("h200", {"tier.hbm.efficiency": 0.5}).tier["hbm"].efficiency


def test_intar_executes_the_mlp_as_the_paper_counts():
    # MLP 256-1024-2048-256: products at 16 a cycle, and groups of 32 weights of two beats
    products = 256 * 1024 + 1024 * 2048 + 2048 * 256
    target = load_target("intar-u280")
    unit = target.unit["kernel"]
    assert isinstance(unit, FixedRate)
    per_tick = unit.gmac_per_s.exact * 10**9 / target.ticks_per_second
    assert products / per_tick == 180_224
    group = 32 / per_tick + 64 / link_rates(target)["port.weights"]
    sequential = float(products // 32 * group)
    assert sequential == pytest.approx(1_374_935, rel=1e-3)


def board() -> Tlmm:
    """The table-lookup unit of the board."""
    unit = load_target("tellme-kv260").unit["tlmm"]
    assert isinstance(unit, Tlmm)
    return unit


def test_the_released_weight_buffer_takes_48_uram():
    # [3][19][1536] words of 28 x 5 bits in 8 banks: two blocks wide, three deep
    found = weight_buffer(board(), regions=3)
    assert found == Blocks(banks=8, wide=2, deep=3)
    assert found.total == 48
    assert (
        load_target("tellme-kv260").tier["uram"].capacity_bytes == 48 * 72 * 4096 // 8
    )


def test_the_papers_equation_as_printed_gives_32():
    assert printed_equation(board(), inputs=4116, outputs=1596, copies=2) == 32
    # the equation has a word per bank and step, but a bank of two ports gives two: 49 blocks of
    # 1,596 vectors over 8 banks are three blocks deep
    assert uram_blocks(49 * 1596, 140, 8) == Blocks(banks=8, wide=2, deep=3)


def test_a_block_is_72_bits_of_4096_words():
    assert uram_blocks(4096, 72, 1).total == 1
    assert uram_blocks(4097, 73, 1) == Blocks(1, 2, 2)


def test_a_unit_without_regions_has_no_buffer():
    with pytest.raises(ValueError, match="expected `region_inputs`"):
        weight_buffer(board().model_copy(update={"region_inputs": None}), 3)


def test_a_fabric_with_a_memory_waits_for_it():
    fast, slow = (
        load_target("rdu-baseline", {"tier.hbm.gb_per_s": rate}) for rate in (1800, 1.8)
    )
    ops = body_of(ARGS, GEMV)
    tiers = ("hbm", "hbm", "hbm")
    moved = 2 * (4096 * 4096 + 2 * 4096)
    # 2^24 products on one tile of 48 a cycle; 32 MiB at 1.125 bytes a tick
    assert cost(fast, "fabric", ops, tiers=tiers).cycles == -(-(2**24) // 48)
    assert cost(slow, "fabric", ops, tiers=tiers).cycles == -(-moved * 8 // 9)


PAGE = Path(__file__).parents[2] / "docs" / "machines" / "sn40l-node.md"
ROW = r"^\| (?:\S+) \| (\d+) of (\d+) KiB \| `(\S+)` \| (\S+) \| (\S+) \| (\S+) \|$"


ROWS = re.findall(ROW, PAGE.read_text(), re.MULTILINE)
assert ROWS, "the page has no table"


@pytest.mark.parametrize("row", ROWS)
def test_the_page_says_what_a_token_asks_of_the_network(row: tuple[str, ...]):
    count, kib, name, *shown = row
    given = load_target(name).network
    assert given is not None
    for scale, milliseconds in zip((0.25, 1, 4), shown, strict=True):
        rate = given.gb_per_s.value * scale
        network = load_target(name, {"network.gb_per_s": rate}).network
        assert network is not None
        each = network.seconds(network.collective("all-reduce", int(kib) * 1024))
        assert float(milliseconds) == pytest.approx(
            float(int(count) * each) * 1e3, abs=1e-3
        )
