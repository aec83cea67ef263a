# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A cluster of ternary layers and the row ops round them as machine code, called with PyTorch tensors."""

import threading
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from operator import itemgetter

import torch
from torch import Tensor
from xdsl.dialects.builtin import ModuleOp

from dfc.driver import new_context, run_passes
from dfc.entries import check_sizes
from dfc.errors import ExecutionError
from dfc.frontends.functions import Function
from dfc.frontends.lower import lower
from dfc.host.code import code_of
from dfc.host.plan import Plan, Value
from dfc.host.weights import RegionWeights
from dfc.levels import attach_target, passes_to, pipeline_of
from dfc.passes.analysis.functions import WEIGHTS, functions
from dfc.pipelines import Pipeline
from dfc.region import refusals
from dfc.runtime.native.cache import ObjectCache
from dfc.runtime.native.cpu import choose_isa
from dfc.runtime.native.kernel import Kernels
from dfc.runtime.native.memory import huge_bytes
from dfc.runtime.native.threads import Calls

TARGET = "host"
"""The target whose pipeline leads to *tiled*."""

PACKING = "unit.product.packing"
"""The target's field for how trits become bytes."""

ALONE = 64 << 10
"""Bytes of rows up to which a kernel of row ops runs on the caller alone: to share it would take longer."""

LINE = 64
"""Bytes that a value between kernels begins at a multiple of."""

WORD = 8
"""Bytes of a word of a table."""


def compile_region(
    function: Function,
    *,
    isa: str | None = None,
    freeze: bool = False,
    cache: ObjectCache | None = None,
    packing: str | None = None,
) -> "HostRegion":
    """
    Machine code of a function on rows: its inputs are `[T, k]` with one nominal T, and stand before its weights.

    `isa` is the fastest of this processor where none is given, `cache` where objects are kept. With `freeze` inference
    tensors count as never changed. `packing` is the code of the trits, the target's where none is given. `DfcError` where something in the function has no native form.
    """
    isa = choose_isa(isa)
    module = lower([function])
    with refusals():
        passes = tile(module, packing).native
        objects = ObjectCache() if cache is None else cache
        plan, kernels = code_of(module, passes, isa, objects)
        names = [a.name for a in function.arguments if a.kind == "weight"]
        numbers = [plan.values[n].number for n in plan.of_kind("weight")]
        found = [f for f in functions(module) if f.sym_name.data == WEIGHTS]
        weights = RegionWeights(next(iter(found), None), names, numbers, freeze)
    return HostRegion(plan, kernels, weights)


def tile(module: ModuleOp, packing: str | None = None) -> Pipeline:
    """Bring a module at tensor level to *tiled*, trits in a code; the pipeline that did."""
    check_sizes(module)
    chosen = {} if packing is None else {PACKING: f"{packing}, order = interleaved"}
    attach_target(module, TARGET, chosen)
    pipeline, context = pipeline_of(module), new_context()
    for level in ("tensor", "fused", "tiled"):
        run_passes(passes_to(level, pipeline), module, context)
    return pipeline


class Scratch(threading.local):
    """A thread's memory for values between kernels."""

    def __init__(self) -> None:
        self.size, self.base = 0, 0
        self.memory = huge_bytes(0)

    def get(self, size: int) -> int:
        """The address of so many bytes."""
        if size > self.size:
            self.memory = huge_bytes(size)
            self.size, self.base = size, self.memory.ctypes.data
        return self.base


SCRATCH = Scratch()


@dataclass(frozen=True)
class Row:
    """A tensor at the border of a region: what of its shape is one token, and in how many elements that stands."""

    inner: tuple[int, ...]
    dtype: torch.dtype
    room: int

    @classmethod
    def of(cls, value: Value) -> "Row":
        """The row of a value."""
        dtype = getattr(torch, value.dtype)
        return cls(value.inner, dtype, value.stride // dtype.itemsize)

    @property
    def padded(self) -> bool:
        """Whether there is room behind the elements of a token."""
        return self.room != prod(self.inner)

    def lead(self, tensor: Tensor) -> torch.Size:
        """The shape of the tokens of a tensor, which must fit."""
        at = tensor.dim() - len(self.inner)
        shape = tensor.shape
        if at < 0 or shape[at:] != self.inner or tensor.dtype is not self.dtype:
            raise ExecutionError(
                f"expected rows of {self.inner} in {self.dtype},"
                f" got {tuple(shape)} in {tensor.dtype}"
            )
        if not tensor.is_cpu:
            raise ExecutionError(f"expected rows on the CPU, got {tensor.device}")
        return shape[:at]

    def stored(self, tensor: Tensor) -> Tensor:
        """A tensor as kernels read it."""
        if not self.padded:
            return tensor.contiguous()
        flat = tensor.reshape(-1, prod(self.inner))
        return torch.nn.functional.pad(flat, (0, self.room - flat.shape[1]))

    def empty(self, lead: torch.Size) -> Tensor:
        """A tensor for a kernel to write."""
        inner = (self.room,) if self.padded else self.inner
        return torch.empty((*lead, *inner), dtype=self.dtype)

    def read(self, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        """What a kernel wrote, in a shape of as many elements."""
        if self.padded:
            tensor = tensor[..., : prod(self.inner)]
        return tensor.reshape(shape).contiguous()


@dataclass(frozen=True)
class Call:
    """A step as it is run: its code, where its table begins, its parts (0: tokens), its bytes per token."""

    address: int
    offset: int
    parts: int
    bytes_: int

    def threads(self, tokens: int, most: int) -> int:
        """On how many threads it runs."""
        return most if self.parts or self.bytes_ * tokens > ALONE else 1


class HostRegion:
    """
    The code of a region, for any number of tokens and any tensors in place of its weights.

    Several Python threads may call it at once: each has its scratch, and what a call works on is held until it is over.
    """

    def __init__(self, plan: Plan, kernels: Kernels, weights: RegionWeights) -> None:
        self.plan = plan
        self.kernels = kernels
        self.weights = weights
        made = plan.of_kind("made")
        self.given = [n for n in dict.fromkeys(plan.results) if n in made]
        self.between = [n for n in made if n not in self.given]
        self.rows = [Row.of(plan.values[n]) for n in plan.of_kind("row")]
        self.results = [Row.of(plan.values[n]) for n in self.given]
        strides = [-(-plan.values[n].stride // LINE) * LINE for n in self.between]
        self.offsets = [sum(strides[:n]) for n in range(len(strides))]
        self.scratch = sum(strides)
        self.calls, self.pick = self.tables()
        self.ready = (0, 0, Calls(()))
        """The calls for the tokens and threads of the last call."""
        shapes = [plan.values[n].inner for n in plan.results]
        padded = any(row.padded for row in self.results)
        direct = tuple(self.given) == plan.results and tuple(shapes) == plan.inner
        self.direct = direct and not padded
        """Whether the tensors that kernels write are the results."""

    def tables(self) -> tuple[list[Call], Callable[[Sequence[int]], Sequence[int]]]:
        """The calls, and the choice of the words of all tables from the addresses of a call and its tokens."""
        plan = self.plan
        order = [*plan.of_kind("row"), *plan.of_kind("weight"), *self.given]
        order += self.between
        place = {number: at for at, number in enumerate(order)}
        words: list[int] = []
        calls: list[Call] = []
        for step in plan.steps:
            kernel, used = self.kernels[step.kernel], (*step.reads, *step.writes)
            bytes_ = sum(plan.values[n].stride for n in used)
            calls.append(Call(kernel.address, WORD * len(words), kernel.parts, bytes_))
            words += [*(place[n] for n in used), len(order)]
        return calls, itemgetter(*words)

    def run(self, rows: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
        """
        The results `[..., n]` for rows `[..., k]` of any number of tokens, new and contiguous.

        `NotTernary` where a weight is to hold -s, 0 and s and does not any more.
        """
        leads = [row.lead(given) for row, given in zip(self.rows, rows, strict=True)]
        tokens = leads[0].numel()
        if any(lead.numel() != tokens for lead in leads):
            raise ExecutionError(
                f"expected rows of as many tokens, got {[tuple(x) for x in leads]}"
            )
        results = [row.empty(leads[0]) for row in self.results]
        if tokens:
            self.call(tokens, rows, weights, results)
        return results if self.direct else self.finished(leads[0], rows, results)

    def call(
        self,
        tokens: int,
        rows: Sequence[Tensor],
        weights: Sequence[Tensor],
        results: Sequence[Tensor],
    ) -> None:
        """Run the kernels."""
        prepared = self.weights.get(weights)
        stored = [row.stored(given) for row, given in zip(self.rows, rows, strict=True)]
        base = SCRATCH.get(self.scratch * tokens)
        words = self.pick(
            (
                *map(Tensor.data_ptr, stored),
                *prepared.addresses,
                *map(Tensor.data_ptr, results),
                *[base + tokens * offset for offset in self.offsets],
                tokens,
            )
        )
        table = array("q", words)
        self.calls_of(tokens, torch.get_num_threads()).run(table.buffer_info()[0])

    def calls_of(self, tokens: int, most: int) -> Calls:
        """The calls for so many tokens on up to so many threads; a decode step asks for the same each time."""
        before, threads, found = self.ready
        if (before, threads) != (tokens, most):
            found = Calls(
                (c.address, c.offset, c.parts or tokens, c.threads(tokens, most))
                for c in self.calls
            )
            self.ready = tokens, most, found
        return found

    def finished(
        self, lead: torch.Size, rows: Sequence[Tensor], made: Sequence[Tensor]
    ) -> list[Tensor]:
        """The region's results from what the kernels wrote, each a tensor of its own."""
        found: list[Tensor] = []
        for at, inner in zip(self.plan.results, self.plan.inner, strict=True):
            shape = (*lead, *inner)
            if at in self.given:
                number = self.given.index(at)
                one = self.results[number].read(made[number], shape)
            else:
                one = rows[self.plan.of_kind("row").index(at)].reshape(shape).clone()
            again = any(one is other for other in found)
            found.append(one.clone() if again else one)
        return found
