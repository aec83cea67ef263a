# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""PyTorch tensors as the arrays that programs take and give."""

from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor

Value = np.ndarray | int


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A tensor's values in the dtype of its IR: bfloat16 by ml_dtypes, integers signed."""
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    array = tensor.numpy()
    return array.view(np.int8) if array.dtype == np.uint8 else array


def to_tensor(value: Value | np.generic, dtype: torch.dtype) -> Tensor:
    """An array or a number as a tensor of a dtype, bits kept for bfloat16 and uint8."""
    if isinstance(value, int):
        return torch.tensor(value, dtype=dtype)
    array = np.ascontiguousarray(value).reshape(np.shape(value))
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    if dtype == torch.uint8:
        return torch.from_numpy(array.view(np.uint8).copy())
    return torch.from_numpy(array.copy()).to(dtype)


def given(value: Any) -> Any:
    """An argument as a program takes it: of a tensor the array."""
    return to_numpy(value) if isinstance(value, Tensor) else value


def returned(value: Any) -> Any:
    """A result for a caller who gave tensors: of an array the tensor."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype == ml_dtypes.bfloat16:
        return to_tensor(value, torch.bfloat16)
    return torch.from_numpy(value.copy())
