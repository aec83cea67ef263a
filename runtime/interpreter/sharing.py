"""Arguments and results of an entry function on several sockets: each socket's part of them, or all of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerAttr
from xdsl.dialects.func import FuncOp

from dfc.dialects.socket import DIM
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.socket import part_of

Rows = ArrayAttr[DictionaryAttr] | None


def split_dim(rows: Rows, index: int) -> int | None:
    """The dimension along which an argument or result is split; `None` when it is whole."""
    found = None if rows is None else rows.data[index].data.get(DIM)
    return found.value.data if isinstance(found, IntegerAttr) else None


def given_to(
    function: FuncOp, index: int, value: Any, socket: int, count: int, what: str
) -> Any:
    """What a socket gets of an argument."""
    dim = split_dim(function.arg_attrs, index)
    if dim is None:
        return value
    array = np.asarray(value)
    if not 0 <= dim < array.ndim:
        raise ExecutionError(
            f"expected {what} to have a dimension {dim}, got {array.ndim} dimensions"
        )
    return part_of(array, dim, socket, count, what)


def together(function: FuncOp, results: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """The results of all sockets as one: parts joined, the others equal on all of them."""
    return tuple(
        _one(function, index, values)
        for index, values in enumerate(zip(*results, strict=True))
    )


def _one(function: FuncOp, index: int, values: Sequence[Any]) -> Any:
    dim = split_dim(function.res_attrs, index)
    if dim is not None:
        return np.concatenate(values, dim)
    first = np.asarray(values[0]).tobytes()
    for socket, value in enumerate(values):
        if np.asarray(value).tobytes() != first:
            raise ExecutionError(
                f"expected result {index} of `@{function.sym_name.data}` to be the same on"
                f" all sockets, got another on socket {socket} than on 0"
            )
    return values[0]
