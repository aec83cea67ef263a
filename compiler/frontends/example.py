# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""A module on example arguments: as a function of tensors, traced, and what it raises itself."""

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn
from torch._export.utils import (
    _compiling_state_context,  # pyright: ignore[reportPrivateUsage]
)
from torch._subclasses import fake_tensor

from dfc.frontends.call_form import marked
from dfc.frontends.functions import Function
from dfc.frontends.trace import trace
from dfc.runtime.errors import DfcError, ModelError


def input_names(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[str]:
    """Names for the tensor arguments: their paths in the call's arguments."""
    leaves, _ = pytree.tree_flatten_with_path((tuple(args), dict(kwargs)))
    names: list[str] = []
    for path, leaf in leaves:
        if isinstance(leaf, Tensor):
            words = [
                str(getattr(key, "idx", getattr(key, "key", key))) for key in path[1:]
            ]
            names.append(
                ".".join(words) if not words[0].isdigit() else f"arg{'.'.join(words)}"
            )
    return names


class Flat(nn.Module):
    """A module as a function from tensors to a tuple of tensors."""

    def __init__(
        self, model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.model = model
        self.leaves, self.spec = pytree.tree_flatten((tuple(args), dict(kwargs)))
        self.results: tuple[list[Any], Any] = ([], None)
        """What the module gave when it was last called, with a slot for each tensor."""

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors among the example arguments."""
        return [leaf for leaf in self.leaves if isinstance(leaf, Tensor)]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Call the module; its result's tensors in order."""
        rest = iter(tensors)
        leaves = [next(rest) if isinstance(x, Tensor) else x for x in self.leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        result = self.model(*args, **kwargs)
        self.results = marked(result)
        flat = pytree.tree_leaves(result)
        return tuple(leaf for leaf in flat if isinstance(leaf, Tensor))


def trace_example(wrapper: Flat, strip: str) -> list[Function]:
    """
    Trace a module as `@main`; it sees what it sees under `torch.export`.

    Raises `ModelError` for arguments that it does not run on in eager either.
    """
    try:
        with silent(fake_tensor.__name__), _compiling_state_context():
            return trace(wrapper, wrapper.tensors, "main", strip=strip)
    except DfcError:
        raise
    except Exception:
        reason = raised(wrapper)
        if reason is None:
            raise
        raise ModelError(
            f"expected arguments that `{type(wrapper.model).__name__}` runs on, it raised"
            f" {reason}"
        ) from None


def raised(wrapper: Flat) -> str | None:
    """What a module raises on its example arguments without dfc, in one line."""
    try:
        with torch.no_grad(), silent(fake_tensor.__name__):
            wrapper(*wrapper.tensors)
    except Exception as error:
        first = str(error).partition("\n")[0].rstrip(".")
        return f"{type(error).__name__}: {first}"
    return None


@contextmanager
def silent(name: str) -> Generator[None]:
    """Within, a log of PyTorch's stays quiet: it prints tracebacks of what is raised as well."""
    log = logging.getLogger(name)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
