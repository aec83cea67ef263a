# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportIncompatibleMethodOverride=false, reportMissingTypeStubs=false
"""
A compiled model beside eager PyTorch: region by region on the same inputs, and end to end.

Rounding to int8 amplifies last-bit differences, so integers are compared where they stand: a value that rounds
the other way is a flip. Within a region, on inputs that are equal, flips are rare; end to end they spread.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dfc.cli_output import print_table
from dfc.frontends import ops
from dfc.host.compiled import Compiled, depths, difference, reference
from dfc.host.operators import REGIONS
from dfc.host.parts import name_of
from dfc.host.region import SCRATCH

LINEAR = ("dfc::linear", "dfc::linear_int8")
"""The operators that quantise what they are given."""


WRONG = 0.02
"""Of a region's quantised integers, the share that may be off by more than one: flips before them explain a tenth of it."""


@dataclass
class Count:
    """Quantised integers compared, those off by one, those off by more, and those that one side has not."""

    integers: int = 0
    flips: int = 0
    wrong: int = 0
    missing: int = 0

    @property
    def differing(self) -> int:
        """Integers that no rounding flip explains alone."""
        return self.wrong + self.missing

    @property
    def passed(self) -> bool:
        """Whether flips explain what differs: none is missing, and few are off by more than one."""
        return not self.missing and self.wrong <= WRONG * self.integers

    def add(self, got: Tensor | None, want: Tensor | None) -> None:
        """Compare two tensors of integers; one that the other side has not is missing as a whole."""
        if got is None or want is None or got.shape != want.shape:
            alone = sum(one.numel() for one in (got, want) if one is not None)
            self.integers += alone
            self.missing += alone
            return
        off = (got.to(torch.int16) - want.to(torch.int16)).abs()
        self.integers += off.numel()
        self.flips += int((off == 1).sum())
        self.wrong += int((off > 1).sum())


@dataclass
class Row:
    """All calls of the regions of one name."""

    name: str
    calls: int = 0
    error: float = 0.0
    problems: list[str] = field(default_factory=list[str])
    count: Count = field(default_factory=Count)

    @property
    def passed(self) -> bool:
        """Whether results and quantised integers are within their tolerances."""
        return not self.problems and self.count.passed

    def as_dict(self) -> dict[str, object]:
        """The row for JSON and tables."""
        return {
            "region": self.name,
            "calls": self.calls,
            "error": self.error,
            "integers": self.count.integers,
            "rounding_flips": self.count.flips,
            "integers_differing": self.count.differing,
            "passed": self.passed,
        }


class Recorder(TorchDispatchMode):
    """Notes what eager's linear layers quantise, once for layers that are given the same tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []
        self.found: list[Tensor] = []

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Note the operand of a linear layer."""
        if func.name().partition(".")[0] in LINEAR:
            x: Tensor = args[0]
            known = self.seen[-1] if self.seen else None
            if known is None or known.shape != x.shape or not torch.equal(known, x):
                self.seen = [x]
                self.found.append(ops.quantize(x)[0])
        return func(*args, **(kwargs or {}))


class Watched:
    """A region that is compared with PyTorch's values at every call, in place of the region."""

    def __init__(self, region: Compiled, check: "Check") -> None:
        self.region, self.check = region, check
        self.lengths = region.lengths

    def run(self, rows: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
        """The region's results."""
        results = self.region.run(rows, weights)
        integers = quantised(self.region, rows[0].numel() // rows[0].shape[-1])
        self.check.integers += integers
        name = name_of(self.region)
        row = self.check.rows.setdefault(name, Row(name))
        row.calls += 1
        with Recorder() as recorder:
            expected = reference(self.region.form, rows, weights)
        for got, want in zip_longest(integers, recorder.found):
            row.count.add(got, want)
        depth = depths(self.region.form)
        nodes = self.region.form.results
        for node, got, want in zip(nodes, results, expected, strict=True):
            row.error = worse(row.error, relative(got, want))
            problem = difference(got, want, flips=depth[node] > 1)
            row.problems += [problem] if problem else []
        return results


def quantised(region: Compiled, tokens: int) -> list[Tensor]:
    """The int8 values between the kernels of a region, as its last call on this thread left them."""
    code, found = region.code, list[Tensor]()
    for number, offset in zip(code.between, code.offsets, strict=True):
        value = code.plan.values[number]
        if value.dtype == "int8":
            start = SCRATCH.base - SCRATCH.memory.ctypes.data + tokens * offset
            flat = SCRATCH.memory[start : start + tokens * value.stride]
            rows = flat.view(np.int8).reshape(tokens, value.stride)
            found.append(torch.from_numpy(rows[:, : prod(value.inner)].copy()))
    return found


@dataclass
class Check:
    """What comparing found: a row for the regions of each name, and the whole model beside eager's."""

    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    integers: list[Tensor] = field(default_factory=list[Tensor])
    ends: Count = field(default_factory=Count)
    error: float = 0.0
    tokens: int = 0
    tokens_differing: int = 0

    @property
    def passed(self) -> bool:
        """Whether every region is within its tolerance on equal inputs, and the model's logits are finite."""
        fine = all(row.passed for row in self.rows.values())
        return bool(self.rows) and fine and bool(np.isfinite(self.error))

    @contextmanager
    def watching(self) -> Generator[None]:
        """Within, every call of a region is compared."""
        before = [(n, r) for n, r in list(REGIONS.items()) if isinstance(r, Compiled)]
        instead = [(number, Watched(region, self)) for number, region in before]
        REGIONS.update(instead)
        try:
            yield
        finally:
            REGIONS.update(before)

    def end(self, got: Tensor, want: Tensor) -> None:
        """Compare the results of whole models, `[..., V]`; a single number, or none, chooses no token."""
        self.error = worse(self.error, relative(got, want))
        if not got.dim() or not got.numel():
            return
        chosen = got.reshape(-1, got.shape[-1]).argmax(-1)
        wanted = want.reshape(-1, want.shape[-1]).argmax(-1)
        self.tokens += chosen.numel()
        self.tokens_differing += int((chosen != wanted).sum())

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "regions": [row.as_dict() for row in self.rows.values()],
            "end_to_end": {
                "error": self.error,
                "tokens": self.tokens,
                "tokens_differing": self.tokens_differing,
                "integers": self.ends.integers,
                "rounding_flips": self.ends.flips,
                "integers_differing": self.ends.differing,
            },
            "passed": self.passed,
        }

    def print(self) -> None:
        """A row for the regions of each name, a line for the whole model."""
        rows = [row.as_dict() for row in self.rows.values()]
        if rows:
            title = "beside PyTorch, each region on the same inputs"
            values = [tuple(row.values()) for row in rows]
            print_table(title, tuple(rows[0]), values)
        print(self.summary())

    def summary(self) -> str:
        """The line for the whole model; what there is none of is left out."""
        ends, said = self.ends, [f"end to end: error {self.error:.2g}"]
        if ends.integers:
            off = ends.flips + ends.differing
            said.append(f"{off:,} of {ends.integers:,} quantised integers differ")
        if self.tokens:
            said.append(f"{self.tokens_differing} of {self.tokens} tokens differ")
        return ", ".join(said)


def compare_calls(
    calls: Sequence[tuple[Callable[[], Tensor], Callable[[], Tensor]]],
) -> Check:
    """Pairs of calls, the compiled model's and eager's on the same inputs, in order."""
    found = Check()
    for compiled, eager in calls:
        found.integers.clear()
        with torch.no_grad():
            with found.watching():
                got = compiled()
            with Recorder() as recorder:
                want = eager()
        for ours, theirs in zip_longest(found.integers, recorder.found):
            found.ends.add(ours, theirs)
        found.end(got, want)
    return found


def relative(got: Tensor, want: Tensor) -> float:
    """The largest difference, as a part of the largest value; 0 between tensors of no elements."""
    if not want.numel():
        return 0.0
    off = (got.double() - want.double()).abs().max().item()
    return off / max(want.double().abs().max().item(), 1e-30)


def worse(a: float, b: float) -> float:
    """The larger of two errors; NaN where one is, which no later error hides."""
    return float(np.maximum(a, b))
