# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What a region needs of its weights, made once per set of tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, BlockArgument, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dfc.dialects import ternary
from dfc.errors import ExecutionError
from dfc.passes.analysis.functions import (
    WEIGHTS,
    argument_attributes,
    drop_arguments,
    erase_unused,
    update_type,
)
from dfc.region import NotTernary, needs_of
from dfc.runtime.interpreter import run
from dfc.runtime.interpreter.dtypes import dtype_of, shape_of
from dfc.runtime.native.memory import ARENA
from dfc.tensors import to_numpy
from dfc.weights_cache import WeightsCache

WIDE = 16
"""Elements of a vector that kernels read as a multiple of."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Prepared:
    """Addresses of those results of `@weights` that are wanted, and what keeps them there."""

    addresses: tuple[int, ...]
    holds: Sequence[object]


@dataclass(frozen=True)
class Argument:
    """An argument of `@weights`: which of the region's weights it is, and what that must be."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str

    def check(self, tensor: Tensor) -> None:
        """Refuse a tensor of another kind."""
        dtype = str(tensor.dtype).removeprefix("torch.")
        fits = dtype == self.dtype or (dtype, self.dtype) == ("uint8", "int8")
        if not fits or tuple(tensor.shape) != self.shape:
            raise ExecutionError(
                f"expected a weight `{self.name}` of {self.shape} in {self.dtype},"
                f" got {tuple(tensor.shape)} in {dtype}"
            )


class Group:
    """The results of `@weights` that depend on the same weights, as a function of their own."""

    def __init__(
        self,
        function: FuncOp,
        numbers: Sequence[int],
        arguments: Sequence[Argument],
        freeze: bool,
    ) -> None:
        self.numbers = numbers
        self.arguments = arguments
        self.module = alone(function, numbers)
        self.three_valued = any(
            isinstance(op, ternary.TernarizeOp) and op.method == "exact"
            for op in self.module.walk()
        )
        self.cache = WeightsCache[Sequence[Bytes] | NotTernary](freeze)

    def get(self, weights: Sequence[Tensor]) -> Sequence[Bytes] | NotTernary:
        """The results' bytes for the region's weights, else why there are none."""
        own = [weights[argument.index] for argument in self.arguments]
        return self.cache.get(own, partial(self.make, own))

    def make(self, tensors: Sequence[Tensor]) -> Sequence[Bytes] | NotTernary:
        """Run the function."""
        arrays = {
            argument.name: to_numpy(tensor)
            for argument, tensor in zip(self.arguments, tensors, strict=True)
        }
        try:
            made = run(self.module, WEIGHTS, (), weights=arrays)
        except ExecutionError as error:
            if not self.three_valued:
                raise
            names = ", ".join(f"`{argument.name}`" for argument in self.arguments)
            return NotTernary(f"{error} ({names})")
        return [ARENA.copy(np.asarray(value)) for value in made]


class RegionWeights:
    """
    The results of `@weights`, those `wanted` by number, for the tensors that the region is called with, named `names`.

    A result that is an argument itself is that tensor's memory; all others are copied into huge pages. Results
    are made again when a tensor changes that they depend on; `NotTernary` for a weight that is to hold -s, 0
    and s and holds something else.
    """

    def __init__(
        self,
        function: FuncOp | None,
        names: Sequence[str],
        wanted: Sequence[int],
        freeze: bool = False,
    ) -> None:
        self.wanted = wanted
        self.cache = WeightsCache[Prepared | NotTernary](freeze)
        self.arguments: dict[str, Argument] = {}
        self.direct: dict[int, Argument] = {}
        self.groups: list[Group] = []
        if function is not None:
            self.split(function, names, freeze)

    def split(self, function: FuncOp, names: Sequence[str], freeze: bool) -> None:
        """Sort the results of `@weights` by what they depend on."""
        rows = argument_attributes(function)
        for value, row in zip(function.args, rows, strict=True):
            found = argument_of(value, row, names)
            self.arguments[found.name] = found
        groups: dict[tuple[str, ...], list[int]] = {}
        for number, value in enumerate(returned(function).operands):
            needs = needs_of(function, value)
            if isinstance(value, BlockArgument):
                self.direct[number] = self.arguments[needs[0]]
            else:
                groups.setdefault(tuple(needs), []).append(number)
        for needs, numbers in groups.items():
            own = [self.arguments[name] for name in needs]
            self.groups.append(Group(function, numbers, own, freeze))

    def get(self, weights: Sequence[Tensor]) -> Prepared:
        """Where the results are for these weights."""
        found = self.cache.get(weights, partial(self.make, weights))
        if isinstance(found, NotTernary):
            raise NotTernary(str(found))
        return found

    def make(self, weights: Sequence[Tensor]) -> Prepared | NotTernary:
        """The results, those of groups that are known looked up."""
        for argument in self.arguments.values():
            argument.check(weights[argument.index])
        addresses: dict[int, int] = {}
        holds: list[object] = []
        for number, argument in self.direct.items():
            tensor = in_place(weights[argument.index])
            addresses[number] = tensor.data_ptr()
            holds.append(tensor.untyped_storage())
        for group in self.groups:
            made = group.get(weights)
            if isinstance(made, NotTernary):
                return made
            for number, data in zip(group.numbers, made, strict=True):
                addresses[number] = data.ctypes.data
            holds.append(made)
        return Prepared(tuple(addresses[number] for number in self.wanted), holds)


def in_place(tensor: Tensor) -> Tensor:
    """A tensor as kernels read it: rows one after the other, and room behind an odd vector."""
    tensor = tensor.detach()
    odd = tensor.numel() % WIDE
    if tensor.ndim == 1 and odd:
        return torch.cat([tensor, tensor.new_zeros(WIDE - odd)])
    return tensor.contiguous()


def argument_of(
    value: BlockArgument, row: Mapping[str, Attribute], names: Sequence[str]
) -> Argument:
    """What an argument of `@weights` must be."""
    name = row["dfc.weight"]
    assert isinstance(name, StringAttr)
    kind = dtype_of(value.type).name
    return Argument(names.index(name.data), name.data, shape_of(value.type), kind)


def returned(function: FuncOp) -> ReturnOp:
    """The end of a function."""
    last = function.body.block.last_op
    assert isinstance(last, ReturnOp)
    return last


def alone(function: FuncOp, numbers: Sequence[int]) -> ModuleOp:
    """A module with what some of a function's results need."""
    copy = function.clone()
    old = returned(copy)
    values: list[SSAValue] = [old.operands[number] for number in numbers]
    Rewriter.erase_op(old)
    Rewriter.insert_op(ReturnOp(*values), InsertPoint.at_end(copy.body.block))
    erase_unused(copy)
    drop_arguments(
        copy, [argument.index for argument in copy.args if not argument.uses]
    )
    update_type(copy)
    return ModuleOp([copy])
