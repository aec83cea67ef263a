"""How two values are compared: integers exactly, floats within their dtype's tolerance."""

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from dfc.runtime.interpreter.dtypes import Array, is_float

# A few last places of the dtype, on the scale of the tensor's largest value.
TOLERANCES = {
    np.dtype(np.float64): 1e-10,
    np.dtype(np.float32): 1e-5,
    np.dtype(np.float16): 4e-3,
    np.dtype(ml_dtypes.bfloat16): 3e-2,
}


@dataclass(frozen=True)
class Difference:
    """The largest error of floats on the tensor's scale, the number of integers that differ."""

    error: float = 0.0
    integers: int = 0
    tolerance: float = 0.0

    @property
    def within(self) -> bool:
        """Whether no integer differs and no float by more than the tolerance."""
        return self.integers == 0 and self.error <= self.tolerance

    def worse(self, other: "Difference") -> "Difference":
        """Both together."""
        return Difference(
            max(self.error, other.error),
            self.integers + other.integers,
            max(self.tolerance, other.tolerance),
        )


def compare(found: Array | int, expected: Array | int) -> Difference:
    """The difference of a value to the one it should be; another shape differs in everything."""
    a, b = np.asarray(found), np.asarray(expected)
    if a.shape != b.shape or a.dtype != b.dtype:
        return Difference(float("inf"), b.size)
    if not is_float(a.dtype):
        return Difference(0.0, int(np.count_nonzero(a != b)))
    wide = (a.astype(np.float64), b.astype(np.float64))
    return Difference(relative_error(*wide), 0, TOLERANCES[a.dtype])


def relative_error(a: Array, b: Array) -> float:
    """The largest difference over the largest finite magnitude; NaN and infinities must agree."""
    special = ~(np.isfinite(a) & np.isfinite(b))
    if not np.array_equal(a[special], b[special], equal_nan=True):
        return float("inf")
    a, b = a[~special], b[~special]
    if not a.size:
        return 0.0
    return float(np.max(np.abs(a - b)) / max(1.0, float(np.max(np.abs(b)))))


def identical(found: Array | int, expected: Array | int) -> bool:
    """Whether two values are equal bit by bit, NaN equal to NaN."""
    a, b = np.asarray(found), np.asarray(expected)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if is_float(a.dtype):
        both_nan = np.isnan(a) & np.isnan(b)
        a, b = np.where(both_nan, 0, a), np.where(both_nan, 0, b)
    return a.tobytes() == b.tobytes()
