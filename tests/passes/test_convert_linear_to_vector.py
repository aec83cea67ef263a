"""`convert-linear-to-vector`: dense products by machine code against the interpreter and f64."""

from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from linear_testing import linear_text
from pass_testing import apply_to_clone, parse

from dfc.passes.convert_linear_to_vector import ConvertLinearToVectorPass
from dfc.runtime.interpreter import run
from dfc.runtime.native.cpu import NEEDS, flags
from dfc.runtime.native.kernel import Kernel, load_kernels

ISAS = [name for name, needs in NEEDS.items() if needs <= flags()]
DTYPES: dict[str, Any] = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}  # fmt: skip
LAST_BIT = {"f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}
"""Of 1."""

SUMMING = 2.0**-20
"""What rounding of sums in f32 takes at most, of the sum of the terms' sizes."""


@dataclass(frozen=True)
class Case:
    """A product: rows of activations, rows and columns of the weight."""

    rows: int
    n: int
    k: int
    dtype: str = "bf16"
    biased: bool = True
    isa: str = ISAS[0]

    def text(self) -> str:
        """The function, of so many rows but 8 at most."""
        rows = min(self.rows, 8)
        return linear_text(rows, self.n, self.k, self.dtype, biased=self.biased)

    def kernel(self) -> Kernel:
        """Its code."""
        made = apply_to_clone(ConvertLinearToVectorPass(self.isa), parse(self.text()))
        return load_kernels(made)["linear"]

    def inputs(self) -> list[Any]:
        """Random values."""
        draw, kind = np.random.default_rng(7), DTYPES[self.dtype]
        shapes = [(self.rows, self.k), (self.n, self.k), (self.n,)]
        return [
            draw.normal(size=s).astype(kind) for s in shapes[: 3 if self.biased else 2]
        ]


def called(kernel: Kernel, inputs: list[Any], threads: int = 1) -> Any:
    """What a kernel gives; it writes nothing behind."""
    x, w = inputs[:2]
    size = len(x) * len(w)
    made = np.full(size + 64, 9, x.dtype)
    kernel([*(each.ctypes.data for each in inputs), made.ctypes.data], len(x), threads)
    assert (made[size:] == 9).all()
    return made[:size].reshape(len(x), len(w))


def check(case: Case, threads: int = 1) -> None:
    """Code is within a rounding of f64."""
    inputs = case.inputs()
    got = called(case.kernel(), inputs, threads).astype(np.float64)
    x, w, *bias = (each.astype(np.float64) for each in inputs)
    wanted, sizes = x @ w.T, np.abs(x) @ np.abs(w).T
    for each in bias:
        wanted, sizes = wanted + each, sizes + np.abs(each)
    allowed = np.abs(wanted) * LAST_BIT[case.dtype] / 2 + sizes * SUMMING
    assert (np.abs(got - wanted) <= allowed).all()


PLAIN = Case(3, 37, 61)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_isa_and_dtype(isa: str, dtype: str, biased: bool) -> None:
    check(replace(PLAIN, isa=isa, dtype=dtype, biased=biased))


@pytest.mark.parametrize("rows", [*range(1, 10), 19])
def test_numbers_of_rows(rows: int) -> None:
    check(replace(PLAIN, rows=rows), threads=2)


@pytest.mark.parametrize(("n", "k"), [(1, 16), (2, 17), (5, 31), (40, 64), (9, 8192)])
def test_sizes(n: int, k: int) -> None:
    for rows in (1, 4):
        check(Case(rows, n, k))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 8])
def test_the_interpreter_says_the_same(rows: int, dtype: str) -> None:
    case = replace(PLAIN, rows=rows, dtype=dtype)
    inputs = case.inputs()
    (wanted,) = run(parse(case.text()), "linear", inputs)
    got = called(case.kernel(), inputs).astype(np.float64)
    np.testing.assert_allclose(
        got, wanted.astype(np.float64), rtol=LAST_BIT[dtype], atol=1e-5
    )


@pytest.mark.parametrize("isa", ISAS)
def test_a_row_is_the_same_whatever_stands_beside_it(isa: str) -> None:
    case = Case(9, 70, 83, "f32", isa=isa)
    kernel, (x, *others) = case.kernel(), case.inputs()
    whole = called(kernel, [x, *others], threads=2)
    for rows in (1, 2, 5):
        for first in range(0, 9, rows):
            part = x[first : first + rows]
            got = called(kernel, [part, *others])
            np.testing.assert_array_equal(got, whole[first : first + rows])


def test_infinities_are_multiplied_once() -> None:
    """The columns behind the last whole vector are read again with others; those count once."""
    case = Case(1, 2, 20, "f32", biased=False)
    x, w = (np.ones(shape, np.float32) for shape in ((1, 20), (2, 20)))
    w[0, 10] = x[0, 11] = np.inf
    x[0, 5] = 0
    w[1, 6] = np.nan
    got = called(case.kernel(), [x, w])
    assert got[0, 0] == np.inf
    assert np.isnan(got[0, 1])
