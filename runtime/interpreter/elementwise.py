"""What the ops of `arith` and `math` compute, as functions of arrays."""

from collections.abc import Callable
from math import erf as scalar_erf
from typing import Any, cast

import numpy as np
from xdsl.dialects import arith, math
from xdsl.ir import Operation

from dfc.runtime.interpreter.dtypes import NARROW_FLOATS, UNSIGNED, dtype_of, unsigned

Function = Callable[..., Any]

erf = np.frompyfunc(scalar_erf, 1, 1)


def float_erf(x: Any) -> Any:
    """The error function, formed in double precision."""
    return np.asarray(erf(np.asarray(x, np.float64)), np.float64)


def widened(function: Function) -> Function:
    """A function of narrow floats formed in f32; the caller rounds once."""

    def call(*args: Any) -> Any:
        arrays = [np.asarray(arg) for arg in args]
        return function(
            *(a.astype(np.float32) if a.dtype in NARROW_FLOATS else a for a in arrays)
        )

    return call


def divide_toward_zero(a: Any, b: Any) -> Any:
    """Signed division that truncates, on ints or integer arrays."""
    quotient = np.floor_divide(a, b)
    inexact = (quotient * b != a) & ((np.asarray(a) < 0) != (np.asarray(b) < 0))
    return quotient + inexact


def ceil_divide(a: Any, b: Any) -> Any:
    """Division that rounds up, of signed or unsigned integers."""
    return np.floor_divide(a, b) + (np.remainder(a, b) != 0)


def remainder_toward_zero(a: Any, b: Any) -> Any:
    """The remainder with the sign of the dividend."""
    return np.fmod(a, b)


def on_unsigned(function: Function) -> Function:
    """A function of integers read as unsigned; the result has the operands' bits."""
    return lambda *args: resigned(function(*map(unsigned, args)))


def resigned(value: Any) -> Any:
    """An unsigned result with its bits read as signed, as integers stand here."""
    array = np.asarray(value)
    return array.view(f"i{array.itemsize}") if array.dtype.kind == "u" else value


def wrapping(function: Function, on_bits: Function) -> Function:
    """An integer function whose i1 form is another one: i1 has no carry."""

    def call(a: Any, b: Any) -> Any:
        if np.asarray(a).dtype == np.bool_:
            return on_bits(a, b)
        return function(a, b)

    return call


def rsqrt(x: Any) -> Any:
    """1 / sqrt(x) in x's dtype."""
    return np.asarray(x).dtype.type(1) / np.sqrt(x)


def round_half_away(x: Any) -> Any:
    """Rounds half away from zero."""
    return np.copysign(np.floor(np.abs(x) + np.asarray(x).dtype.type(0.5)), x)


def fused_multiply_add(a: Any, b: Any, c: Any) -> Any:
    """a * b + c rounded once: products of f32 are exact in f64."""
    if np.asarray(a).dtype == np.float64:
        return a * b + c
    wide = [np.asarray(x).astype(np.float64) for x in (a, b, c)]
    return wide[0] * wide[1] + wide[2]


BINARY: dict[type[Operation], Function] = {
    arith.AddiOp: wrapping(np.add, np.logical_xor),
    arith.SubiOp: wrapping(np.subtract, np.logical_xor),
    arith.MuliOp: wrapping(np.multiply, np.logical_and),
    arith.DivSIOp: divide_toward_zero,
    arith.DivUIOp: on_unsigned(np.floor_divide),
    arith.FloorDivSIOp: np.floor_divide,
    arith.CeilDivSIOp: ceil_divide,
    arith.CeilDivUIOp: on_unsigned(ceil_divide),
    arith.RemSIOp: remainder_toward_zero,
    arith.RemUIOp: on_unsigned(np.remainder),
    arith.MinSIOp: np.minimum,
    arith.MaxSIOp: np.maximum,
    arith.MinUIOp: on_unsigned(np.minimum),
    arith.MaxUIOp: on_unsigned(np.maximum),
    arith.AndIOp: np.bitwise_and,
    arith.OrIOp: np.bitwise_or,
    arith.XOrIOp: np.bitwise_xor,
    arith.ShLIOp: np.left_shift,
    arith.ShRSIOp: np.right_shift,
    arith.ShRUIOp: on_unsigned(np.right_shift),
    arith.AddfOp: np.add,
    arith.SubfOp: np.subtract,
    arith.MulfOp: np.multiply,
    arith.DivfOp: np.divide,
    arith.MaximumfOp: np.maximum,
    arith.MinimumfOp: np.minimum,
    arith.MaxnumfOp: np.fmax,
    arith.MinnumfOp: np.fmin,
    math.Atan2Op: np.arctan2,
    math.CopySignOp: np.copysign,
    math.PowFOp: np.power,
    math.FPowIOp: np.power,
    math.IPowIOp: np.power,
}

UNARY: dict[type[Operation], Function] = {
    arith.NegfOp: np.negative,
    math.AbsFOp: np.abs,
    math.AbsIOp: np.abs,
    math.AcosOp: np.arccos,
    math.AcoshOp: np.arccosh,
    math.AsinOp: np.arcsin,
    math.AsinhOp: np.arcsinh,
    math.AtanOp: np.arctan,
    math.AtanhOp: np.arctanh,
    math.CbrtOp: np.cbrt,
    math.CeilOp: np.ceil,
    math.CosOp: np.cos,
    math.CoshOp: np.cosh,
    math.ErfOp: float_erf,
    math.ExpOp: np.exp,
    math.Exp2Op: np.exp2,
    math.ExpM1Op: np.expm1,
    math.FloorOp: np.floor,
    math.LogOp: np.log,
    math.Log10Op: np.log10,
    math.Log1pOp: np.log1p,
    math.Log2Op: np.log2,
    math.RoundOp: round_half_away,
    math.RoundEvenOp: np.rint,
    math.RsqrtOp: rsqrt,
    math.SinOp: np.sin,
    math.SinhOp: np.sinh,
    math.SqrtOp: np.sqrt,
    math.TanOp: np.tan,
    math.TanhOp: np.tanh,
    math.TruncOp: np.trunc,
    math.CtPopOp: on_unsigned(np.bitwise_count),
}

ARITHMETIC: dict[type[Operation], Function] = {
    **BINARY,
    **{kind: widened(function) for kind, function in UNARY.items()},
    math.FmaOp: fused_multiply_add,
}
"""Each op's function of its operands; the result is cast to the op's result type."""

for _kind in (math.Atan2Op, math.PowFOp, math.FPowIOp):
    ARITHMETIC[_kind] = widened(ARITHMETIC[_kind])

CMPI = (
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.less, np.less_equal, np.greater, np.greater_equal,
)  # fmt: skip
"""By predicate; from 6 on the operands are unsigned."""


def compare_integers(predicate: int, a: Any, b: Any) -> Any:
    """`arith.cmpi`; a signed i1 that is set is -1."""
    if predicate >= 6:
        return CMPI[predicate](unsigned(a), unsigned(b))
    if np.asarray(a).dtype == np.bool_ and predicate >= 2:
        a, b = (-np.asarray(x).astype(np.int8) for x in (a, b))
    return CMPI[predicate](a, b)


def compare_floats(predicate: int, a: Any, b: Any) -> Any:
    """`arith.cmpf`: 1-6 are ordered, 8-13 true for NaN."""
    unordered = np.isnan(a) | np.isnan(b)
    if predicate in (0, 15):
        return np.full_like(unordered, predicate == 15)
    if predicate in (7, 14):
        return ~unordered if predicate == 7 else unordered
    compare = (
        np.equal,
        np.greater,
        np.greater_equal,
        np.less,
        np.less_equal,
        np.not_equal,
    )
    if predicate < 7:
        return compare[predicate - 1](a, b) & ~unordered
    return compare[predicate - 8](a, b) | unordered


def float_to_integer(value: Any, result: np.dtype[Any]) -> Any:
    """Truncates; what does not fit saturates (upstream leaves it undefined)."""
    limits = np.iinfo(result)
    wide = np.trunc(np.asarray(value).astype(np.float64))
    clipped = np.clip(
        np.nan_to_num(wide, nan=0.0), float(limits.min), float(limits.max)
    )
    out = np.where(clipped >= float(limits.max), limits.max, clipped.astype(result))
    return out.astype(result)


def cast_value(op: Operation, value: Any) -> Any:
    """The conversions of `arith`, by the result type's dtype."""
    result = dtype_of(op.results[0].type)
    array = np.asarray(value)
    if isinstance(op, arith.BitcastOp):
        source = dtype_of(op.operands[0].type)
        return array.astype(source, copy=False).view(result)
    if isinstance(op, arith.FPToSIOp):
        return float_to_integer(array, result)
    if isinstance(op, arith.FPToUIOp):
        return resigned(float_to_integer(array, np.dtype(UNSIGNED[result.itemsize])))
    if isinstance(op, arith.UIToFPOp | arith.ExtUIOp):
        return unsigned(array).astype(result)
    if isinstance(op, arith.SIToFPOp | arith.ExtSIOp | arith.IndexCastOp):
        signed = -array.astype(np.int8) if array.dtype == np.bool_ else array
        return signed.astype(result)
    if isinstance(op, arith.TruncIOp) and result == np.bool_:
        return (array & array.dtype.type(1)).astype(result)
    return cast("Any", array.astype(result))


CASTS: tuple[type[Operation], ...] = (
    arith.BitcastOp,
    arith.IndexCastOp,
    arith.FPToSIOp,
    arith.FPToUIOp,
    arith.SIToFPOp,
    arith.UIToFPOp,
    arith.ExtFOp,
    arith.TruncFOp,
    arith.TruncIOp,
    arith.ExtSIOp,
    arith.ExtUIOp,
)
