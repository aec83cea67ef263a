"""What outline-kernels makes functions of, and that they compute what the tiles do."""

import pytest
from lowering import lowered, parse, product, random_values, same, values
from pass_testing import FILECHECK, apply_to_clone, check_values, ops_named

from dfc.dialects.ternary import PackingAttr
from dfc.passes.analysis.weight_layout import concatenates
from dfc.passes.outline_kernels import OutlineKernelsPass

CASES = (FILECHECK / "outline_kernels.mlir").read_text().split("// -----")


@pytest.mark.parametrize("text", CASES)
def test_values_stay(text: str):
    check_values(parse(text), OutlineKernelsPass())


@pytest.mark.parametrize(
    ("shape", "outlined"),
    [
        ((4, 64, 64, 1024), 2),  # everything is one token
        ((4, 64, 64, 3), 2),
        ((7, 100, 200, 4), 1),  # the sum of the product is cut
        ((33, 130, 96, 6), 1),
        ((5, 7, 9, 1), 2),
    ],
)
def test_functions_compute_what_tiles_do(
    shape: tuple[int, int, int, int], outlined: int
):
    module = product(*shape)
    tiled = lowered(module, "tiled")
    made = apply_to_clone(OutlineKernelsPass(), tiled)
    given = random_values(module)
    assert same(values(tiled, given), values(made, given))
    assert len(ops_named(made, "func.call")) == outlined
    assert len(ops_named(made, "accel.kernel")) == 2 - outlined


def test_attention_in_rows_stays_even_where_its_tiles_ask_for_no_index():
    """A position that all tiles share is that of each tile's first row."""
    text = CASES[-1].replace("%i = stream.index 0", "%i = arith.constant 0 : index")
    made = check_values(parse(text), OutlineKernelsPass())
    assert ops_named(made, "accel.kernel")


def test_names_that_functions_have_get_a_number():
    text = CASES[0].replace("@product", "@up")
    made = check_values(parse(text), OutlineKernelsPass())
    (call,) = ops_named(made, "func.call")
    assert call.callee.string_value() == "up_2"


@pytest.mark.parametrize(
    ("code", "order", "tile", "whole", "together"),
    [
        ("trits1in2", "interleaved", (32, 64), (90, 64), True),
        ("trits1in2", "interleaved", (8, 64), (16, 64), False),  # rows are padded
        ("trits1in2", "interleaved", (16, 32), (16, 64), False),  # columns are cut
        ("trits3in5", "interleaved", (32, 24), (90, 24), True),
        ("trits1in2", "quarters", (4, 4), (8, 4), False),  # of the whole's quarters
        ("trits1in2", "rows", (3, 4), (9, 4), True),
        ("trits1in2", "rows", (3, 3), (9, 3), False),  # a tile ends within a byte
        ("trits5in8", "rows", (2, 5), (8, 5), True),
        ("trits5in8", "rows", (2, 4), (8, 4), False),
        ("trits5in8", "rows", (2, 4), (2, 4), True),
    ],
)
def test_packed_tiles_follow_each_other_as_the_whole_is_packed(
    code: str, order: str, tile: tuple[int, int], whole: tuple[int, int], together: bool
):
    assert concatenates(PackingAttr(code, order), tile, whole) == together
