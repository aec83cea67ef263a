"""Collectives on values as collectives on buffers."""

from xdsl.dialects.shard import AllReduceOp, ReductionKind
from xdsl.ir import Operation, SSAValue

from dfc.dialects import socket
from dfc.passes.analysis.graph_places import fail


def exchange(op: Operation, source: SSAValue, target: SSAValue) -> socket.ExchangeOp:
    """What a collective is once its operand and its result are buffers."""
    match op:
        case socket.AllGatherOp():
            return socket.ExchangeOp("all-gather", source, target, dim=op.dim)
        case socket.ReduceScatterOp():
            return socket.ExchangeOp("reduce-scatter", source, target, dim=op.dim)
        case socket.SendOp():
            sender, receiver = op.source, op.goal
            return socket.ExchangeOp(
                "send", source, target, sender=sender, receiver=receiver
            )
        case AllReduceOp():
            if op.reduction.data is not ReductionKind.SUM or op.grid_axes.get_values():
                fail(op, "expected an all-reduce to be the sum over all sockets")
            return socket.ExchangeOp("all-reduce", source, target)
        case _:
            raise TypeError(op.name)
