# pyright: strict, reportUnknownMemberType=false
"""Embeddings and linear layers whose weight is 8-bit integers with a scale per row."""

import numpy as np
import torch
from torch import Tensor, nn

from dfc.frontends import ops
from dfc.runtime.native.memory import ARENA

LARGEST = 127
"""The largest quantised weight."""


def quantize_rows(w: Tensor) -> tuple[Tensor, Tensor]:
    """
    int8 rows and their float32 scales, absmax / 127 (1 for a row of zeros): w (V x K) ~ rows * scales.

    The rows stand in huge pages where the system gives them; `ops.ROWS` rows are floats at once.
    """
    rows = in_huge_pages(w.shape, np.int8)
    scales = torch.empty(w.shape[0])
    for start in range(0, w.shape[0], ops.ROWS):
        part = slice(start, start + ops.ROWS)
        wide = w[part].detach().float()
        scale = wide.abs().amax(dim=1) / LARGEST
        scale = torch.where(scale == 0, torch.ones_like(scale), scale)
        rows[part] = (wide / scale[:, None]).round().clamp(-LARGEST, LARGEST)
        scales[part] = scale
    return rows, scales


def in_huge_pages(shape: torch.Size, dtype: type[np.generic]) -> Tensor:
    """A tensor of zeros in huge pages, ordinary ones where the system refuses."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return torch.from_numpy(ARENA.take(size).view(dtype).reshape(tuple(shape)))


class Int8(nn.Module):
    """A weight of 8-bit integers (V x K) with a float32 scale per row (V,), which modules may share."""

    weight: Tensor
    weight_scale: Tensor

    def __init__(self, weight: Tensor, weight_scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("weight_scale", weight_scale)

    def scale(self) -> Tensor:
        """The scales in float32, whatever dtype the model was cast to."""
        scale = self.weight_scale
        return scale if scale.dtype == torch.float32 else scale.float()


class Int8Embedding(Int8):
    """`nn.Embedding` on int8 rows: row * scale in float32, rounded once to `dtype`."""

    def __init__(
        self, weight: Tensor, weight_scale: Tensor, dtype: torch.dtype
    ) -> None:
        super().__init__(weight, weight_scale)
        self.num_embeddings, self.embedding_dim = weight.shape
        self.dtype = dtype

    def forward(self, ids: Tensor) -> Tensor:
        """ids (any shape, integers) -> vectors (… x K)."""
        rows = self.weight[ids].float() * self.scale()[ids].unsqueeze(-1)
        return rows.to(self.dtype)


class Int8Linear(Int8):
    """`nn.Linear` on int8 rows through `dfc::linear_int8`: activations int8 per token too."""

    def __init__(
        self, weight: Tensor, weight_scale: Tensor, bias: Tensor | None
    ) -> None:
        super().__init__(weight, weight_scale)
        self.out_features, self.in_features = weight.shape
        self.bias = None if bias is None else nn.Buffer(bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """x (… x K) -> … x V, in the dtype of x."""
        rows = x.reshape(-1, x.shape[-1])
        y = ops.linear_int8(rows, self.weight, self.scale(), self.bias)
        return y.reshape(*x.shape[:-1], self.out_features)
