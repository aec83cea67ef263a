# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""
Attention and cache writes on the processor: `dfc::host_sdpa` and `dfc::host_kv_write`.

The first says what `dfc::sdpa` says: a few query rows by a kernel of the host engine, more by
`scaled_dot_product_attention`, on the rows of a cache that are filled. The second is `dfc::kv_write` in place.
"""

from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from dfc.frontends import ops
from dfc.host.attention_rows import attend_rows
from dfc.host.operators import LIBRARY

LIBRARY.define(
    "host_sdpa(Tensor q, Tensor k, Tensor v, Tensor? position, Tensor? mask,"
    " bool causal, int? window, float? scale) -> Tensor",
    tags=(torch.Tag.flexible_layout,),
)
LIBRARY.define(
    "host_kv_write(Tensor(a!) cache, Tensor new, Tensor? position) -> ()",
    tags=(torch.Tag.flexible_layout,),
)


def host_sdpa(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    position: Tensor | None,
    mask: Tensor | None,
    causal: bool,
    window: int | None,
    scale: float | None,
) -> Tensor:
    """`dfc::sdpa` without soft cap; the result lies as B x M x H x D."""
    out = attend_rows(q, k, v, position, mask, causal, window, scale)
    if out is None:
        out = attend_all(q, k, v, position, mask, causal, window, scale)
    return out.transpose(1, 2).contiguous().transpose(1, 2)


def attend_all(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    position: Tensor | None,
    mask: Tensor | None,
    causal: bool,
    window: int | None,
    scale: float | None,
) -> Tensor:
    """The same by PyTorch's attention, on the rows of a cache that are filled."""
    rows = q.shape[2]
    if position is not None:
        start = int(position)
        first = max(0, start + 1 - window) if window is not None and rows == 1 else 0
        seen = slice(first, start + rows)
        k, v = k[:, :, seen], v[:, :, seen]
        mask = None if mask is None else mask[..., seen]
    if rows == 1 and position is not None:
        causal, window = False, None  # the slice says it all
    if causal and window is None and mask is None and rows == k.shape[2]:
        return attend(q, k, v, None, True, scale)
    hidden = hide(q, k, position, causal, window)
    mask = hidden if mask is None else mask if hidden is None else mask + hidden
    return attend(q, k, v, mask, False, scale)


def hide(
    q: Tensor, k: Tensor, position: Tensor | None, causal: bool, window: int | None
) -> Tensor | None:
    """What is added to the scores so that rows see what they may; None when they see all."""
    if not causal and (window is None or position is None):
        return None
    visible = ops.seen(q.shape[2], k.shape[2], position, causal, window)
    assert visible is not None
    zero = torch.zeros(visible.shape, dtype=q.dtype)
    return zero.masked_fill(~visible, float("-inf"))[None, None]


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    causal: bool,
    scale: float | None,
) -> Tensor:
    """PyTorch's attention; the heads of one token that share keys are the rows of one head."""
    batch, heads, rows, depth = q.shape
    groups = k.shape[1]
    if rows > 1 or heads == groups:
        return functional.scaled_dot_product_attention(
            q, k, v, mask, 0.0, causal, scale=scale, enable_gqa=heads != groups
        )
    each = heads // groups
    if mask is not None:
        over, keys = mask.shape[1], mask.shape[3]
        shape = (mask.shape[0], 1 if over == 1 else groups, each, keys)
        mask = mask.expand(*shape) if over == 1 else mask.reshape(shape)
    together = q.reshape(batch, groups, each, depth)
    out = functional.scaled_dot_product_attention(together, k, v, mask, scale=scale)
    return out.reshape(batch, heads, 1, depth)


def host_sdpa_shape(q: Tensor, *_: Any) -> Tensor:
    """B x H x M x D that lies as B x M x H x D."""
    batch, heads, rows, depth = q.shape
    return q.new_empty((batch, rows, heads, depth)).transpose(1, 2)


def host_kv_write(cache: Tensor, new: Tensor, position: Tensor | None) -> None:
    """Rows position … position + M - 1 of every head become `new`."""
    start, rows = 0 if position is None else int(position), new.shape[2]
    if start < 0 or start + rows > cache.shape[2]:
        raise ValueError(
            f"expected a position up to {cache.shape[2] - rows}, got {start}"
        )
    cache.narrow(2, start, rows).copy_(new)


def host_kv_write_nothing(cache: Tensor, new: Tensor, position: Tensor | None) -> None:
    """There is no result."""


LIBRARY.impl("host_sdpa", host_sdpa, "CPU")
LIBRARY.impl("host_kv_write", host_kv_write, "CPU")
torch.library.register_fake("dfc::host_sdpa", host_sdpa_shape, lib=LIBRARY)
torch.library.register_fake("dfc::host_kv_write", host_kv_write_nothing, lib=LIBRARY)


def lower_attention(graph: fx.Graph) -> None:
    """Put the processor's operators in place of dfc's attention and cache writes."""
    for node in list(graph.nodes):
        if node.target is torch.ops.dfc.sdpa.default:
            lower_sdpa(node)
        elif node.target is torch.ops.dfc.kv_write.default and is_last_use(node):
            write_in_place(node)


def lower_sdpa(node: fx.Node) -> None:
    """`dfc::sdpa` as `dfc::host_sdpa`, but with a soft cap, which PyTorch does not have."""
    names = ("q", "k", "v", "position", "mask", "causal", "window", "scale", "softcap")
    given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    if given.pop("softcap", None) is not None:
        return
    given.setdefault("causal", False)
    node.args = tuple(given.get(name) for name in names[:-1])
    node.kwargs = {}
    node.target = torch.ops.dfc.host_sdpa.default


def is_last_use(node: fx.Node) -> bool:
    """Whether a cache given to the graph is used by this write only, and its new value returned."""
    cache: Any = node.args[0]
    given = cache.op == "placeholder" and len(cache.users) == 1
    return given and any(user.op == "output" for user in node.users)


def write_in_place(node: fx.Node) -> None:
    """`dfc::kv_write` as `dfc::host_kv_write`; the cache itself is the new value."""
    cache, new, *rest = node.args
    position = rest[0] if rest else node.kwargs.get("position")
    with node.graph.inserting_before(node):
        write: Any = torch.ops.dfc.host_kv_write.default
        node.graph.call_function(write, (cache, new, position))
    node.replace_all_uses_with(cache, propagate_meta=False)  # pyright: ignore[reportArgumentType]
    node.graph.erase_node(node)
