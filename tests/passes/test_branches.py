"""A kernel behind a flag: values at every level below, and the order of what the function reads itself."""

import numpy as np
import pytest
from attention_testing import Case, levels, on_fabric
from pass_testing import FILECHECK, apply_to_clone, ops_named, parse
from xdsl.utils.exceptions import PassFailedException

from dfc.passes.place_buffers import PlaceBuffersPass
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import run

PARTS = (FILECHECK / "place_buffers.mlir").read_text().split("// -----")
TEXT = next(part for part in PARTS if "func.func @branch" in part)


@pytest.mark.parametrize("size", [1.0, 300.0])
def test_the_fall_back_of_attention_runs_at_every_level(size: float):
    case = Case(heads=2, rows=5, keys=6, causal=True)
    inputs = case.inputs(size=size)
    module = on_fabric(case, "unified_max")
    first, *others = [run(level, "main", inputs) for level in levels(module)]
    np.testing.assert_allclose(first[0], case.wanted(inputs), atol=1e-5)
    for other in others:
        np.testing.assert_array_equal(other[0], first[0])


@pytest.mark.parametrize("flag", [0, 1])
def test_a_branch_gives_one_of_two_values(flag: int):
    module = parse(TEXT.replace("dense<1>", f"dense<{flag}>"))
    x = np.arange(32, dtype=np.float32).reshape(4, 8)
    for level in levels(module):
        (y,) = run(level, "branch", [x])
        np.testing.assert_array_equal(y, x * x if flag else x + x)


def test_a_flag_that_is_read_too_early_is_an_error():
    *_, program = levels(parse(TEXT))
    wait = ops_named(program, "accel.wait")[0]
    wait.detach()
    wait.erase()
    x = np.zeros((4, 8), np.float32)
    with pytest.raises(ExecutionError, match=r"`memref\.load` reads bytes of"):
        run(program, "branch", [x])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scf.yield %y :", "scf.yield %x :", "got other values"),
        (
            "func.return %4",
            "func.return %y",
            "which nothing else uses, got other values",
        ),
        (
            "scf.yield %y :",
            "%t = tensor.empty() : tensor<4x8xf32>\n scf.yield %t :",
            "one kernel where the condition holds and none where it does not, got 2 and 2",
        ),
    ],
)
def test_other_branches_are_refused(old: str, new: str, message: str):
    with pytest.raises(PassFailedException, match=message):
        apply_to_clone(PlaceBuffersPass(), parse(TEXT.replace(old, new)))
