"""The time of a collective: a copy whose bytes go over the network, behind its steps."""

from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.ir import Operation

from dfc.dialects import socket
from dfc.dialects.socket import sockets_of
from dfc.runtime.errors import ExecutionError
from dfc.runtime.machine import Exchange, Network, Target
from dfc.runtime.machine.structure import value_bytes
from dfc.runtime.simulator.timing import Counter, Timing, transfer_timing


def exchange_timing(target: Target, kernel: str, op: socket.ExchangeOp) -> Timing:
    """
    The time of a collective as one socket sees it; all sockets begin it together.

    Network, ports and channels are taken for the longest of their times, as by a copy; the
    latency of the steps and of the tiers comes behind. Energy is this socket's share of what
    all bytes on all links take.
    """
    network = network_of(target, op)
    asked = exchange_of(network, op)
    steps, transfer = network.parts(asked, target.ticks_per_second)
    share = network.picojoules(asked, target.energies) / network.sockets.value
    counters: dict[Counter, float] = {
        Counter("copies", kernel, op.kind.data): 1,
        Counter("calls", kernel, ""): 1,
        Counter("energy", kernel, "network"): share,
    }
    return transfer_timing(target, kernel, op, counters, transfer, (steps,))


def network_of(target: Target, op: Operation) -> Network:
    """The target's network, checked to be of as many sockets as the program."""
    sockets = sockets_of(_module(op))
    if target.network is None or target.network.sockets.value != sockets:
        got = 1 if target.network is None else target.network.sockets.value
        raise ExecutionError(
            f"`{op.name}`: expected a target of the program's {sockets} sockets,"
            f" got `{target.name}` of {got}"
        )
    return target.network


def exchange_of(network: Network, op: socket.ExchangeOp) -> Exchange:
    """What a collective asks of the network."""
    match op.kind.data:
        case "all-gather":
            return network.collective("all-gather", value_bytes(op.target))
        case "reduce-scatter":
            return network.collective("reduce-scatter", value_bytes(op.source))
        case "send":
            ends = _number(op.sender), _number(op.receiver)
            return network.point_to_point(value_bytes(op.source), *ends)
        case _:
            return network.collective("all-reduce", value_bytes(op.source))


def _number(attribute: IntegerAttr | None) -> int:
    assert attribute is not None
    return attribute.value.data


def _module(op: Operation) -> ModuleOp:
    while not isinstance(op, ModuleOp):
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op
