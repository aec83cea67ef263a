# pyright: strict, reportUnknownMemberType=false, reportUntypedFunctionDecorator=false
"""
The custom operators of torch namespace `dfc`: what must survive tracing, with eager references.

Each computes what the op of the same meaning in `dfc.dialects` does, so a prepared model
also runs without dfc.
"""

import torch
from torch import Tensor

from dfc.dialects.ternary import PackingAttr
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.packing import read_tile
from dfc.runtime.interpreter.ternarize import holds_three_values
from dfc.runtime.interpreter.ternarize import ternarize as ternarize_array
from dfc.tensors import to_numpy

LEVELS = 127.0
"""The largest quantised activation."""

SAMPLE = 1024
"""Values of a weight that are looked at before all of them."""

ROWS = 1024
"""Rows of an int8 weight that stand as floats at once."""

SMALLEST = 1e-5
"""The smallest absmax (activations) and absmean (weights) that is divided by."""


def quantize(x: Tensor) -> tuple[Tensor, Tensor]:
    """`ternary.quantize` of x (M x K): q (M x K, int8) and s (M, float32)."""
    x = x.float()
    s = LEVELS / x.abs().amax(dim=-1).clamp(min=SMALLEST)
    q = (x * s.unsqueeze(-1)).round().clamp(-128, 127)
    return q.to(torch.int8), s


def matmul(q: Tensor, w: Tensor, largest: int = 1) -> Tensor:
    """
    `ternary.matmul`: q (M x K, int8) times w (N x K, int8 trits) transposed, int32.

    float32 holds every partial sum below 2^24 exactly, float64 the rest. `largest` is that of |w|.
    """
    exact = torch.float32 if q.shape[-1] * 128 * largest < 2**24 else torch.float64
    return (q.to(exact) @ w.to(exact).t()).to(torch.int32)


def dequantize(
    a: Tensor, s: Tensor, scale: Tensor, bias: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """`ternary.dequantize`: a / s * scale (+ bias) in float32, rounded once to dtype."""
    y = a.float() / s.unsqueeze(-1) * scale
    if bias is not None:
        y = y + bias.float()
    return y.to(dtype)


@torch.library.custom_op("dfc::linear", mutates_args=())
def linear(x: Tensor, w: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """`ternary.linear`: x (M x K), w (N x K, int8 trits), scale () or (N,), bias (N,)."""
    q, s = quantize(x)
    return dequantize(matmul(q, w), s, scale, bias, x.dtype)


@linear.register_fake
def _(x: Tensor, w: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    return x.new_empty((x.shape[0], w.shape[0]))


@torch.library.custom_op("dfc::linear_int8", mutates_args=())
def linear_int8(
    x: Tensor, w: Tensor, scale: Tensor, bias: Tensor | None = None
) -> Tensor:
    """
    A linear layer in 8-bit integers: x (M x K), w (N x K, int8), scale (N,) float32, bias (N,).

    Activations as `dfc::linear` quantises them, the exact product in int32, y = a / s * scale (+ bias).
    """
    q, s = quantize(x)
    parts = [w[at : at + ROWS] for at in range(0, w.shape[0], ROWS)]
    a = torch.cat([matmul(q, part, 128) for part in parts], dim=1)
    return dequantize(a, s, scale, bias, x.dtype)


@linear_int8.register_fake
def _(x: Tensor, w: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    return x.new_empty((x.shape[0], w.shape[0]))


@torch.library.custom_op("dfc::ternarize", mutates_args=())
def ternarize(w: Tensor, rule: str, by: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """
    `ternary.ternarize` of w (N x K): int8 trits and a float32 scale, w ~ scale * trits.

    The scale is multiplied by the one element of `by`, where it is given. Rule `exact` raises
    for a weight that holds more than -s, 0 and s.
    """
    trits, scale = trits_and_scale(w, rule)
    return trits, scale if by is None else scale * by.float().reshape(())


def trits_and_scale(w: Tensor, rule: str) -> tuple[Tensor, Tensor]:
    """int8 trits and the float32 scale of a weight by a rule."""
    if rule == "absmean":
        w = w.float()
        scale = w.abs().mean(dtype=torch.float64).float().clamp(min=SMALLEST)
        return (w / scale).round().clamp(-1, 1).to(torch.int8), scale
    if not three_valued(w):
        raise ValueError(
            "expected a weight that holds -s, 0 and s only, got other values"
        )
    found, size = ternarize_array(to_numpy(w), "exact")
    return torch.from_numpy(found), torch.from_numpy(size)


@ternarize.register_fake
def _(w: Tensor, rule: str, by: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return w.new_empty(w.shape, dtype=torch.int8), w.new_empty((), dtype=torch.float32)


@torch.library.custom_op("dfc::unpack", mutates_args=())
def unpack(packed: Tensor, rows: int, columns: int, code: str, order: str) -> Tensor:
    """
    `ternary.unpack` of a whole weight: int8 trits (rows x columns) of packed uint8, of any shape.

    `code` and `order` are those of `#ternary.packing`; orders that need more are not for weights.
    Raises `ExecutionError` for another number of bytes, and for a code that stands for no trits.
    """
    packing = PackingAttr(code, order)
    size = packing.tile_bytes(rows, columns)
    if packed.numel() != size:
        raise ExecutionError(
            f"expected {size} packed bytes of {rows} x {columns} trits, got {packed.numel()}"
        )
    data = packed.detach().contiguous().reshape(-1).numpy()
    return torch.from_numpy(read_tile(data, packing, (rows, columns)))


@unpack.register_fake
def _(packed: Tensor, rows: int, columns: int, code: str, order: str) -> Tensor:
    return packed.new_empty((rows, columns), dtype=torch.int8)


def three_valued(w: Tensor) -> bool:
    """Whether w holds at most three values -s, 0, s; most weights are refused by their first ones."""
    return has_three_values(w.flatten()[:SAMPLE]) and has_three_values(w)


def has_three_values(w: Tensor) -> bool:
    """Whether w holds at most three values -s, 0, s, all of it looked at."""
    return holds_three_values(to_numpy(w))


@torch.library.custom_op("dfc::sdpa", mutates_args=())
def sdpa(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    position: Tensor | None = None,
    mask: Tensor | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    softcap: float | None = None,
) -> Tensor:
    """
    `attention.sdpa`: q (B x H x M x D), k and v (B x G x S x D), mask (B x H x M x S), added.

    Softmax in float32. A row with every key masked by -inf gives zeros, as in PyTorch's math path.
    """
    factor = float(q.shape[-1]) ** -0.5 if scale is None else scale
    groups = q.shape[1] // k.shape[1]
    k, v = (t.repeat_interleave(groups, dim=1) for t in (k, v))
    scores = q.float() @ k.float().transpose(-1, -2) * factor
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if mask is not None:
        scores = scores + mask.float()
    visible = seen(q.shape[2], k.shape[2], position, causal, window)
    if visible is not None:
        scores = scores.masked_fill(~visible, float("-inf"))
        v = v.masked_fill(
            ~visible.any(0)[:, None], 0
        )  # rows never read may be anything
    masked = (scores == float("-inf")).all(dim=-1, keepdim=True)
    weights = torch.softmax(scores, dim=-1).masked_fill(masked, 0)
    return (weights @ v.float()).to(q.dtype)


def seen(
    rows: int, keys: int, position: Tensor | None, causal: bool, window: int | None
) -> Tensor | None:
    """Which key (column) each query row may read; None when all."""
    if position is None and not causal:
        return None
    start = 0 if position is None else int(position)
    row = torch.arange(rows)[:, None] + start
    key = torch.arange(keys)[None, :]
    visible = key < start + rows if position is not None else key >= 0
    if causal:
        visible = visible & (key <= row)
    if window is not None:
        visible = visible & (key > row - window)
    return visible.expand(rows, keys)


@sdpa.register_fake
def _(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    position: Tensor | None = None,
    mask: Tensor | None = None,
    causal: bool = False,
    window: int | None = None,
    scale: float | None = None,
    softcap: float | None = None,
) -> Tensor:
    return q.new_empty(q.shape)


@torch.library.custom_op("dfc::kv_write", mutates_args=())
def kv_write(cache: Tensor, new: Tensor, position: Tensor | None = None) -> Tensor:
    """`attention.kv_write`: rows position … position + M - 1 of every head become `new`."""
    start = 0 if position is None else int(position)
    if start < 0 or start + new.shape[2] > cache.shape[2]:
        raise ValueError(
            f"expected a position up to {cache.shape[2] - new.shape[2]}, got {start}"
        )
    result = cache.clone(memory_format=torch.contiguous_format)
    result[:, :, start : start + new.shape[2]] = new
    return result


@kv_write.register_fake
def _(cache: Tensor, new: Tensor, position: Tensor | None = None) -> Tensor:
    return cache.new_empty(cache.shape)
