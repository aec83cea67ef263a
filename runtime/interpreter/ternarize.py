"""The rules of `ternary.ternarize`, in parts that stay in a processor's cache."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array, is_float, unsigned
from dfc.runtime.interpreter.quantize import SMALLEST

PART = 1 << 18
"""Weights that are worked on at once."""


def ternarize(w: Array, method: str) -> tuple[Array, Array]:
    """Trits (int8, the shape of w) and the float32 scale s, w ~ s * trits."""
    flat = np.ascontiguousarray(w).reshape(-1)
    if not is_float(w.dtype):
        flat = flat.astype(np.float16)  # which holds every byte
    trits = np.empty(flat.shape, np.int8)
    if method == "absmean":
        scale = np.maximum(np.float32(mean_size(flat)), SMALLEST)
        for part in parts(flat):
            ratio = flat[part].astype(np.float32) / scale
            trits[part] = np.clip(np.rint(ratio), -1, 1)
    else:
        scale = exact(flat, trits)
    return trits.reshape(w.shape), np.array(scale, np.float32)


def parts(flat: Array) -> Iterator[slice]:
    """Slices of a row of weights."""
    for start in range(0, len(flat), PART):
        yield slice(start, start + PART)


def mean_size(flat: Array) -> float:
    """mean(|w|) in float64; 0 of no weights."""
    sums = [
        np.abs(flat[p].astype(np.float32)).sum(dtype=np.float64) for p in parts(flat)
    ]
    return float(sum(sums)) / max(1, len(flat))


def exact(flat: Array, trits: Array) -> Any:
    """
    Write the signs of -s, 0 and s as trits; s, or 1 where all are 0.

    Without its sign bit a number other than nan is larger when its bits are, so sizes are compared as bits.
    """
    bits: Array = unsigned(flat)
    sign = 8 * bits.itemsize - 1
    size_bits = bits.dtype.type((1 << sign) - 1)
    largest = max((int((bits[p] & size_bits).max()) for p in parts(flat)), default=0)
    scale = np.array([largest], bits.dtype).view(flat.dtype)[0]
    good = bool(np.isfinite(scale))
    for part in parts(flat) if good else ():
        sizes = bits[part] & size_bits
        nonzero = sizes != 0
        good = good and bool(((sizes == largest) | ~nonzero).all())
        negative = (bits[part] >> sign).astype(np.int8)
        trits[part] = nonzero.view(np.int8) * (1 - 2 * negative)
    if not good:
        raise ExecutionError(
            "expected a weight that holds -s, 0 and s only, got others"
        )
    return scale if largest else 1
