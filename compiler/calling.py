"""Calls of a program with PyTorch values: tensors in, the model's own structure of results out."""
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from dfc.frontends.traced import Traced, check_inputs, to_numpy, to_tensor

if TYPE_CHECKING:
    from dfc.program import Program


def call(
    program: "Program", traced: Traced, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """The result of the traced module for these arguments, computed by the program."""
    leaves = pytree.tree_leaves((tuple(args), dict(kwargs)))
    inputs = [to_numpy(leaf) for leaf in leaves if isinstance(leaf, Tensor)]
    check_inputs(inputs, traced.inputs("main"), "main")
    values = iter(program.run("main", inputs))
    assert traced.model is not None
    like, spec = result_like(traced.model, args, kwargs)
    results = [
        to_tensor(next(values), leaf.dtype) if isinstance(leaf, Tensor) else leaf
        for leaf in like
    ]
    return pytree.tree_unflatten(results, spec)


def result_like(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], Any]:
    """The leaves of a module's result, tensors without data, and their tree."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def fake(leaf: Any) -> Any:
        return mode.from_tensor(leaf) if isinstance(leaf, Tensor) else leaf

    with torch.no_grad(), mode:
        fakes = pytree.tree_map(fake, (tuple(args), dict(kwargs)))
        return pytree.tree_flatten(model(*fakes[0], **fakes[1]))
