"""Calls of a program with PyTorch values: tensors in, the model's own structure of results out."""
# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from dfc.frontends.traced import Traced, check_inputs
from dfc.tensors import to_numpy, to_tensor

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
    form = traced.form
    assert form is not None
    given = form.tensors(args, kwargs)
    arguments = traced.inputs("main")
    tensors = [
        traced.model.get_buffer(one.name) if one.number < 0 else given[one.number]
        for one in arguments
    ]
    inputs = [to_numpy(tensor) for tensor in tensors]
    check_inputs(inputs, arguments, "main")
    computed = program.run("main", inputs)
    with torch.no_grad():
        for one, tensor in zip(arguments, tensors, strict=True):
            if one.alias is not None:
                tensor.copy_(to_tensor(computed[one.alias], tensor.dtype))
    return form.result(
        lambda number, dtype: to_tensor(computed[number], dtype),
    )
