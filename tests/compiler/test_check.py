"""`--check`: every level passes, and one wrong bit fails at the kernel that has it."""

import numpy as np
import pytest
from xdsl.dialects.func import FuncOp

from dfc.api import load
from dfc.check import Check, Comparison, EndToEnd, Row, check
from dfc.comparison import Difference, compare
from dfc.dialects.ternary import PackOp
from dfc.frontends import eager_values
from dfc.pipelines import LEVELS
from dfc.program import Program
from dfc.workload import plan


@pytest.fixture(scope="module")
def program() -> Program:
    """A small BitNet on `tiny-npu`: a prompt of four tokens."""
    return load("zoo:bitnet-tiny", "tiny-npu", plan(4), abstract=False)


def program_rows(program: Program) -> dict[str, Row]:
    """Each kernel's row at program level."""
    inputs = program.traced.random_inputs("prefill", 0)
    reference = eager_values(program.traced, "prefill", inputs)
    hook = Comparison("program", "prefill", reference)
    program.run("prefill", inputs, hook=hook)
    return hook.rows


def packed_weights(program: Program) -> dict[str, str]:
    """The packed results of `@weights` at program level, by the layer they come from."""
    found: dict[str, str] = {}
    for op in program.module("program").ops:
        if isinstance(op, FuncOp) and op.sym_name.data == "weights":
            for index, value in enumerate(op.body.block.last_op.operands):
                if isinstance(value.owner, PackOp):
                    origin = value.owner.attributes["dfc.origin"].data
                    found[origin.partition(":")[0]] = f"@weights:{index}"
    return found


@pytest.mark.slow
def test_every_level_is_as_eager(program: Program):
    inputs = program.traced.random_inputs("prefill", 0)
    found = check(program, program.traced, {"prefill": inputs})
    assert found.passed
    assert {row.level for row in found.rows} == set(LEVELS)
    assert all(row.values for row in found.rows)
    assert all(end.difference.integers == 0 for end in found.ends)


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["self_attn.o_proj", "mlp.gate_proj"])
def test_one_flipped_trit_fails_at_the_kernel_that_reads_it(
    program: Program, layer: str
):
    name = packed_weights(program)[f"model.layers.1.{layer}"]
    assert all(row.passed for row in program_rows(program).values())
    weights = program.hoisted("program")
    whole = weights[name]
    weights[name] = whole.copy()
    # the lowest two bits are the first trit, whose codes are 0, 1 and 2
    flat = weights[name].reshape(-1)
    code = flat[0] & 0b11
    flat[0] += (code + 1) % 3 - code
    try:
        failed = [n for n, row in program_rows(program).items() if not row.passed]
    finally:
        weights[name] = whole
    assert failed == [layer.partition(".")[2]]


def test_a_check_that_compared_nothing_has_not_passed():
    assert not Check().passed
    assert not Check([Row("tensor", "k", 1)]).passed
    assert Check([Row(level, "k", 1) for level in LEVELS]).passed
    # rows that are shown but had nothing to be compared with
    assert not Check([Row(level, "k", 0) for level in LEVELS]).passed


def test_flips_excuse_an_error_but_not_a_nan_or_another_shape():
    ones = np.ones(2, np.float32)
    off = compare(2 * ones, ones)
    assert not EndToEnd("main", off, flips=0).passed
    assert EndToEnd("main", off, flips=1).passed
    for wrong in (np.float32([1, np.nan]), np.ones((2, 1), np.float32)):
        assert not EndToEnd("main", compare(wrong, ones), flips=1).passed


def test_an_integer_off_by_more_than_a_rounding_fails():
    reference = {
        ((), "l#quantize.0"): np.array([[1, 2, 3]], np.int8),
        ((), "l#quantize.1"): np.array([2.0], np.float32),
    }
    x, s = np.zeros((1, 3), np.float32), np.array([2.0], np.float32)
    hook = Comparison("program", "main", reference)
    q, _ = hook.quantized("l", (), x, np.array([[1, 2, 4]], np.int8), s)
    assert (hook.outside.flips, hook.outside.passed) == (1, True)
    assert np.array_equal(q, [[1, 2, 3]])
    hook.quantized("l", (), x, np.array([[1, 2, 5]], np.int8), s)
    assert not hook.outside.passed


def test_tiles_of_rows_are_compared_with_their_rows():
    q = np.arange(8, dtype=np.int8).reshape(4, 2)
    s = np.ones(4, np.float32)
    reference = {((), "l#quantize.0"): q, ((), "l#quantize.1"): s}
    hook = Comparison("program", "main", reference)
    for rows in (slice(0, 2), slice(2, 4)):
        x = np.zeros((2, 2), np.float32)
        assert np.array_equal(hook.quantized("l", (), x, q[rows], s[rows])[0], q[rows])
    assert (hook.outside.flips, hook.outside.passed) == (0, True)


@pytest.mark.parametrize(
    ("found", "expected", "within"),
    [
        (np.float32([1.0]), np.float32([1.0 + 5e-6]), True),
        (np.float32([1.0]), np.float32([1.001]), False),
        (np.float16([1.0]), np.float16([1.001]), True),
        (np.float32([np.nan]), np.float32([np.nan]), True),
        (np.float32([np.nan]), np.float32([0.0]), False),
        (np.float32([np.inf]), np.float32([-np.inf]), False),
        (np.int32([3]), np.int32([3]), True),
        (np.int32([3]), np.int32([4]), False),
        (np.float32([1.0]), np.float16([1.0]), False),
        (np.float32([1.0]), np.float32([[1.0]]), False),
    ],
)
def test_comparison(found, expected, within: bool):
    assert compare(found, expected).within is within


def test_differences_add_up():
    both = Difference(1e-6, 1, 1e-5).worse(Difference(1e-7, 2, 1e-3))
    assert both == Difference(1e-6, 3, 1e-3)
