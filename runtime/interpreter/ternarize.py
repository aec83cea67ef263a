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
    """Write the signs of -s, 0 and s as trits; s, or 1 where all are 0."""
    bits, scale = largest(flat)
    for part in parts(flat):
        sizes = bits[part] & ~sign_bit(bits)
        nonzero = sizes != 0
        if scale is None or not is_one_size(sizes, nonzero, scale):
            raise ExecutionError(
                "expected a weight that holds -s, 0 and s only, got others"
            )
        negative = (bits[part] >= sign_bit(bits)).view(np.int8)
        trits[part] = nonzero.view(np.int8) * (1 - 2 * negative)
    return scale.view(flat.dtype) if scale else 1


def holds_three_values(w: Array) -> bool:
    """Whether a weight of floats holds -s, 0 and s only."""
    flat = np.ascontiguousarray(w).reshape(-1)
    bits, scale = largest(flat)
    if scale is None:
        return False
    sizes = (bits[part] & ~sign_bit(bits) for part in parts(flat))
    return all(is_one_size(size, size != 0, scale) for size in sizes)


def largest(flat: Array) -> tuple[Array, Any]:
    """
    The bits of some floats, and those of their largest size; None where that is not finite.

    Without its sign bit a number other than nan is larger when its bits are, so sizes are compared as bits.
    """
    bits: Array = unsigned(flat)
    found = [(bits[part] & ~sign_bit(bits)).max() for part in parts(flat)]
    scale = max(found, default=bits.dtype.type(0))
    return bits, scale if np.isfinite(scale.view(flat.dtype)) else None


def sign_bit(bits: Array) -> Any:
    """The highest bit of a word."""
    return bits.dtype.type(1 << (8 * bits.itemsize - 1))


def is_one_size(sizes: Array, nonzero: Array, scale: Any) -> bool:
    """Whether all sizes that are not 0 are this one."""
    return bool(((sizes == scale) | ~nonzero).all())
