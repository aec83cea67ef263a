"""`attention`: PyTorch's math attention; a schedule changes no value."""

from typing import Any

import numpy as np
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)

from dfc.dialects import attention
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array
from dfc.runtime.interpreter.naming import describe


def visible(
    rows: int, keys: slice, position: int | None, causal: bool, window: int | None
) -> Array | None:
    """Which keys each query row sees, None for all; `keys` are those looked at."""
    if not causal:
        return None
    row = np.arange(rows)[:, None] + (position or 0)
    key: Array = np.arange(int(keys.start), int(keys.stop))[None, :]
    seen: Array = np.less_equal(key, row)
    return seen if window is None else seen & (key > row - window)


def key_range(
    rows: int, capacity: int, position: int | None, causal: bool, window: int | None
) -> slice:
    """The keys any row sees; those beyond may hold anything."""
    valid = capacity
    if position is not None or causal:
        valid = min(capacity, (position or 0) + rows)
    first = 0 if window is None else max(0, (position or 0) + 1 - window)
    return slice(min(first, valid), valid)


def softmax(scores: Array) -> Array:
    """Over the last axis; a row that is -inf everywhere gives zeros, as in PyTorch's math path."""
    largest: Array = scores.max(-1, keepdims=True, initial=-np.inf)
    shifted = scores - np.where(np.isneginf(largest), np.float32(0), largest)
    exps = np.exp(shifted, out=shifted)
    total = exps.sum(-1, keepdims=True, dtype=np.float64).astype(np.float32)
    return exps / np.where(total == 0, np.float32(1), total)


def sdpa(
    q: Array,
    k: Array,
    v: Array,
    position: int | None = None,
    mask: Array | None = None,
    *,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    softcap: float | None = None,
) -> Array:
    """
    Attention in f32, its sums in f64, rounded once: q B x H x M x D, k and v B x G x S x D.

    Grouped heads: query head h reads key head h // (H / G).
    """
    batch, heads, rows, depth = q.shape
    groups = k.shape[1]
    keys = key_range(rows, k.shape[2], position, causal, window)
    wide = q.astype(np.float64).reshape(batch, groups, -1, depth)
    scores = wide @ k[:, :, keys].astype(np.float64).swapaxes(-1, -2)
    scores = scores.astype(np.float32)
    scores *= np.float32(depth**-0.5 if scale is None else scale)
    scores = scores.reshape(batch, heads, rows, -1)
    if softcap is not None:
        cap = np.float32(softcap)
        scores = cap * np.tanh(scores / cap)
    if mask is not None:
        scores = scores + mask[..., keys].astype(np.float32)
    seen = visible(rows, keys, position, causal, window)
    if seen is not None:
        scores = np.where(seen, scores, np.float32(-np.inf))
    weights = softmax(scores).reshape(batch, groups, -1, scores.shape[-1])
    y = weights.astype(np.float64) @ v[:, :, keys].astype(np.float64)
    return y.reshape(q.shape).astype(q.dtype)


def kv_write(cache: Array, new: Array, position: int) -> Array:
    """The cache with rows from `position` on replaced."""
    result = cache.copy()
    result[:, :, position : position + new.shape[2]] = new
    return result


def optional(attribute: Any) -> Any:
    """The number in an optional attribute."""
    return None if attribute is None else attribute.value.data


def check_position(op: Any, position: int | None, last: int) -> None:
    """An error for a position outside 0 … last."""
    if position is not None and not 0 <= position <= last:
        raise ExecutionError(
            f"{describe(op)} expects a position from 0 to {last}, got {position}"
        )


@register_impls
class AttentionFunctions(InterpreterFunctions):
    """One method per op."""

    @impl(attention.SdpaOp)
    def sdpa(
        self, interpreter: Interpreter, op: attention.SdpaOp, args: PythonValues
    ) -> PythonValues:
        """Attention over the valid keys."""
        q, k, v, *rest = args
        position = None if op.position is None else int(rest.pop(0))
        mask = None if op.mask is None else rest.pop(0)
        # the last tile of query rows may stand over the cache
        check_position(op, position, k.shape[2] - 1)
        y = sdpa(
            q, k, v, position, mask,
            causal=op.causal is not None,
            window=optional(op.window),
            scale=optional(op.scale),
            softcap=optional(op.softcap),
        )  # fmt: skip
        return (y,)

    @impl(attention.KvWriteOp)
    def kv_write(
        self, interpreter: Interpreter, op: attention.KvWriteOp, args: PythonValues
    ) -> PythonValues:
        """A new cache."""
        cache, new, position = args
        check_position(op, position, cache.shape[2] - new.shape[2])
        return (kv_write(cache, new, position),)
