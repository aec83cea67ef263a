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
    """
    The result of the traced module for these arguments, computed by the program.

    Arguments and buffers that the module updates in place are updated.
    """
    assert traced.model is not None
    assert traced.form is not None
    given = traced.form.tensors(args, kwargs)
    arguments = traced.inputs("main")
    tensors = [
        traced.model.get_buffer(one.name) if one.number < 0 else given[one.number]
        for one in arguments
    ]
    inputs = [to_numpy(tensor) for tensor in tensors]
    check_inputs(inputs, arguments, "main")
    like, spec = result_like(traced.model, args, kwargs)
    computed = program.run("main", inputs)
    with torch.no_grad():
        for one, tensor in zip(arguments, tensors, strict=True):
            if one.alias is not None:
                tensor.copy_(to_tensor(computed[one.alias], tensor.dtype))
    values = iter(computed)
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
