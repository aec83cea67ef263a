"""Sums of products over arrays, by BLAS where it is exact enough."""

from math import prod
from typing import Any

import numpy as np

from dfc.runtime.interpreter.dtypes import Array, is_float

F32_EXACT = 2**24
F64_EXACT = 2**53
"""Integers below these are exact in a float's mantissa."""


def contract(
    a: Array, b: Array, sizes: tuple[int, ...], reduced: frozenset[int]
) -> Array:
    """
    The sum over the reduced loops of a * b, with one axis per loop.

    `a` and `b` have an axis per loop, of size 1 where they do not depend on it. Floats
    give f64, integers int64 (exact).
    """
    in_a = {d for d in range(len(sizes)) if a.shape[d] == sizes[d] and sizes[d] > 1}
    in_b = {d for d in range(len(sizes)) if b.shape[d] == sizes[d] and sizes[d] > 1}
    a, in_a, extra_a = presummed(a, in_a, in_b, reduced)
    b, in_b, extra_b = presummed(b, in_b, in_a, reduced)
    both, inner = sorted((in_a & in_b) - reduced), sorted(in_a & in_b & reduced)
    rows, columns = sorted(in_a - in_b), sorted(in_b - in_a)
    left = grouped(a, (both, rows, inner))
    right = grouped(b, (both, inner, columns))
    product = multiply(left, right)
    shape = [sizes[d] for d in (*both, *rows, *columns)]
    product = product.reshape(shape)
    repeats = prod(sizes[d] for d in reduced - in_a - in_b - extra_a - extra_b)
    if repeats != 1:
        product = product * product.dtype.type(repeats)
    order = [*both, *rows, *columns]
    product = product.transpose(sorted(range(len(order)), key=lambda i: order[i]))
    return np.expand_dims(product, [d for d in range(len(sizes)) if d not in order])


def presummed(
    x: Array, own: set[int], other: set[int], reduced: frozenset[int]
) -> tuple[Array, set[int], set[int]]:
    """An operand summed over the reduced loops that only it depends on."""
    alone = (own - other) & reduced
    if not alone:
        return x, own, set()
    wide = accumulator(x.dtype)
    return x.sum(tuple(alone), dtype=wide, keepdims=True), own - alone, alone


def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """
    The dtype sums are formed in: int64 for integers, f64 for floats.

    Rounded once to their dtype, float sums then do not depend on how they are cut into tiles
    (BLAS adds in another order for another shape).
    """
    return np.dtype(np.float64 if is_float(dtype) else np.int64)


def grouped(x: Array, groups: tuple[list[int], list[int], list[int]]) -> Array:
    """An operand as a stack of matrices: its axes permuted and joined into three."""
    kept = [d for group in groups for d in group]
    dropped = tuple(d for d in range(x.ndim) if d not in kept)
    ascending = sorted(kept)
    x = x.squeeze(dropped).transpose([ascending.index(d) for d in kept])
    ends = [len(groups[0]), len(groups[0]) + len(groups[1])]
    shape = (
        prod(x.shape[: ends[0]]),
        prod(x.shape[ends[0] : ends[1]]),
        prod(x.shape[ends[1] :]),
    )
    return x.reshape(shape)


def multiply(a: Array, b: Array) -> Array:
    """`a @ b` of stacks of matrices, exact for integers."""
    if is_float(a.dtype) or is_float(b.dtype):
        wide = np.result_type(accumulator(a.dtype), accumulator(b.dtype))
        return a.astype(wide, copy=False) @ b.astype(wide, copy=False)
    return multiply_integers(a, b)


def multiply_integers(a: Array, b: Array) -> Array:
    """
    `a @ b` in int64.

    The sums stay below K * max|a| * max|b|; where that is below the mantissa of a float,
    every partial sum is exact in it, in any order, and BLAS is used.
    """
    if not a.size or not b.size:
        return np.zeros((*a.shape[:-1], b.shape[-1]), np.int64)
    bound = a.shape[-1] * largest(a) * largest(b)
    for limit, dtype in ((F32_EXACT, np.float32), (F64_EXACT, np.float64)):
        if bound < limit:
            return (a.astype(dtype) @ b.astype(dtype)).astype(np.int64)
    return a.astype(np.int64) @ b.astype(np.int64)


def largest(x: Array) -> int:
    """max|x| of an integer array."""
    return max(abs(int(x.min())), abs(int(x.max())))
