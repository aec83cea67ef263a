"""What the tests of host regions share: functions on rows, traced as the backend traces them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from dfc.frontends.functions import Argument, Function
from dfc.frontends.trace import decompositions

NOMINAL = 16
"""Rows in a region's types."""

Body = Callable[..., Sequence[Tensor]]


def traced(
    body: Body, widths: Sequence[int], weights: Sequence[Tensor], dtype: torch.dtype
) -> Function:
    """A function of rows of these widths and of weights like these."""
    with FakeTensorMode(), torch.no_grad():
        rows = [torch.empty(NOMINAL, width, dtype=dtype) for width in widths]
        like = [torch.empty(tuple(w.shape), dtype=w.dtype) for w in weights]
        module = make_fx(body, decomposition_table=decompositions())(*rows, *like)
    module.graph.eliminate_dead_code()
    arguments = [
        Argument(f"{'x' if n < len(rows) else 'w'}{n}", kind, tuple(t.shape), t.dtype)
        for n, (t, kind) in enumerate(
            [(t, "input") for t in rows] + [(t, "weight") for t in like]
        )
    ]
    for node in module.graph.nodes:
        node.meta["dfc.origin"] = f"test:{node.name}"
    output = next(n for n in module.graph.nodes if n.op == "output")
    output.args = (tuple(output.args[0]),)
    return Function("region", module, arguments)


def linear(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """A layer whose weight holds -s, 0 and s."""
    ops: Any = torch.ops.dfc
    trits, scale = ops.ternarize(w, "exact")
    return ops.linear(x, trits, scale, bias)


def ternary_weight(
    rows: int, columns: int, dtype: torch.dtype, seed: int = 0
) -> Tensor:
    """A weight of -s, 0 and s."""
    random = torch.Generator().manual_seed(seed)
    trits = torch.randint(-1, 2, (rows, columns), generator=random)
    return (trits * 0.0625).to(dtype)


def norm(x: Tensor, weight: Tensor) -> Tensor:
    """Root mean square norm as the models have it: in f32, rounded, times the weight."""
    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)
    return weight * wide.to(x.dtype)
