# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""
The operator that a region is in a rewritten graph: `dfc::host_region`.

It is opaque to inductor, takes and gives contiguous tensors, writes to nothing, and no gradients go through it.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, Protocol
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.library import Library


class Region(Protocol):
    """What is called: code for rows and weights."""

    @property
    def lengths(self) -> Sequence[tuple[int, torch.dtype]]:
        """Length and dtype of the results' rows."""
        ...

    def run(self, rows: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
        """The results, contiguous, in the leading shape of the first of `rows`."""
        ...


REGIONS: "WeakValueDictionary[int, Region]" = WeakValueDictionary()
"""The regions of all graphs that are alive, by the number in their calls."""

NUMBERS = count()
"""Numbers of regions."""

LIBRARY = Library("dfc", "FRAGMENT")
LIBRARY.define(
    "host_region(int region, Tensor[] rows, Tensor[] weights) -> Tensor[]",
    tags=(torch.Tag.needs_exact_strides,),
)


def register(region: Region) -> int:
    """A number for a region; it is valid while the region lives."""
    number = next(NUMBERS)
    REGIONS[number] = region
    return number


def host_region(
    region: int, rows: Sequence[Tensor], weights: Sequence[Tensor]
) -> list[Tensor]:
    """
    The results of a region, one row for each row of `rows[0]` and in its leading shape.

    All `rows` hold as many rows (their last dimension), however their leading dimensions are.
    """
    return REGIONS[region].run(rows, weights)


def host_region_shapes(
    region: int, rows: Sequence[Tensor], weights: Sequence[Tensor]
) -> list[Tensor]:
    """Contiguous tensors of the results' shapes."""
    lead = rows[0].shape[:-1]
    lengths = REGIONS[region].lengths
    return [rows[0].new_empty((*lead, n), dtype=dtype) for n, dtype in lengths]


LIBRARY.impl("host_region", host_region, "CPU")
LIBRARY.impl("host_region", torch.library.fallthrough_kernel, "Autograd")
torch.library.register_fake("dfc::host_region", host_region_shapes, lib=LIBRARY)

call_region: Any = torch.ops.dfc.host_region.default
"""The operator."""
