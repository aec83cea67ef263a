"""
Functions of f32 made of arithmetic, because code of the host may call no library; NaN stays NaN.

The polynomials are those of the Cephes library (S. Moshier, single precision); errors stay below 3 units in
the last place, which `tests/passes/test_row_functions.py` shows over all of f32.
"""

from collections.abc import Callable

from xdsl.dialects import arith, llvm, math
from xdsl.ir import Operation, SSAValue

from dfc.passes.rows.math import ROUNDING, Floats

INFINITY = float("inf")

LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
"""ln 2 in two parts; products of the first with integers up to 2^15 are exact."""

SMALLEST_NORMAL = 2.0**-126

EXP = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
"""Of `(e ** r - 1 - r) / r ** 2`."""

LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
"""Of `(ln(1 + m) - m + m ** 2 / 2) / m ** 3`."""

TANH = (
    -5.70498872745e-3,
    2.06390887954e-2,
    -5.37397155531e-2,
    1.33314422036e-1,
    -3.33332819422e-1,
)
"""Of `(tanh x - x) / x ** 3`, by x ** 2."""

ERFC = (
    2.326819970068386e-2,
    -1.387039388740657e-1,
    3.687424674597105e-1,
    -5.824733027278666e-1,
    6.210004621745983e-1,
    -4.944515323274145e-1,
    3.404879937665872e-1,
    -2.741127028184656e-1,
    5.638259427386472e-1,
)
"""Of `erfc x * x * e ** x ** 2`, by 1 / x ** 2."""

ERF = (
    7.853861353153693e-5,
    -8.010193625184903e-4,
    5.188327685732524e-3,
    -2.685381193529856e-2,
    1.128358514861418e-1,
    -3.761262582423300e-1,
    1.128379165726710,
)
"""Of `erf x / x`, by x ** 2."""


def rsqrt(f: Floats, x: SSAValue) -> SSAValue:
    """`1 / sqrt(x)`, each rounded."""
    return f.over(1, f.op(math.SqrtOp, x))


def exp(f: Floats, x: SSAValue) -> SSAValue:
    """`e ** x = 2 ** n * e ** r` with r within ln 2 / 2; 2 ** n in two steps, for results that are not normal."""
    x = f.within(x, -105, 89)
    shifted = f.plus(f.times(x, 1.4426950408889634), ROUNDING)
    n = f.minus(shifted, ROUNDING)
    r = f.minus(f.minus(x, f.times(n, LN2_HIGH)), f.times(n, LN2_LOW))
    y = f.times(f.polynomial(r, EXP), f.times(r, r))
    y = f.plus(f.plus(y, r), 1)
    code = f.code
    whole = code.minus(f.bits(shifted), f.bits(f.value(ROUNDING)))
    half = code.shifted(whole, 1, signed=True)
    y = f.times(y, f.power_of_two(half))
    return f.times(y, f.power_of_two(code.minus(whole, half)))


def log(f: Floats, x: SSAValue) -> SSAValue:
    """`ln x = ln m + n ln 2` with m between sqrt(1/2) and sqrt(2); -inf at 0, NaN below."""
    code = f.code
    tiny = f.test(x, "olt", SMALLEST_NORMAL)
    bits = f.bits(f.choose(tiny, f.times(x, 2.0**23), x))
    exponent = code.plus(code.shifted(bits, 23), -126)
    n = code.add(llvm.SIToFPOp(exponent, f.type))
    n = f.minus(n, f.choose(tiny, 23, 0))
    half = code.add(
        arith.OrIOp(code.bits(bits, 0x7FFFFF), code.constant(0x3F000000, bits.type))
    )
    m = f.floats(half)
    low = f.test(m, "olt", 0.70710678118654752)
    n = f.minus(n, f.choose(low, 1, 0))
    m = f.minus(f.plus(m, f.choose(low, m, 0)), 1)
    square = f.times(m, m)
    y = f.times(f.times(f.polynomial(m, LOG), m), square)
    y = f.plus(y, f.times(n, LN2_LOW))
    y = f.minus(y, f.times(square, 0.5))
    y = f.plus(f.plus(m, y), f.times(n, LN2_HIGH))
    y = f.choose(f.test(x, "oeq", INFINITY), INFINITY, y)
    y = f.choose(f.test(x, "oeq", 0), -INFINITY, y)
    return f.choose(f.test(x, "ult", 0), float("nan"), y)


def log1p(f: Floats, x: SSAValue) -> SSAValue:
    """`ln(1 + x)`: what the addition rounds off is made up for by a quotient (Kahan)."""
    u = f.plus(x, 1)
    y = f.times(log(f, u), f.over(x, f.minus(u, 1)))
    y = f.choose(f.test(u, "oeq", 1), x, y)
    return f.choose(f.test(x, "oeq", INFINITY), x, y)


def tanh(f: Floats, x: SSAValue) -> SSAValue:
    """A polynomial up to 0.625, `1 - 2 / (e ** 2|x| + 1)` above, with the sign of x."""
    size = f.op(math.AbsFOp, x)
    quotient = f.over(2, f.plus(exp(f, f.plus(size, size)), 1))
    large = f.op(math.CopySignOp, f.minus(1, quotient), x)
    square = f.times(x, x)
    small = f.times(f.times(f.polynomial(square, TANH), square), x)
    return f.choose(f.test(size, "ogt", 0.625), large, f.plus(small, x))


def erf(f: Floats, x: SSAValue) -> SSAValue:
    """A polynomial up to 1; above, 1 less `e ** -x^2 / |x|` times a polynomial of `1 / x^2`, with the sign of x."""
    size = f.op(math.AbsFOp, x)
    square = f.times(x, x)
    inverse = f.over(1, size)
    rest = f.polynomial(f.times(inverse, inverse), ERFC)
    rest = f.times(f.times(rest, inverse), exp(f, f.op(arith.NegfOp, square)))
    large = f.op(math.CopySignOp, f.minus(1, rest), x)
    small = f.times(f.polynomial(square, ERF), x)
    return f.choose(f.test(size, "ogt", 1), large, small)


FUNCTIONS: dict[type[Operation], Callable[[Floats, SSAValue], SSAValue]] = {
    math.RsqrtOp: rsqrt,
    math.ExpOp: exp,
    math.LogOp: log,
    math.Log1pOp: log1p,
    math.TanhOp: tanh,
    math.ErfOp: erf,
}
"""By op."""
