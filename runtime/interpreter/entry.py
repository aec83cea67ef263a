"""Runs a function of a module at whatever level the module is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    IndexType,
    ModuleOp,
    ShapedType,
)
from xdsl.dialects.func import FuncOp
from xdsl.interpreter import InterpreterFunctions
from xdsl.ir import Attribute

from dfc.dialects.socket import sockets_of
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.accel import AccelFunctions
from dfc.runtime.interpreter.arith import ArithFunctions, ElementwiseFunctions
from dfc.runtime.interpreter.attention import AttentionFunctions
from dfc.runtime.interpreter.control import ControlFunctions
from dfc.runtime.interpreter.dtypes import Array, dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.hook import KernelHook, Value
from dfc.runtime.interpreter.linalg import LinalgFunctions, StructuredFunctions
from dfc.runtime.interpreter.loading import Loader, argument_attribute
from dfc.runtime.interpreter.meeting import Meeting
from dfc.runtime.interpreter.memref import MemrefFunctions
from dfc.runtime.interpreter.naming import strings
from dfc.runtime.interpreter.sharing import given_to, together
from dfc.runtime.interpreter.socket import SocketFunctions
from dfc.runtime.interpreter.stream import StreamFunctions
from dfc.runtime.interpreter.tensor import TensorFunctions
from dfc.runtime.interpreter.ternary import TernaryFunctions
from dfc.runtime.interpreter.tier import TierFunctions
from dfc.runtime.machine import target_of

Weights = Mapping[str, Array] | Sequence[Array]

FUNCTIONS: tuple[type[InterpreterFunctions], ...] = (
    ArithFunctions,
    ElementwiseFunctions,
    TensorFunctions,
    LinalgFunctions,
    StructuredFunctions,
    ControlFunctions,
    TernaryFunctions,
    AttentionFunctions,
    StreamFunctions,
    MemrefFunctions,
    TierFunctions,
    AccelFunctions,
    SocketFunctions,
)


def run(
    module: ModuleOp,
    function: str,
    inputs: Sequence[Value],
    *,
    weights: Weights | None = None,
    hook: KernelHook | None = None,
) -> tuple[Any, ...]:
    """
    The results of a function.

    `inputs` are its arguments in order; with `weights` given, those without `dfc.weight`.
    Weights come by name or as a sequence in argument order; those that `@weights` makes
    (`@weights:N`) are computed unless given under that name.

    A module with a `shard.grid` is run by all its sockets, each with memories of its own:
    arguments and results with `socket.dim` are given and returned whole.

    Raises `ExecutionError` for inputs that do not fit and for what the machine cannot do.
    """
    entry = find_function(module, function)
    target = target_of(module) if "accel.target" in module.attributes else None
    meeting = Meeting(sockets_of(module))
    if meeting.sockets > 1 and hook is not None:
        raise ExecutionError(
            f"expected a program of one socket where kernels are watched, got {meeting.sockets} sockets"
        )

    def one(socket: int) -> tuple[Any, ...]:
        """The results on a socket."""
        functions = [kind() for kind in FUNCTIONS]
        evaluator = Evaluator(module, functions, hook, target, meeting, socket)
        with np.errstate(all="ignore"):
            values = list(arguments(evaluator, entry, inputs, weights))
            loader = Loader(evaluator, entry)
            results = evaluator.run_block(entry.body.block, loader.load(values))
            return loader.read_back(results)

    return one(0) if meeting.sockets == 1 else together(entry, meeting.run(one))


def find_function(module: ModuleOp, name: str) -> FuncOp:
    """A function with a body, by name."""
    functions = {op.sym_name.data: op for op in module.ops if isinstance(op, FuncOp)}
    found = functions.get(name)
    if found is None or found.is_declaration:
        known = ", ".join(n for n, op in functions.items() if not op.is_declaration)
        raise ExecutionError(f"expected a function of {known or 'none'}, got `{name}`")
    return found


def weight_name(function: FuncOp, index: int) -> str | None:
    """The name of a weight argument."""
    found = argument_attribute(function, index, "dfc.weight")
    return next(iter(strings(found)), None)


def arguments(
    evaluator: Evaluator,
    function: FuncOp,
    inputs: Sequence[Value],
    weights: Weights | None,
) -> Iterator[Value]:
    """Every argument's value, checked: inputs and weights merged in order."""
    kinds = function.function_type.inputs.data
    names = [weight_name(function, i) for i in range(len(kinds))]
    if weights is None:
        names = [None] * len(kinds)
    given = iter(inputs)
    expected = names.count(None)
    if len(inputs) != expected:
        raise ExecutionError(
            f"`@{function.sym_name.data}` expects {expected} inputs, got {len(inputs)}"
        )
    found = weight_values(evaluator, names, weights)
    for index, (kind, name) in enumerate(zip(kinds, names, strict=True)):
        what = f"input {index}" if name is None else f"weight `{name}`"
        what = f"{what} of `@{function.sym_name.data}`"
        value = next(given) if name is None else next(found)
        count = evaluator.meeting.sockets
        value = given_to(function, index, value, evaluator.socket, count, what)
        yield checked(value, kind, what)


def weight_values(
    evaluator: Evaluator, names: Sequence[str | None], weights: Weights | None
) -> Iterator[Array]:
    """The value of every name that is one, in order."""
    wanted = [name for name in names if name is not None]
    if weights is None or not isinstance(weights, Mapping):
        values = () if weights is None else weights
        if len(values) != len(wanted):
            raise ExecutionError(f"expected {len(wanted)} weights, got {len(values)}")
        return iter(values)
    made: dict[str, Array] = {}
    if any(name.startswith("@weights:") and name not in weights for name in wanted):
        made = make_weights(evaluator, weights)
    known = {**made, **weights}
    missing = [name for name in wanted if name not in known]
    if missing:
        raise ExecutionError(
            f"expected a value for the weight `{missing[0]}`, got {', '.join(list(known)[:5]) or 'none'}"
        )
    return iter([known[name] for name in wanted])


def make_weights(
    evaluator: Evaluator, weights: Mapping[str, Array]
) -> dict[str, Array]:
    """What `@weights` computes, unseen by the hook, under the names `@weights:N`."""
    function = find_function(evaluator.module, "weights")
    values = list(arguments(evaluator, function, (), weights))
    # a hook knows the values of one entry function, and `@weights` serves all of them
    with evaluator.unwatched():
        made = evaluator.run_block(function.body.block, values)
    return {f"@weights:{n}": value for n, value in enumerate(made)}


def checked(value: Any, kind: Attribute, what: str) -> Value:
    """A value for an argument, or a sentence about why it does not fit."""
    if isinstance(kind, IndexType):
        if np.ndim(value) or not np.issubdtype(np.asarray(value).dtype, np.integer):
            raise ExecutionError(f"expected an integer for {what}, got {said(value)}")
        return int(value)
    if not isinstance(kind, ShapedType):
        return value
    array, shape = np.asarray(value), shape_of(kind)
    fits = len(shape) == array.ndim and all(
        n in (DYNAMIC_INDEX, m) for n, m in zip(shape, array.shape, strict=True)
    )
    if not fits:
        want = "x".join("?" if n == DYNAMIC_INDEX else str(n) for n in shape) or "()"
        raise ExecutionError(f"expected shape {want} for {what}, got {said(value)}")
    if array.dtype == np.bool_ and dtype_of(kind) == np.int8:
        return array.view(np.int8)  # buffers keep an i1 as i8
    if array.dtype != dtype_of(kind):
        raise ExecutionError(f"expected {dtype_of(kind)} for {what}, got {said(value)}")
    return array


def said(value: Any) -> str:
    """An array's shape and dtype as a sentence says them."""
    array = np.asarray(value)
    return f"{'x'.join(map(str, array.shape)) or '()'} of {array.dtype}"
