"""Functions made of arithmetic are within a few units in the last place of what they are, over all of f32."""

import math
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from row_testing import (
    Text,
    call_rows,
    element,
    generic,
    interpreted,
    row_kernel,
)

from dfc.runtime.interpreter.dtypes import Array
from dfc.runtime.native.jit import object_of
from dfc.runtime.native.objects import load_object

COLUMNS = 4099
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38, -3e38]


def elementwise(
    body: str, columns: int, kind: str = "f32", result: str = "f32"
) -> Text:
    """A program of one op, `%r` of `%a0`."""

    def text(tokens: int) -> str:
        x, y = (f"tensor<{tokens}x{columns}x{each}>" for each in (kind, result))
        made = generic("%y", [("%x", "tk", x)], ("%e", "tk", y), body)
        return f"""
        func.func @f(%x: {x}) -> {y} {{
          %e = tensor.empty() : {y}
          {made}
          func.return %y : {y}
        }}"""

    return text


def everywhere(low: float, high: float) -> Array:
    """Numbers between two bounds, numbers of all sizes, and special ones; vectors and columns behind them."""
    random = np.random.default_rng(0)
    some = random.uniform(low, high, COLUMNS - 1500 - len(SPECIAL))
    bits = random.integers(0, 1 << 32, 1500, np.uint32).view(np.float32)
    special = np.array(SPECIAL, np.float32)
    return np.concatenate([some.astype(np.float32), bits, special])[None]


def errors(found: Array, expected: Array) -> Array:
    """The difference in units in the last place of f32 of the expected value."""
    with np.errstate(over="ignore"):
        rounded = expected.astype(np.float32)
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    with np.errstate(all="ignore"):
        units = np.abs(found.astype(np.float64) - expected) / np.spacing(
            np.abs(rounded)
        )
    return np.where(same, 0, units)


FUNCTIONS: list[tuple[str, Callable[[Array], Array], float, float, float]] = [
    ("exp", np.exp, -104, 89, 2),
    ("log", np.log, 0, 10, 2),
    ("log1p", np.log1p, -1, 10, 4),
    ("tanh", np.tanh, -10, 10, 3),
    ("erf", np.vectorize(math.erf), -5, 5, 3),
    ("sqrt", np.sqrt, 0, 100, 0),
    ("rsqrt", lambda x: 1 / np.sqrt(x), 0, 100, 1.5),
]


@pytest.mark.parametrize(("name", "function", "low", "high", "most"), FUNCTIONS)
def test_functions_are_within_units_in_the_last_place(
    name: str,
    function: Callable[[Array], Array],
    low: float,
    high: float,
    most: float,
):
    text = elementwise(f"%r = math.{name} %a0 : f32", COLUMNS)
    x = everywhere(low, high)
    (found,) = call_rows(row_kernel(text), text, [x], 1)
    with np.errstate(all="ignore"):
        expected = np.asarray(function(x.astype(np.float64)), np.float64)
    assert errors(found, expected).max() <= most


def bfloat16_bits() -> Array:
    """Every bf16 number."""
    return np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16)[None]


@pytest.mark.parametrize("kind", ["bf16", "f16"])
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_rounding_is_half_to_even_for_all_sizes(kind: str):
    # ties between all neighbours, what is next to them, and numbers of all sizes
    half = bfloat16_bits().view(np.uint16).astype(np.uint32) << 16
    bits = np.concatenate([half | low for low in (0, 0x7FFF, 0x8000, 0x8001)], axis=1)
    x = bits.astype(np.uint32).view(np.float32)
    if kind == "f16":
        y = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
        up = np.nextafter(y[None], np.float32(np.inf))
        x = np.concatenate([x, y[None], up, y[None] * np.float32(1 + 2**-11)], axis=1)
    text = elementwise(
        f"%r = arith.truncf %a0 : f32 to {kind}", x.shape[1], "f32", kind
    )
    (found,) = call_rows(row_kernel(text), text, [x], 1)
    expected = x.astype(found.dtype).astype(np.float32)
    np.testing.assert_array_equal(found.astype(np.float32), expected)


def test_every_bf16_number_is_read_as_it_is():
    x = bfloat16_bits()
    text = elementwise("%r = arith.extf %a0 : bf16 to f32", x.shape[1], "bf16")
    (found,) = call_rows(row_kernel(text), text, [x], 1)
    np.testing.assert_array_equal(found, x.astype(np.float32))


def test_an_element_type_is_read_off_a_tensor_type():
    assert element("tensor<4x16xbf16>") == "bf16"


CONVERSIONS = """
%nine = arith.fptosi %a0 : f32 to i32
%ten = arith.fptoui %a0 : f32 to i8
%eleven = arith.extui %ten : i8 to i32
%twelve = arith.addi %nine, %eleven : i32
%thirteen = arith.uitofp %twelve : i32 to f16
%wide = arith.extf %thirteen : f16 to f64
%root = math.sqrt %wide : f64
%narrow = arith.truncf %root : f64 to f16
%back = arith.extf %narrow : f16 to f32
"""


def test_no_library_is_called():
    # the loader of kept objects knows no names outside the object
    names = ["exp", "log", "log1p", "tanh", "erf", "rsqrt", "floor", "ceil", "trunc"]
    names += ["roundeven", "absf", "sqrt"]
    steps = [
        f"%v{n} = math.{name} %{f'v{n - 1}' if n else 'back'} : f32"
        for n, name in enumerate(names)
    ]
    last = f"%r = arith.addf %v{len(names) - 1}, %back : f32"
    text = elementwise("\n".join([CONVERSIONS, *steps, last]), 35)
    made = row_kernel(text)
    loaded = load_object(object_of(made.code.holder))
    assert "f" in loaded.symbols


@pytest.mark.parametrize("to", ["fptosi", "fptoui"])
@pytest.mark.parametrize("kind", ["i8", "i32"])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_conversions_to_integers_take_the_nearest(to: str, kind: str):
    text = elementwise(f"%r = arith.{to} %a0 : f32 to {kind}", COLUMNS, "f32", kind)
    x = everywhere(-200, 300)
    (found,) = call_rows(row_kernel(text), text, [x], 1)
    (expected,) = interpreted(text, [x], 1)
    np.testing.assert_array_equal(found, expected)
