# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Repeated layers of a module tree: which ones are equal but for their weights."""

from collections import Counter
from functools import partial
from types import NoneType
from typing import Any

from torch import Tensor, nn

from dfc.frontends.preparation import TernaryLinear
from dfc.frontends.rewrite import is_three_valued, own_tensors

NUMBERS = ("layer_idx", "layer_index", "layer_id", "idx", "index")
"""Attributes that number a layer, which is no difference between layers."""


def signature(layer: nn.Module) -> tuple[Any, ...]:
    """What two layers must share to be one function: classes, settings, shapes, dtypes, what is ternary."""
    modules = tuple(
        (name, type(part), settings(part)) for name, part in layer.named_modules()
    )
    tensors = tuple((name, tuple(t.shape), t.dtype) for name, t in layer_tensors(layer))
    return modules, tensors, loose_ternary(layer)


def loose_ternary(layer: nn.Module) -> tuple[str, ...]:
    """The three-valued weights of a layer that no linear module owns: their use may be ternary."""
    return tuple(
        f"{path}.{name}"
        for path, module in layer.named_modules()
        if not isinstance(module, (nn.Linear, TernaryLinear))
        for name, tensor in own_tensors(module)
        if is_three_valued(tensor)
    )


def settings(module: nn.Module) -> tuple[tuple[str, str], ...]:
    """A module's own attributes as text; objects that have no value count by identity."""
    found: list[tuple[str, str]] = []
    for name, value in sorted(vars(module).items()):
        if name in NUMBERS or name == "training" or name.startswith("_"):
            continue
        found.append((name, text_of(value)))
    return tuple(found)


def text_of(value: Any) -> str:
    """A setting as text: equal for equal values."""
    if isinstance(value, partial):
        return f"{text_of(value.func)} {value.args} {sorted(value.keywords.items())}"
    if isinstance(value, (int, float, str, NoneType, list, tuple, dict)):
        return repr(value)
    name = getattr(value, "__qualname__", "<")
    unique = "<" in name or hasattr(value, "__self__")  # a lambda, a method, an object
    return f"{type(value)} {id(value)}" if unique else f"{value.__module__}.{name}"


def layer_tensors(layer: nn.Module) -> list[tuple[str, Tensor]]:
    """Parameters and buffers of a layer by name, in one fixed order."""
    return [*layer.named_parameters(), *layer.named_buffers()]


def repeated(model: nn.Module) -> dict[str, tuple[Any, ...]]:
    """Paths of the layers that stand more than once in a list, with their signatures."""
    found: dict[str, tuple[Any, ...]] = {}
    for path, parent in model.named_modules():
        if not isinstance(parent, (nn.ModuleList, nn.Sequential)):
            continue
        if any(path.startswith(f"{outer}.") for outer in found):
            continue
        signatures = {name: signature(child) for name, child in parent.named_children()}
        counts = Counter(signatures.values())
        for name, own in signatures.items():
            if has_weights(own) and counts[own] > 1:
                found[f"{path}.{name}" if path else name] = own
    return found


def has_weights(own: tuple[Any, ...]) -> bool:
    """Whether a layer with this signature is worth a function: it has tensors of its own."""
    return bool(own[1])


def layer_index(layer: nn.Module) -> int:
    """The number under which a layer finds its part of a cache."""
    for part in layer.modules():
        for name in NUMBERS[:3]:
            index = getattr(part, name, None)
            if isinstance(index, int):
                return index
    return 0


def starred(path: str) -> str:
    """`model.layers.0` as `model.layers.*`: the name of the layer that stands for all."""
    parent, _, last = path.rpartition(".")
    return f"{parent}.*" if last.isdigit() and parent else path
