"""Tests of systolic arrays: the closed forms, against an array that is run step by step."""

from collections.abc import Iterator
from math import ceil

import numpy as np
import pytest
from machine_testing import body_of, cost

from dfc.runtime.machine import Target, load_target
from dfc.runtime.machine.structure import Contraction, contraction_of
from dfc.runtime.machine.units import Systolic

DATAFLOWS = ("output-stationary", "weight-stationary", "input-stationary")
ARRAYS = [(4, 4), (1, 1), (1, 5), (5, 1), (3, 5), (5, 3)]
SHAPES = [
    *[(4, 4, 4), (1, 1, 1), (8, 8, 8), (9, 7, 5)],
    # smaller than the array in one, in two, and in all of M, N, K
    *[(1, 8, 8), (8, 1, 8), (8, 8, 1), (2, 2, 8), (8, 2, 2), (2, 8, 2), (2, 3, 2)],
]


def machine(rows: int, columns: int, dataflow: str) -> Target:
    """A target with such an array."""
    shape = {"unit.array.rows": rows, "unit.array.columns": columns}
    return load_target("tiny-npu", {**shape, "unit.array.dataflow": dataflow})


def array(rows: int, columns: int, dataflow: str) -> Systolic:
    """The unit model of such an array."""
    unit = machine(rows, columns, dataflow).unit["array"]
    assert isinstance(unit, Systolic)
    return unit


def folds(size: int, part: int) -> Iterator[slice]:
    """Parts of a dimension, the last one as it is."""
    for at in range(0, size, part):
        yield slice(at, min(at + part, size))


def output_stationary(a, b, rows: int, columns: int) -> tuple[np.ndarray, int]:
    """C = A B, one C per cell: A comes from the left, B from above, both skewed; returns C and steps."""
    c, steps = np.zeros((a.shape[0], b.shape[1]), int), 0
    for m in folds(a.shape[0], rows):
        for n in folds(b.shape[1], columns):
            left, above = (
                np.zeros((rows, a.shape[1]), int),
                np.zeros((a.shape[1], columns), int),
            )
            left[: m.stop - m.start], above[:, : n.stop - n.start] = a[m], b[:, n]
            done, taken = _skewed(left, above)
            c[m, n] = done[: m.stop - m.start, : n.stop - n.start]
            steps += taken
    return c, steps


def _skewed(left: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, int]:
    """Cells multiply what comes from the left and from above and pass it on, until all is through."""
    (rows, depth), columns = left.shape, above.shape[1]
    h = np.zeros((rows, columns), int)
    v, sums, products = h.copy(), h.copy(), h.copy()
    step = 0
    while (products < depth).any():
        h, v = np.roll(h, 1, axis=1), np.roll(v, 1, axis=0)
        valid = np.zeros((rows, columns), bool)
        for i in range(rows):
            h[i, 0] = left[i, step - i] if 0 <= step - i < depth else 0
        for j in range(columns):
            v[0, j] = above[step - j, j] if 0 <= step - j < depth else 0
        for i in range(rows):
            for j in range(columns):
                valid[i, j] = 0 <= step - i - j < depth
        sums += h * v
        products += valid
        step += 1
    return sums, step


def held(x, w, rows: int, columns: int) -> tuple[np.ndarray, int]:
    """
    Y = X W with W in the cells, one per cell: load it row by row, then stream X from the left.

    Partial sums go down a row a step; a result leaves below the last row of the array.
    """
    y, steps = np.zeros((x.shape[0], w.shape[1]), int), 0
    for k in folds(x.shape[1], rows):
        for n in folds(w.shape[1], columns):
            cell = np.zeros((rows, columns), int)
            cell[: k.stop - k.start, : n.stop - n.start] = w[k, n]
            steps += rows
            found, taken = _streamed(x[:, k], cell)
            y[:, n] += found[:, : n.stop - n.start]
            steps += taken
    return y, steps


def _streamed(x: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, int]:
    """Inputs go right and partial sums down, one cell a step, until the last sum has left."""
    (count, used), (rows, columns) = x.shape, cell.shape
    y, left = np.zeros((count, columns), int), count * columns
    h, sums = np.zeros((rows, columns), int), np.zeros((rows, columns), int)
    step = 0
    while left:
        h = np.roll(h, 1, axis=1)
        for i in range(rows):
            at = step - i
            h[i, 0] = x[at, i] if i < used and 0 <= at < count else 0
        sums = np.vstack([np.zeros((1, columns), int), sums[:-1]]) + h * cell
        for j in range(columns):
            at = step - (rows - 1) - j
            if 0 <= at < count:
                y[at, j] = sums[-1, j]
                left -= 1
        step += 1
    return y, step


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("size", ARRAYS, ids=str)
def test_the_closed_forms_are_what_an_array_takes(
    size: tuple[int, int], shape: tuple[int, int, int]
):
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, (m, k)), rng.integers(-9, 9, (k, n))
    product = Contraction(1, m, n, k, "i8")
    runs = {
        "output-stationary": output_stationary(a, b, *size),
        "weight-stationary": held(a, b, *size),
        "input-stationary": (lambda y, s: (y.T, s))(*held(b.T, a.T, *size)),
    }
    for dataflow, (values, steps) in runs.items():
        assert (values == a @ b).all()
        # the last step's index, as SCALE-Sim counts
        assert array(*size, dataflow).steps(product) == steps - 1, dataflow


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("size", [(32, 32), (16, 64), (64, 16), (1, 1)], ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 100, 7), (70, 33, 128)], ids=str)
def test_cycles_of_a_launch_are_the_closed_form(
    dataflow: str, size: tuple[int, int], shape: tuple[int, int, int]
):
    (m, n, k), (r, c) = shape, size
    forms = {
        "output-stationary": ceil(m / r) * ceil(n / c) * (k + r + c - 2) - 1,
        "weight-stationary": ceil(k / r) * ceil(n / c) * (m + 2 * r + c - 2) - 1,
        "input-stationary": ceil(k / r) * ceil(m / c) * (n + 2 * r + c - 2) - 1,
    }
    q, w, y = f"tensor<{m}x{k}xi8>", f"tensor<{n}x{k}x!ternary.trit>", f"{m}x{n}xi32"
    ops = body_of(
        f"%q: {q}, %w: {w}",
        f"%y = ternary.matmul %q, %w : ({q}, {w}) -> tensor<{y}>",
    )
    assert cost(machine(r, c, dataflow), "array", ops).cycles == forms[dataflow]


CONVOLUTIONS = {
    # 2 x 6 x 6 positions of 3 x 3 x 8 inputs, 16 filters
    "conv_2d_nhwc_hwcf": ("2x8x8x8", "3x3x8x16", "2x6x6x16", 1),
    "conv_2d_nchw_fchw": ("2x8x8x8", "16x8x3x3", "2x16x6x6", 1),
    # every second position: 2 x 3 x 3 of them
    "strided": ("2x8x8x8", "3x3x8x16", "2x3x3x16", 2),
}


def convolution(name: str) -> Contraction:
    """A named convolution as the product the array sees."""
    x, w, y, stride = CONVOLUTIONS[name]
    op = "conv_2d_nhwc_hwcf" if name == "strided" else name
    types = [f"tensor<{shape}xf16>" for shape in (x, w, y)]
    ops = body_of(
        f"%x: {types[0]}, %w: {types[1]}, %o: {types[2]}",
        f"%y = linalg.{op} {{dilations = dense<1> : tensor<2xi64>, strides ="
        f" dense<{stride}> : tensor<2xi64>}} ins(%x, %w : {types[0]}, {types[1]})"
        f" outs(%o : {types[2]}) -> {types[2]}",
    )
    found = contraction_of(ops[0])
    assert found is not None
    return found


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_is_the_product_of_its_positions_and_filters(name: str):
    rows = 2 * 3 * 3 if name == "strided" else 2 * 6 * 6
    assert convolution(name) == Contraction(1, rows, 16, 3 * 3 * 8, "f16")


def test_a_depthwise_convolution_is_a_batch_of_columns():
    text = """
%y = linalg.generic {indexing_maps = [affine_map<(b, i, j, c, p, q) -> (b, i + p, j + q, c)>, affine_map<(b, i, j, c, p, q) -> (p, q, c)>, affine_map<(b, i, j, c, p, q) -> (b, i, j, c)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
  ins(%x, %w : tensor<1x8x8x32xf16>, tensor<3x3x32xf16>) outs(%o : tensor<1x6x6x32xf16>) {
^bb0(%u: f16, %v: f16, %s: f16):
  %p = arith.mulf %u, %v : f16
  %t = arith.addf %s, %p : f16
  linalg.yield %t : f16
} -> tensor<1x6x6x32xf16>"""
    args = "%x: tensor<1x8x8x32xf16>, %w: tensor<3x3x32xf16>, %o: tensor<1x6x6x32xf16>"
    (op,) = body_of(args, text)
    found = contraction_of(op)
    assert found == Contraction(32, 36, 1, 9, "f16")
    # 32 channels of 2 x 1 folds, nine steps each and 62 to pass through
    unit = array(32, 32, "output-stationary")
    assert unit.steps(found) == 32 * 2 * (9 + 62) - 1
