"""Programs of rows compute what the interpreter does, for any number of tokens and columns."""

import ml_dtypes
import numpy as np
import pytest
from pass_testing import FILECHECK, apply_to_clone, ops_named, parse
from row_testing import (
    Text,
    call_rows,
    generic,
    interpreted,
    quantize_text,
    row_kernel,
)
from xdsl.utils.exceptions import PassFailedException

from dfc.passes.convert_rows_to_vector import ConvertRowsToVectorPass
from dfc.runtime.interpreter.dtypes import Array

TEXT = (FILECHECK / "convert_rows_to_vector.mlir").read_text()
FLOATS = {"f32": np.float32, "bf16": ml_dtypes.bfloat16, "f16": np.float16}


def norm_text(columns: int, dtype: str) -> Text:
    """`x + y`, its root mean square norm quantised, and the factor of each token."""

    def text(tokens: int) -> str:
        x, one, w = (
            f"tensor<{tokens}x{columns}x{dtype}>",
            f"tensor<{tokens}x1xf32>",
            f"tensor<{columns}x{dtype}>",
        )
        extended = (
            "%e = arith.addf %a0, %z : f32"
            if dtype == "f32"
            else f"%e = arith.extf %a0 : {dtype} to f32"
        )
        narrowed = (
            "%n = arith.addf %p, %z : f32"
            if dtype == "f32"
            else f"%n = arith.truncf %p : f32 to {dtype}"
        )
        sum_ = generic(
            "%sum",
            [("%x", "tk", x), ("%y", "tk", x)],
            ("%ex", "tk", x),
            f"%r = arith.addf %a0, %a1 : {dtype}",
        )
        fold = generic(
            "%all",
            [("%sum", "tk", x)],
            ("%start", "t1", one),
            f"{extended}\n%p = arith.mulf %e, %e : f32\n%r = arith.addf %p, %o : f32",
            True,
        )
        root = generic(
            "%f",
            [("%all", "tk", one)],
            ("%e1", "tk", one),
            "%m = arith.divf %a0, %k : f32\n%v = arith.addf %m, %eps : f32\n%r = math.rsqrt %v : f32",
        )
        scaled = generic(
            "%n",
            [("%sum", "tk", x), ("%f", "t1", one), ("%w", "k", w)],
            ("%ex", "tk", x),
            f"{extended}\n%p = arith.mulf %e, %a1 : f32\n{narrowed}\n%r = arith.mulf %n, %a2 : {dtype}",
        )
        kinds = f"({x}, tensor<{tokens}x{columns}xi8>, tensor<{tokens}xf32>, {one})"
        return f"""
        func.func @f(%x: {x}, %y: {x}, %w: {w}) -> {kinds} {{
          %z = arith.constant -0.0 : f32
          %zero = arith.constant 0.0 : f32
          %k = arith.constant {columns}.0 : f32
          %eps = arith.constant 1.0e-5 : f32
          %ex = tensor.empty() : {x}
          %e1 = tensor.empty() : {one}
          %start = linalg.fill ins(%zero : f32) outs(%e1 : {one}) -> {one}
          {sum_}
          {fold}
          {root}
          {scaled}
          %q, %s = ternary.quantize %n : {x} -> (tensor<{tokens}x{columns}xi8>, tensor<{tokens}xf32>)
          func.return %sum, %q, %s, %f : {x}, tensor<{tokens}x{columns}xi8>, tensor<{tokens}xf32>, {one}
        }}"""

    return text


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("columns", [2, 15, 16, 100, 320])
def test_a_norm_and_its_quantisation_are_those_of_the_interpreter(
    dtype: str, columns: int
):
    text = norm_text(columns, dtype)
    made = row_kernel(text)
    random = np.random.default_rng(columns)
    for tokens in (1, 5, 40):
        kind = FLOATS[dtype]
        x, y = (random.normal(size=(tokens, columns)).astype(kind) for _ in range(2))
        inputs = [x, y, random.uniform(0.5, 2, columns).astype(kind)]
        found = call_rows(made, text, inputs, tokens, threads=2)
        h, q, s, f = interpreted(text, inputs, tokens)
        np.testing.assert_array_equal(found[0], h)
        np.testing.assert_allclose(found[3], f, rtol=3e-7)
        np.testing.assert_allclose(found[2], s, rtol=1e-2 if dtype != "f32" else 1e-6)
        flips = np.abs(found[1].astype(int) - q)
        assert flips.max(initial=0) <= 1
        assert flips.mean() < 0.01


def quantized(x: Array, dtype: str) -> None:
    """A quantisation is equal to the bit."""

    def text(tokens: int) -> str:
        return quantize_text(tokens, x.shape[1], dtype)

    found = call_rows(row_kernel(text), text, [x], len(x), threads=2)
    for one, other in zip(found, interpreted(text, [x], len(x)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 15), (3, 64), (20, 83)])
def test_quantised_rows_are_equal(dtype: str, shape: tuple[int, int]):
    x = np.random.default_rng(3).normal(scale=3, size=shape)
    x[0, 0] = 0.5
    x[-1] = 0  # a row of zeros has the smallest maximum
    x[0, -1] = 127 / 2  # then x * s is a half for the first
    quantized(x.astype(FLOATS[dtype]), dtype)


@pytest.mark.parametrize("columns", [1, 16, 24])
def test_rounding_is_half_to_even_and_clamps(columns: int):
    # absmax 127 makes s = 1
    row = [127, 0.5, 1.5, 2.5, -0.5, -1.5, -127, 126.5]
    quantized(np.resize(np.array(row, np.float32), (1, columns)), "f32")


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_not_finite_is_quantised_as_the_interpreter_does(dtype: str):
    x = np.random.default_rng(4).normal(size=(4, 40)).astype(np.float32)
    x[0, 3], x[1, 38], x[2, 5], x[2, 6] = np.nan, np.inf, -np.inf, np.nan
    x[3] = 1e-30
    quantized(x.astype(FLOATS[dtype]), dtype)


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(
        PassFailedException, match="avx512-vnni, avx2, portable, got 'sse'"
    ):
        apply_to_clone(ConvertRowsToVectorPass("sse"), parse(TEXT))


def test_only_the_name_of_the_instruction_set_differs():
    portable = str(apply_to_clone(ConvertRowsToVectorPass(), parse(TEXT)))
    made = apply_to_clone(ConvertRowsToVectorPass("avx512-vnni"), parse(TEXT))
    assert str(made).replace('"avx512-vnni"', '"portable"') == portable
    assert not ops_named(made, "llvm.call_intrinsic")
