# pyright: strict, reportUnknownMemberType=false
"""dfc's own decompositions of ATen operators, where the usual ones are wrong or in float64."""

from math import pi, sqrt
from typing import Any

import torch
from torch import Tensor

aten: Any = torch.ops.aten


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """GELU, exact or by tanh; float16 and bfloat16 are computed in float32 as PyTorch does."""
    y = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    if approximate == "tanh":
        inner = sqrt(2 / pi) * (y + 0.044715 * y * y * y)
        return (0.5 * y * (1 + torch.tanh(inner))).to(x.dtype)
    return (0.5 * y * (1 + torch.erf(y * sqrt(0.5)))).to(x.dtype)


def layer_norm(
    x: Tensor, shape: list[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Layer norm with its mean and variance in float32 (torch-mlir's variance is float64)."""
    y = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    dims = list(range(-len(shape), 0))
    mean = y.mean(dims, keepdim=True)
    centred = y - mean
    inverse = torch.rsqrt((centred * centred).mean(dims, keepdim=True) + eps)
    result = centred * inverse
    if weight is not None:
        result = result * weight
    if bias is not None:
        result = result + bias
    return result.to(x.dtype), mean, inverse


def power(x: Tensor, exponent: float) -> Tensor:
    """A square is a product; other powers stay."""
    return x * x if exponent == 2 else NotImplemented


LONGEST_SUM = 1024
"""Length up to which a running sum is written as a sum under a triangle."""


def running_sum(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """A short cumulative sum as a masked sum: upstream has only an op that nothing lowers."""
    length = x.shape[dim] if x.ndim else 1
    if length > LONGEST_SUM or not x.ndim:
        return NotImplemented
    kind = dtype or (x.dtype if x.is_floating_point() else torch.int64)
    wide = x.to(kind).movedim(dim, -1).unsqueeze(-2)
    place = torch.arange(length, device=x.device)
    below = place.unsqueeze(-1) >= place
    zero = torch.zeros((), dtype=kind, device=x.device)
    return torch.where(below, wide, zero).sum(-1, dtype=kind).movedim(-1, dim)


OWN: dict[Any, Any] = {
    aten.gelu.default: gelu,
    aten.cumsum.default: running_sum,
    aten.pow.Tensor_Scalar: power,
    aten.native_layer_norm.default: layer_norm,
}
"""Operator -> decomposition, over torch-mlir's table."""
