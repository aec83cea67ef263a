"""`dfc::host_sdpa`: the processor's attention says what `dfc::sdpa` says, by its own kernel and by PyTorch's."""

from itertools import product

import pytest
import torch

from dfc.frontends import ops
from dfc.host.attention import host_sdpa
from dfc.host.attention_rows import MOST_ROWS, attend_rows

PRECISION = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}
"""Largest error of values of about 1."""


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("rows", [1, 3, MOST_ROWS + 5])
def test_positions_windows_and_masks(rows: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    q = torch.randn(2, 4, rows, 64, dtype=dtype)
    k, v = (torch.randn(2, 2, 50, 64, dtype=dtype) for _ in range(2))
    masks = [None, *(torch.randn(*own, rows, 50, dtype=dtype) for own in [(1, 1), (2, 4)])]  # fmt: skip
    choices = product((None, torch.tensor(20)), (False, True), (None, 7), masks)
    for position, causal, window, mask in choices:
        full = None if mask is None else mask.expand(2, 4, rows, 50)
        given = (q, k, v, position, full, causal, window, None)
        off = (host_sdpa(*given).float() - ops.sdpa(*given).float()).abs().max()
        assert off <= PRECISION[dtype], (position, causal, window, mask is None)


def test_what_the_kernel_leaves_to_pytorch() -> None:
    q, cache = torch.randn(1, 4, 1, 64), torch.randn(1, 2, 50, 64)
    options = (torch.tensor(3), None, True, None, None)
    assert attend_rows(q, cache, cache, *options) is not None
    turned = torch.randn(1, 50, 2, 64).transpose(1, 2)
    assert attend_rows(q, turned, turned, *options) is None
    assert attend_rows(q.double(), cache, cache, *options) is None
    odd = torch.randn(1, 2, 50, 40)
    assert attend_rows(torch.randn(1, 4, 1, 40), odd, odd, *options) is None
    many = torch.randn(1, 4, MOST_ROWS + 1, 64)
    assert attend_rows(many, cache, cache, *options) is None
