# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false
"""Where the time of a step of a compiled model goes: regions of the host engine, LM head, attention, the rest."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from math import prod
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.profiler import profile

from dfc.host.compiled import Compiled
from dfc.host.operators import REGIONS

ATTENTION = ("scaled_dot_product", "dfc::host_sdpa")
"""What the names of attention operators hold; they call each other, the outermost counts."""

STEPS = 5
"""Steps that are looked at."""


@dataclass(frozen=True)
class Part:
    """A part of one step; bytes are those of weights and of keys and values that it reads."""

    name: str
    calls: int
    seconds: float
    bytes_: int = 0

    def as_dict(self) -> dict[str, object]:
        """The part for JSON and tables."""
        rate = self.bytes_ / self.seconds if self.seconds and self.bytes_ else None
        return {
            "part": self.name,
            "calls": self.calls,
            "ms": self.seconds * 1e3,
            "bytes": self.bytes_,
            "gb_per_s": rate and rate / 1e9,
        }


@dataclass(frozen=True, eq=False)
class Timed:
    """A region that notes how long its calls take, in place of the region."""

    region: Compiled
    calls: list[tuple[Compiled, float]]
    lengths: Sequence[tuple[int, torch.dtype]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lengths", self.region.lengths)

    def run(self, rows: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
        """The region's results."""
        start = time.perf_counter()
        results = self.region.run(rows, weights)
        self.calls.append((self.region, time.perf_counter() - start))
        return results


@contextmanager
def timed() -> Generator[list[tuple[Compiled, float]]]:
    """Within, calls of regions are noted: in order, with their seconds."""
    calls: list[tuple[Compiled, float]] = []
    before = [(n, r) for n, r in list(REGIONS.items()) if isinstance(r, Compiled)]
    # the dictionary holds its values weakly
    instead = [(number, Timed(region, calls)) for number, region in before]
    REGIONS.update(instead)
    try:
        yield calls
    finally:
        REGIONS.update(before)


def where(step: Callable[[], object], cache_bytes: int, head: Tensor) -> list[Part]:
    """The parts of a step that is called a few times; `head` is the LM head's weight."""
    regions: list[list[Part]] = []
    whole: list[float] = []
    for _ in range(STEPS):
        with timed() as calls:
            start = time.perf_counter()
            step()
            whole.append(time.perf_counter() - start)
        regions.append(of_regions(calls))
    found = [
        Part(
            each[0].name, each[0].calls, median(e.seconds for e in each), each[0].bytes_
        )
        for each in zip(*regions, strict=True)
    ]
    # the other profiler prints lines of its own
    profiler: Any = profile(use_kineto=False, record_shapes=True)
    with profiler:
        step()
    found += of_pytorch(list(profiler.function_events), cache_bytes, head)
    rest = median(whole) - sum(part.seconds for part in found)
    return [*found, Part("everything else", 1, max(rest, 0.0))]


def of_regions(calls: Sequence[tuple[Compiled, float]]) -> list[Part]:
    """The regions' part, those of equal names together."""
    rows = sorted(
        ((name_of(region), seconds, weight_bytes(region)) for region, seconds in calls),
        key=lambda row: row[0],
    )
    parts: list[Part] = []
    for name, group in groupby(rows, key=lambda row: row[0]):
        each = list(group)
        seconds, bytes_ = sum(row[1] for row in each), sum(row[2] for row in each)
        parts.append(Part(name, len(each), seconds, bytes_))
    return parts


def of_pytorch(events: Sequence[Any], cache_bytes: int, head: Tensor) -> list[Part]:
    """Attention and the LM head, where PyTorch runs them, from a profile."""
    attention = [e for e in events if is_attention(e) and not inside(e)]
    products = [e for e in events if is_head(e, tuple(head.shape))][-1:]
    parts: list[Part] = []
    for name, found, bytes_ in (
        ("attention", attention, cache_bytes),
        ("LM head", products, head.nbytes * len(products)),
    ):
        if found:
            taken = sum(event.cpu_time_total for event in found) / 1e6
            parts.append(Part(name, len(found), taken, bytes_))
    return parts


def is_attention(event: Any) -> bool:
    """Whether an operator is attention."""
    return any(word in event.name for word in ATTENTION)


def inside(event: Any) -> bool:
    """Whether an operator was called by attention."""
    parent = event.cpu_parent
    return parent is not None and (is_attention(parent) or inside(parent))


def is_head(event: Any, sizes: tuple[int, ...]) -> bool:
    """Whether an operator is the product with a weight of these sizes, and not within one that is."""
    if not any(word in event.name for word in ("linear", "mm")):
        return False
    shapes = [tuple(shape) for shape in event.input_shapes if shape]
    parent = event.cpu_parent
    while parent is not None and not is_head(parent, sizes):
        parent = parent.cpu_parent
    return parent is None and (sizes in shapes or sizes[::-1] in shapes)


def name_of(region: Compiled) -> str:
    """What a region's products are called in the model: `o_proj, gate_proj, up_proj, down_proj`."""
    names = [region.origin(n) for n in region.form.cluster.products]
    leaves = [name.partition(":")[0].rpartition(".")[2] for name in names]
    return ", ".join(dict.fromkeys(leaves))


def weight_bytes(region: Compiled) -> int:
    """Bytes of what a region's kernels read of its weights."""
    plan = region.code.plan
    values = [plan.values[number] for number in plan.of_kind("weight")]
    return sum(prod(v.inner) * np.dtype(numpy_name(v.dtype)).itemsize for v in values)


def numpy_name(dtype: str) -> str:
    """The name of a dtype of the same size that numpy has."""
    return {"bfloat16": "float16"}.get(dtype, dtype)
