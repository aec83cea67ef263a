"""Placement errors are sentences that name what clashes."""

import re

import pytest
from lowering import lowered, parse, product
from pass_testing import apply_to_clone
from test_place_buffers import LAYERS
from xdsl.utils.exceptions import PassFailedException

from dfc.passes.verify_placement import VerifyPlacementPass


def check(text: str) -> None:
    """Verify the placement of a module's text."""
    apply_to_clone(VerifyPlacementPass(), parse(text))


def placed() -> str:
    """The text of a placed product."""
    return str(lowered(product(4, 64, 64), "placed"))


def test_what_place_buffers_makes_is_accepted():
    check(placed())
    check(str(lowered(parse(LAYERS), "placed")))


def test_two_live_buffers_at_one_offset():
    text = re.sub(
        r"tier.alloc offset \d+ (: .*sram)", r"tier.alloc offset 0 \1", placed()
    )
    with pytest.raises(
        PassFailedException, match="overlap in tier `sram` while both are live"
    ):
        check(text)


def test_two_fifos_at_one_offset():
    text = re.sub(r'tier "sram" offset \d+', 'tier "sram" offset 0', placed())
    with pytest.raises(
        PassFailedException, match=r"a FIFO of .* in `.*` .* and .* overlap"
    ):
        check(text)


def test_a_tier_too_small():
    text = placed().replace(
        "capacity_mib = 1.000000e+00", "capacity_mib = 1.000000e-03"
    )
    with pytest.raises(
        PassFailedException, match="does not fit in tier `sram` of 1048 bytes"
    ):
        check(text)


def test_a_tier_the_target_does_not_have():
    text = placed().replace('"sram"', '"cache"')
    with pytest.raises(
        PassFailedException, match="expected a tier of sram, ddr, got `cache`"
    ):
        check(text)


def test_weights_that_no_tier_holds():
    text = placed().replace(
        "{tier.sram.capacity_mib = 1.000000e+00 : f64}",
        '{"tier.ddr.capacity_gib" = 3.9e-6 : f64, "tier.sram.capacity_mib" = 1.0 : f64}',
    )
    with pytest.raises(
        PassFailedException,
        match=r"arguments of .* bytes and buffers of .* bytes do not fit in tier `ddr`",
    ):
        check(text)


def test_a_buffer_read_before_it_is_written():
    text = """
builtin.module attributes {accel.target = "tiny-npu"} {
func.func @main(%y: memref<4xf32, "ddr">) {
  %b = tier.alloc offset 0 : memref<4xf32, "sram">
  %e = tier.copy %b to %y : memref<4xf32, "sram"> to memref<4xf32, "ddr">
  func.return
}
}"""
    with pytest.raises(
        PassFailedException, match="buffer `%b` is read before anything is written"
    ):
        check(text)


def test_a_buffer_without_an_offset():
    text = re.sub(r"tier.alloc offset \d+ ", "tier.alloc ", placed())
    with pytest.raises(
        PassFailedException, match="expected a buffer with an offset, got none"
    ):
        check(text)


def test_a_unit_that_does_not_reach_its_operand():
    text = re.sub(r'(memref<[^>]*), "sram">', r'\1, "ddr">', placed())
    with pytest.raises(
        PassFailedException, match=r"unit `.*` reaches sram, got an operand in `ddr`"
    ):
        check(text)


def test_a_called_functions_buffers_and_its_callers():
    text = str(lowered(parse(LAYERS), "placed"))
    # a buffer of the caller that lives across both calls, where the layer has its own
    text = text.replace(
        "func.call @layer(%x",
        'tier.copy %x to %mine : memref<4x16xf32, "ddr"> to memref<4x16xf32, "sram">\n    func.call @layer(%x',
        1,
    ).replace(
        "    func.return %",
        '    "tier.copy"(%mine, %x) : (memref<4x16xf32, "sram">, memref<4x16xf32, "ddr">) -> !accel.event\n    func.return %',
        1,
    )
    text = text.replace("func.func @main", "func.func @main", 1)
    head, tail = text.split("func.func @main", 1)
    first_line, rest = tail.split("\n", 1)
    own = '    %mine = tier.alloc offset 0 : memref<4x16xf32, "sram">\n'
    text = head + "func.func @main" + first_line + "\n" + own + rest
    with pytest.raises(
        PassFailedException, match=r"of @layer .* overlap|overlap .* of @layer"
    ):
        check(text)
