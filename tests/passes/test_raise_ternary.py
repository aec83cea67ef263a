"""Tests of raise-ternary: which layers it takes, and how far int8 activations are from exact ones."""

import numpy as np
import pytest
from pass_testing import FILECHECK, apply_to_clone, check_values, ops_named, parse

from dfc.passes.raise_ternary import RaiseTernaryPass
from dfc.runtime.interpreter import run

CASES = (FILECHECK / "raise_ternary.mlir").read_text().split("// -----")


@pytest.mark.parametrize("text", CASES)
def test_values_stay_within_the_rounding_of_activations(text: str):
    check_values(parse(text), RaiseTernaryPass())


def test_difference_is_the_rounding_of_activations():
    before = parse(CASES[0])
    after = apply_to_clone(RaiseTernaryPass(), before)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 64)).astype(np.float32)
    b = rng.standard_normal(32).astype(np.float32)
    w = (0.5 * rng.integers(-1, 2, (32, 64))).astype(np.float32)
    weights = {"up": w}
    (exact,) = run(before, "bias", [x, b], weights=weights)
    (rounded,) = run(after, "bias", [x, b], weights=weights)
    # an activation moves by half a step of absmax / 127 at most, and 64 of them are summed
    bound = np.abs(x).max(1) / 127 / 2 * np.abs(w).sum(1).max()
    assert 0 < np.abs(exact - rounded).max() <= bound.max()
    # activations that are whole steps are not moved
    whole = rng.integers(-127, 128, (4, 64)).astype(np.float32)
    whole[:, 0] = 127
    (exact,) = run(before, "bias", [whole, b], weights=weights)
    (same,) = run(after, "bias", [whole, b], weights=weights)
    np.testing.assert_allclose(same, exact, atol=1e-3)


def test_unmarked_call_keeps_the_layer_of_a_private_function():
    text = CASES[1].replace("dfc.ternary, ", "")
    made = apply_to_clone(RaiseTernaryPass(), parse(text))
    assert not ops_named(made, "ternary.linear")
