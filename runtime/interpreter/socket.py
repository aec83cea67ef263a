"""`socket`, and what `shard` has: collectives on values and on modelled memories."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects import shard
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.ir import Operation

from dfc.dialects import socket
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import NARROW_FLOATS, Array, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.memory import View
from dfc.runtime.interpreter.naming import describe

REDUCTIONS: dict[shard.ReductionKind, Callable[[Array, Array], Array]] = {
    shard.ReductionKind.SUM: np.add,
    shard.ReductionKind.MAX: np.maximum,
    shard.ReductionKind.MIN: np.minimum,
    shard.ReductionKind.PRODUCT: np.multiply,
}


def reduced(values: Sequence[Array], by: Callable[[Array, Array], Array]) -> Array:
    """All values as one, in the order of the sockets; narrow floats in f32, rounded once."""
    dtype = values[0].dtype
    wide = np.dtype(np.float32) if dtype in NARROW_FLOATS else dtype
    result = values[0].astype(wide)
    for value in values[1:]:
        result = by(result, value.astype(wide))
    return result.astype(dtype)


def part_of(whole: Array, dim: int, index: int, count: int, what: str) -> Array:
    """One of equal parts along a dimension."""
    if whole.shape[dim] % count:
        raise ExecutionError(
            f"expected dimension {dim} of {what} to be cut into {count} equal parts,"
            f" got {whole.shape[dim]}"
        )
    size = whole.shape[dim] // count
    return whole.take(range(index * size, (index + 1) * size), axis=dim)


def check_count(op: Operation, whole: int, part: int, count: int) -> None:
    """Check that a type was made for as many sockets as there are."""
    if whole != part * count:
        raise ExecutionError(
            f"{describe(op)} expects {whole // part} sockets, got {count}"
        )


def check_route(op: Operation, count: int, *ends: int) -> None:
    """Check that there are such sockets."""
    if max(ends) >= count:
        raise ExecutionError(
            f"{describe(op)} expects more than {max(ends)} sockets, got {count}"
        )


def number(attribute: IntegerAttr | None) -> int:
    """An attribute's number."""
    assert attribute is not None
    return attribute.value.data


def whole_grid(op: shard.AllReduceOp) -> None:
    """Check that a collective is over all sockets."""
    axes = cast("DenseArrayBase[Any]", op.grid_axes).get_values()
    if axes:
        raise ExecutionError(
            f"{describe(op)} expects all axes of its grid, got {list(axes)}"
        )


@register_impls
class SocketFunctions(InterpreterFunctions):
    """One method per op."""

    @impl(shard.AllReduceOp)
    def all_reduce(
        self, interpreter: Interpreter, op: shard.AllReduceOp, args: PythonValues
    ) -> PythonValues:
        """All sockets' values as one."""
        assert isinstance(interpreter, Evaluator)
        whole_grid(op)
        kind = op.reduction.data
        if kind not in REDUCTIONS:
            known = ", ".join(REDUCTIONS)
            raise ExecutionError(
                f"{describe(op)} expects a reduction of {known}, got {kind}"
            )
        return (reduced(interpreter.meet(op, args[0]), REDUCTIONS[kind]),)

    @impl(socket.AllGatherOp)
    def all_gather(
        self, interpreter: Interpreter, op: socket.AllGatherOp, args: PythonValues
    ) -> PythonValues:
        """All parts, joined."""
        assert isinstance(interpreter, Evaluator)
        dim, size = number(op.dim), shape_of(op.y.type)
        return (gathered(interpreter, op, args[0], dim, size),)

    @impl(socket.ReduceScatterOp)
    def reduce_scatter(
        self, interpreter: Interpreter, op: socket.ReduceScatterOp, args: PythonValues
    ) -> PythonValues:
        """This socket's part of the sum."""
        assert isinstance(interpreter, Evaluator)
        dim, size = number(op.dim), shape_of(op.y.type)
        return (scattered(interpreter, op, args[0], dim, size),)

    @impl(socket.SendOp)
    def send(
        self, interpreter: Interpreter, op: socket.SendOp, args: PythonValues
    ) -> PythonValues:
        """Another socket's value, or the own."""
        assert isinstance(interpreter, Evaluator)
        ends = number(op.source), number(op.goal)
        return (sent(interpreter, op, args[0], *ends),)

    @impl(socket.ExchangeOp)
    def exchange(
        self, interpreter: Interpreter, op: socket.ExchangeOp, args: PythonValues
    ) -> PythonValues:
        """Bytes out of one memory and into those of others, through the network."""
        assert isinstance(interpreter, Evaluator)
        source, target = cast("View", args[0]), cast("View", args[1])
        ports = interpreter.ports(source.buffer.tier, target.buffer.tier)
        step = interpreter.step(op, ("network", *ports), args[2:])
        own = interpreter.machine.read(source, step)
        value = exchanged(interpreter, op, own, target.shape)
        interpreter.machine.write(target, value, step)
        return (step.clock,)


def gathered(
    evaluator: Evaluator, op: Operation, own: Array, dim: int, size: Sequence[int]
) -> Array:
    """All values, joined to one of a given shape."""
    check_count(op, size[dim], own.shape[dim], evaluator.meeting.sockets)
    return np.concatenate(evaluator.meet(op, own), dim)


def scattered(
    evaluator: Evaluator, op: Operation, own: Array, dim: int, size: Sequence[int]
) -> Array:
    """This socket's part, of a given shape, of the sum of all values."""
    count = evaluator.meeting.sockets
    check_count(op, own.shape[dim], size[dim], count)
    total = reduced(evaluator.meet(op, own), np.add)
    return part_of(total, dim, evaluator.socket, count, describe(op))


def sent(
    evaluator: Evaluator, op: Operation, own: Array, source: int, goal: int
) -> Array:
    """The sender's value on the receiver, elsewhere the own."""
    check_route(op, evaluator.meeting.sockets, source, goal)
    values = evaluator.meet(op, own)
    return values[source if evaluator.socket == goal else evaluator.socket]


def exchanged(
    evaluator: Evaluator, op: socket.ExchangeOp, own: Array, size: Sequence[int]
) -> Array:
    """What a collective leaves in a socket's target of a given shape."""
    match op.kind.data:
        case "all-gather":
            return gathered(evaluator, op, own, number(op.dim), size)
        case "reduce-scatter":
            return scattered(evaluator, op, own, number(op.dim), size)
        case "send":
            return sent(evaluator, op, own, number(op.sender), number(op.receiver))
        case _:
            return reduced(evaluator.meet(op, own), np.add)
