# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""How a module was called when it was traced, and the tensors of a call in the same form."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn

from dfc.runtime.errors import ModelError


@dataclass(frozen=True)
class Slot:
    """The place of the example's tensor of this number."""

    number: int
    dtype: torch.dtype


def marked(tree: Any) -> tuple[list[Any], Any]:
    """The leaves of arguments or results, each tensor as its slot, and their tree."""
    leaves, spec = pytree.tree_flatten(tree)
    tensors = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
    for number, index in enumerate(tensors):
        leaves[index] = Slot(number, leaves[index].dtype)
    return leaves, spec


@dataclass(frozen=True)
class CallForm:
    """
    The arguments of the example call, defaults filled in, with a slot for each tensor.

    Everything else (numbers, flags, None) went into the trace and cannot change.
    """

    model: nn.Module
    leaves: tuple[Any, ...]
    spec: Any
    results: tuple[list[Any], Any] = ([], None)
    """The leaves and the tree of what the module gave."""

    @staticmethod
    def of(
        model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> "CallForm":
        """The form of an example call."""
        leaves, spec = marked((tuple(args), dict(kwargs)))
        own_args, own_kwargs = pytree.tree_unflatten(leaves, spec)
        return CallForm(model, *flatten(model, own_args, own_kwargs))

    def tensors(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
        """The tensors of a call in the order of the example's; `ModelError` if it has another form."""
        leaves, spec = flatten(self.model, args, kwargs)
        if spec != self.spec:
            raise ModelError(
                "expected arguments nested as in the example call, got others:"
                " compile again for these"
            )
        found: dict[int, Tensor] = {}
        for wanted, leaf in zip(self.leaves, leaves, strict=True):
            if isinstance(wanted, Slot):
                found[wanted.number] = checked_tensor(leaf)
            elif type(leaf) is not type(wanted) or leaf != wanted:
                got = "a tensor" if isinstance(leaf, Tensor) else f"`{leaf!r}`"
                raise ModelError(
                    f"expected `{wanted!r}` as in the example call, got {got}:"
                    " compile again for other values"
                )
        return [found[number] for number in range(len(found))]

    def result(self, tensor: Callable[[int, torch.dtype], Tensor]) -> Any:
        """What the module gives, with `tensor(number, dtype)` in each slot."""
        leaves, spec = self.results
        values = [
            tensor(leaf.number, leaf.dtype) if isinstance(leaf, Slot) else leaf
            for leaf in leaves
        ]
        return pytree.tree_unflatten(values, spec)


def checked_tensor(leaf: Any) -> Tensor:
    """A leaf that must be a tensor."""
    if not isinstance(leaf, Tensor):
        kind = type(leaf).__name__
        raise ModelError(
            f"expected a tensor as in the example call, got `{kind}`: make it one"
        )
    return leaf


def flatten(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], Any]:
    """The leaves and the tree of a call's arguments, by position, with defaults filled in."""
    try:
        bound = inspect.signature(model.forward).bind(*args, **kwargs)
    except TypeError as error:
        raise ModelError(
            f"expected arguments that `{type(model).__name__}` takes: {error}"
        ) from None
    bound.apply_defaults()
    leaves, spec = pytree.tree_flatten((bound.args, bound.kwargs))
    return tuple(leaves), spec
