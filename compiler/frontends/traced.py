# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What a front end gives: the tensor-level module, its weights, and the graphs eager is run from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from xdsl.dialects.builtin import ModuleOp

from dfc.frontends.call_form import CallForm
from dfc.frontends.functions import Argument, Function
from dfc.runtime.errors import ModelError
from dfc.tensors import to_numpy

Value = np.ndarray | int


@dataclass(frozen=True)
class Fallback:
    """Operators that dfc does not lower: the first one's origin, why, and how many they are."""

    origin: str
    reason: str
    operators: int = 1


@dataclass
class Traced:
    """
    A model at tensor level.

    `functions` holds the FX graph of every function of `module`, private ones too; `entries`
    the names of those that a user calls (`main`, or `prefill` and `decode`). `weights` holds
    every weight argument by its `dfc.weight` name, or is None when they are abstract.
    `model` is the prepared model that was traced, `original` the one that was given, `form` how
    it was called, if it was not a language model of the zoo.
    """

    module: ModuleOp
    functions: dict[str, Function]
    entries: tuple[str, ...]
    weights: dict[str, np.ndarray] | None
    model: nn.Module | None = None
    original: nn.Module | None = None
    prefill: int = 0
    decode: int = 0
    capacity: int = 0
    batch: int = 1
    fallbacks: list[Fallback] = field(default_factory=list[Fallback])
    form: CallForm | None = None

    @property
    def is_language_model(self) -> bool:
        """Whether the module has prefill and decode rather than main."""
        return "main" not in self.entries

    def inputs(self, function: str) -> list[Argument]:
        """The arguments of an entry function that are not weights, in order."""
        found = self.functions[function].arguments
        return [a for a in found if a.kind != "weight"]

    def random_inputs(self, function: str, seed: int = 0) -> list[Value]:
        """
        Seeded inputs: token ids, empty (zero) states, else normal numbers; a position is the
        end of the prompt.
        """
        generator = torch.Generator().manual_seed(seed)
        return [self._random(a, generator) for a in self.inputs(function)]

    def _random(self, argument: Argument, generator: torch.Generator) -> Value:
        if argument.kind == "position":
            return max(0, min(self.prefill, self.capacity - 1))
        if argument.kind == "state":
            return to_numpy(torch.zeros(argument.shape, dtype=argument.dtype))
        if argument.dtype.is_floating_point:
            drawn = torch.randn(argument.shape, generator=generator)
            return to_numpy(drawn.to(argument.dtype))
        limit = argument.limit or 2
        drawn = torch.randint(0, limit, argument.shape, generator=generator)
        return to_numpy(drawn.to(argument.dtype))


def is_abstract(model: nn.Module) -> bool:
    """Whether a model's weights have shapes but no data."""
    tensors: list[Tensor] = [*model.parameters(), *model.buffers()]
    return any(isinstance(t, FakeTensor) or t.is_meta for t in tensors)


def weight_values(
    model: nn.Module, functions: Sequence[Function], strip: str = ""
) -> dict[str, np.ndarray] | None:
    """The weight arguments of the public functions by name; None when abstract."""
    if is_abstract(model):
        return None
    tensors: dict[str, Any] = dict(model.named_parameters(remove_duplicate=False))
    tensors |= dict(model.named_buffers(remove_duplicate=False))
    values: dict[str, np.ndarray] = {}
    for function in functions:
        if function.private:
            continue
        for node, argument in zip(function.inputs(), function.arguments, strict=True):
            if argument.kind != "weight" or argument.name in values:
                continue
            source = node.meta.get("constant")
            if source is None:
                source = tensors[strip + argument.name]
            values[argument.name] = to_numpy(source)
    return values


def check_inputs(
    inputs: Sequence[Value], arguments: Sequence[Argument], function: str
) -> None:
    """Raise `ModelError` for inputs of a wrong number, shape or dtype."""
    if len(inputs) != len(arguments):
        raise ModelError(
            f"expected {len(arguments)} inputs for `{function}`, got {len(inputs)}"
        )
    for value, argument in zip(inputs, arguments, strict=True):
        want = to_numpy(torch.empty((), dtype=argument.dtype)).dtype
        if isinstance(value, int):
            good = argument.kind == "position" or not argument.shape
            got = "an integer"
        else:
            good = value.shape == argument.shape and value.dtype == want
            got = f"{value.dtype} of shape {value.shape}"
        if not good:
            raise ModelError(
                f"expected {want} of shape {argument.shape} for input"
                f" `{argument.name}` of `{function}`, got {got}"
            )


def by_name(functions: Sequence[Function]) -> dict[str, Function]:
    """Functions by name."""
    return {f.name: f for f in functions}


def public(functions: Sequence[Function]) -> tuple[str, ...]:
    """The names of the functions that a user calls."""
    return tuple(f.name for f in functions if not f.private)


Weights = Mapping[str, np.ndarray]
