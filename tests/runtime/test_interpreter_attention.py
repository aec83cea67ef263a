"""`attention` against PyTorch's math attention, and against the definition key by key."""

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from xdsl.context import Context
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import run
from dfc.runtime.interpreter.attention import kv_write, sdpa

rng = np.random.default_rng(0)


def values(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def by_key(q, k, v, first, seen, scale=None, softcap=None):
    """The definition, row by row in double precision; `seen(row, key)` says what is visible."""
    batch, heads, rows, depth = q.shape
    per_group = heads // k.shape[1]
    y = np.zeros(q.shape)
    for b, h, m in np.ndindex(batch, heads, rows):
        keys = [s for s in range(k.shape[2]) if seen(first + m, s)]
        g = h // per_group
        scores = np.array([np.dot(q[b, h, m].astype(float), k[b, g, s]) for s in keys])
        scores *= depth**-0.5 if scale is None else scale
        if softcap is not None:
            scores = softcap * np.tanh(scores / softcap)
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        y[b, h, m] = sum(
            p * v[b, g, s].astype(float) for p, s in zip(weights, keys, strict=True)
        )
    return y


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_equals_math_attention(causal, masked, dtype):
    if causal and masked:
        pytest.skip("PyTorch takes one of the two")
    q, k, v = (torch.randn(2, 4, n, 16, dtype=dtype) for n in (5, 7, 7))
    mask = torch.randn(2, 1, 5, 7, dtype=dtype) if masked else None
    if mask is not None:
        mask[0, 0, 2] = -torch.inf
    with sdpa_kernel(SDPBackend.MATH):
        want = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, mask, is_causal=causal
        )
    got = sdpa(
        q.numpy(), k.numpy(), v.numpy(), None,
        None if mask is None else mask.numpy(), causal=causal,
    )  # fmt: skip
    step = 1e-6 if dtype == torch.float32 else 2e-3
    np.testing.assert_allclose(
        got.astype(float), want.numpy().astype(float), rtol=step, atol=step
    )


@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("window", [None, 3, 100])
@pytest.mark.parametrize("position", [0, 4])
def test_position_window_and_groups(softcap, window, position):
    q, k, v = values(1, 6, 3, 8), values(1, 2, 12, 8), values(1, 2, 12, 8)
    want = by_key(
        q, k, v, position,
        lambda row, key: key <= row and (window is None or key > row - window),
        scale=0.3, softcap=softcap,
    )  # fmt: skip
    got = sdpa(
        q, k, v, position, causal=True, window=window, scale=0.3, softcap=softcap
    )
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_without_causal_a_position_shows_every_row_all_valid_keys():
    q, k, v = values(1, 2, 3, 8), values(1, 2, 12, 8), values(1, 2, 12, 8)
    got = sdpa(q, k, v, 4)
    np.testing.assert_allclose(
        got, by_key(q, k, v, 4, lambda _, key: key < 7), rtol=1e-4, atol=1e-5
    )


def test_keys_beyond_the_valid_ones_may_be_anything():
    q, k, v = values(1, 2, 3, 8), values(1, 2, 12, 8), values(1, 2, 12, 8)
    want = sdpa(q, k, v, 4, causal=True, window=2)
    for cache in (k, v):
        cache[:, :, 7:] = np.nan
        cache[:, :, :3] = np.nan
    assert np.array_equal(sdpa(q, k, v, 4, causal=True, window=2), want)


def test_kv_write_replaces_rows_of_a_copy():
    cache, new = values(1, 2, 12, 8), values(1, 2, 3, 8)
    old = cache.copy()
    got = kv_write(cache, new, 4)
    assert np.array_equal(cache, old)
    assert np.array_equal(got[:, :, 4:7], new)
    assert np.array_equal(np.delete(got, [4, 5, 6], 2), np.delete(old, [4, 5, 6], 2))


def test_position_without_room_is_an_error():
    text = """
    func.func @f(%c: tensor<1x1x8x4xf32>, %n: tensor<1x1x2x4xf32>, %p: index) -> tensor<1x1x8x4xf32> {
      %r = attention.kv_write %c, %n at %p : tensor<1x1x8x4xf32>, tensor<1x1x2x4xf32> -> tensor<1x1x8x4xf32>
      func.return %r : tensor<1x1x8x4xf32>
    }"""
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    module = Parser(context, text).parse_module()
    run(module, "f", (values(1, 1, 8, 4), values(1, 1, 2, 4), 6))
    with pytest.raises(ExecutionError, match="position from 0 to 6, got 7"):
        run(module, "f", (values(1, 1, 8, 4), values(1, 1, 2, 4), 7))
