"""`convert-attention-to-vector`: attention by machine code against the interpreter."""

from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from pass_testing import apply_to_clone, parse

from dfc.passes.convert_attention_to_vector import ConvertAttentionToVectorPass
from dfc.runtime.interpreter import run
from dfc.runtime.native.cpu import NEEDS, flags
from dfc.runtime.native.kernel import load_kernels

ISAS = [name for name, needs in NEEDS.items() if needs <= flags()]
DTYPES: dict[str, Any] = {"f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16}  # fmt: skip
PRECISION = {"f32": 2e-6, "f16": 2e-3, "bf16": 1.6e-2}
"""Largest error of values of about 1: some last bits of f32, else one of the kind."""


@dataclass(frozen=True)
class Case:
    """An attention: B, H, G, M, S and D, its options, the mask's B and H or none, a position or none."""

    sizes: tuple[int, int, int, int, int, int]
    options: str = ""
    mask: tuple[int, int] | None = None
    position: int | None = None
    dtype: str = "f32"
    isa: str = ISAS[0]

    def types(self) -> list[str]:
        """Types of the arguments, then of the result."""
        b, h, g, m, s, d = self.sizes
        q, k = f"tensor<{b}x{h}x{m}x{d}x{self.dtype}>", f"tensor<{b}x{g}x{s}x{d}x{self.dtype}>"  # fmt: skip
        found = [q, k, k]
        if self.position is not None:
            found.append("index")
        if self.mask is not None:
            found.append(f"tensor<{self.mask[0]}x{self.mask[1]}x{m}x{s}x{self.dtype}>")
        return [*found, q]

    def text(self) -> str:
        """The function."""
        *given, result = self.types()
        names = ["%q", "%k", "%v"]
        names += ["%at"] if self.position is not None else []
        names += ["%m"] if self.mask is not None else []
        arguments = ", ".join(map(": ".join, zip(names, given, strict=True)))
        at = " at %at" if self.position is not None else ""
        mask = f" mask %m : {given[-1]}" if self.mask is not None else ""
        return f"""
        func.func @f({arguments}) -> {result} {{
          %y = attention.sdpa %q, %k, %v{at}{mask} {{{self.options}}} : {given[0]}, {given[1]}, {given[2]} -> {result}
          func.return %y : {result}
        }}"""

    def inputs(self) -> list[Any]:
        """Random values; of a mask about a third is hidden, and all of one row."""
        b, h, g, m, s, d = self.sizes
        draw, kind = np.random.default_rng(7), DTYPES[self.dtype]
        shapes = [(b, h, m, d), (b, g, s, d), (b, g, s, d)]
        found: list[Any] = [draw.normal(size=shape).astype(kind) for shape in shapes]
        if self.position is not None:
            found.append(self.position)
        if self.mask is not None:
            values = draw.normal(size=(*self.mask, m, s))
            values[draw.random(values.shape) < 0.3] = -np.inf
            values[0, 0, 0] = -np.inf
            found.append(values.astype(kind))
        return found


def check(case: Case, threads: int = 1) -> None:
    """Machine code and interpreter agree, and nothing is written behind the result."""
    module, inputs = parse(case.text()), case.inputs()
    lowered = apply_to_clone(ConvertAttentionToVectorPass(case.isa), module)
    kernel = load_kernels(lowered)["f"]
    (expected,) = run(module, "f", inputs)
    made = np.full(expected.size + 64, 9, DTYPES[case.dtype])
    words = [x if isinstance(x, int) else x.ctypes.data for x in inputs]
    kernel([*words, made.ctypes.data], case.sizes[3], threads)
    assert (made[expected.size :] == 9).all()
    got = made[: expected.size].reshape(expected.shape).astype(np.float64)
    off = np.abs(got - expected.astype(np.float64)).max()
    assert off <= PRECISION[case.dtype], off


PLAIN = Case((1, 4, 2, 1, 40, 32))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_isa_and_dtype(isa: str, dtype: str) -> None:
    check(replace(PLAIN, isa=isa, dtype=dtype, options="causal", position=25))


@pytest.mark.parametrize("position", [0, 1, 14, 15, 16, 31, 39])
def test_positions(position: int) -> None:
    check(replace(PLAIN, options="causal", position=position))


@pytest.mark.parametrize("threads", [1, 2])
def test_several_rows_and_sequences(threads: int) -> None:
    case = Case((2, 6, 3, 3, 33, 48), "causal", position=20)
    check(case, threads)


@pytest.mark.parametrize(
    "case",
    [
        Case((1, 4, 4, 5, 37, 16)),
        Case((1, 4, 4, 5, 37, 16), "causal"),
        Case((1, 4, 4, 3, 37, 16), "causal, window = 4 : i64", position=11),
        Case((1, 4, 1, 2, 50, 256), "softcap = 1.5 : f64, scale = 0.5 : f64"),
        Case((1, 2, 2, 1, 17, 128), "causal", position=16),
    ],
    ids=str,
)
def test_options(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("mask", [(1, 1), (2, 1), (1, 4), (2, 4)])
def test_masks_and_rows_that_see_nothing(mask: tuple[int, int]) -> None:
    check(Case((2, 4, 2, 3, 21, 32), mask=mask))


def test_values_behind_the_position_may_be_anything() -> None:
    case = replace(PLAIN, options="causal", position=9)
    module, inputs = parse(case.text()), case.inputs()
    kernel = load_kernels(
        apply_to_clone(ConvertAttentionToVectorPass(case.isa), module)
    )
    (expected,) = run(module, "f", inputs)
    for cache in inputs[1:3]:
        cache[:, :, 10:] = np.nan
    made = np.zeros_like(expected)
    words = [x if isinstance(x, int) else x.ctypes.data for x in inputs]
    kernel["f"]([*words, made.ctypes.data], 1)
    np.testing.assert_allclose(made, expected, atol=2e-6)


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("least", [-np.inf, -3.38e38])
def test_keys_that_a_mask_hides_sixteen_of_are_not_read(
    least: float, dtype: str
) -> None:
    case = Case((1, 4, 2, 1, 70, 32), mask=(1, 1), dtype=dtype)
    module, inputs = parse(case.text()), case.inputs()
    mask = inputs[3]
    mask[...] = 0
    mask[..., 16:32] = mask[..., 40:] = least
    kernel = load_kernels(
        apply_to_clone(ConvertAttentionToVectorPass(case.isa), module)
    )
    (expected,) = run(module, "f", inputs)
    for cache in inputs[1:3]:
        cache[:, :, 16:32] = cache[:, :, 48:] = np.nan
    made = np.zeros_like(expected)
    kernel["f"]([*(x.ctypes.data for x in inputs), made.ctypes.data], 1)
    off = np.abs(made.astype(np.float64) - expected.astype(np.float64)).max()
    assert off <= PRECISION[dtype]


def test_rows_that_see_nothing_for_a_while_or_at_all() -> None:
    for seen in (range(37, 50), range(0)):
        case = Case((1, 4, 2, 1, 70, 32), mask=(1, 1))
        module, inputs = parse(case.text()), case.inputs()
        inputs[3][...] = np.finfo(np.float32).min
        inputs[3][..., list(seen)] = 0
        lowered = apply_to_clone(ConvertAttentionToVectorPass(case.isa), module)
        (expected,) = run(module, "f", inputs)
        made = np.zeros_like(expected)
        words = [*(x.ctypes.data for x in inputs), made.ctypes.data]
        load_kernels(lowered)["f"](words, 1)
        np.testing.assert_allclose(made, expected, atol=2e-6)
