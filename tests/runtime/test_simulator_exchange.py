"""The time, bytes and energy of collectives, by hand, and what they run beside."""

import pytest
from machine_testing import parse

from dfc.runtime.errors import ExecutionError
from dfc.runtime.machine import Target, load_target
from dfc.runtime.simulator import Simulator
from dfc.runtime.simulator.engine import CallTime

STILL = {"control.copy_cycles": 0, "control.launch_cycles": 0}
SIZE = 65_536
WHOLE, PART = 'memref<32768xbf16, "hbm">', 'memref<4096xbf16, "hbm">'


def node(**changes: object) -> Target:
    """Eight sockets in a ring of 50 GB/s and 2 us a step; ticks are 1 ns, issuing takes none."""
    named = {f"network.{key}": value for key, value in changes.items()}
    return load_target("sn40l-node", {**STILL, **named})


def simulated(*lines: str, target: Target | None = None) -> CallTime:
    """A function of these lines on buffers %x, %y and the eighth parts %a, %b."""
    body = "\n".join(lines)
    module = parse(f"""
shard.grid @sockets(shape = 8)
func.func @f(%x: {WHOLE}, %y: {WHOLE}, %a: {PART}, %b: {PART}) {{
{body}
func.return
}}""")
    return Simulator(module, target or node()).call("f")


def exchange(kind: str, given: str = "x", made: str = "y", rest: str = "") -> str:
    """A line of one collective."""
    types = {"x": WHOLE, "y": WHOLE, "a": PART, "b": PART}
    name = kind.replace("-", "_")
    head = f'%{name} = socket.exchange "{kind}" %{given} to %{made} {rest}'
    return f"{head} : {types[given]} to {types[made]}"


def test_a_gather_in_a_ring():
    # 7 steps of 2,000 ns; half of the 7/8 x 65,536 bytes that are not here come each way
    moving = 7 / 8 * SIZE / 2 / 50
    found = simulated(exchange("all-gather", "a", "y", "dim 0"))
    assert found.cycles == -int(-(moving + 14_000) // 1)


def test_a_scatter_is_a_gather_backwards():
    there = simulated(exchange("reduce-scatter", "x", "b", "dim 0"))
    assert there.cycles == simulated(exchange("all-gather", "a", "y", "dim 0")).cycles


def test_a_small_all_reduce_in_a_ring_goes_once_round_each_way():
    # each value to all: 4 steps, and 7 values over two links; cheaper here than 14 steps
    moving = 7 * SIZE / 2 / 50
    assert simulated(exchange("all-reduce")).cycles == -int(-(moving + 8_000) // 1)


def test_a_send_takes_a_step_per_hop():
    # 0 to 5 in a ring of 8 is 3 hops
    found = simulated(exchange("send", rest="sender 0 receiver 5"))
    assert found.cycles == -int(-(SIZE / 50 + 6_000) // 1)


def test_the_memory_sets_the_time_of_a_network_that_is_faster():
    # 1,530 GB/s, read and written
    target = node(gb_per_s=100_000, latency_ns=0)
    found = simulated(exchange("all-gather", "a", "y", "dim 0"), target=target)
    assert found.cycles == -int(-(SIZE * 9 / 8 / 1530) // 1)


def test_transfers_take_turns_and_latencies_overlap():
    one, two = exchange("all-gather", "a", "y", "dim 0"), exchange("all-reduce")
    moving = (7 / 8 + 7) * SIZE / 2 / 50
    # the first's 14,000 ns of steps pass while the second moves; they end together or later
    assert simulated(one, two).cycles == pytest.approx(
        max(7 / 8 * SIZE / 2 / 50 + 14_000, moving + 8_000), abs=2
    )


def test_a_collective_after_another_waits_for_all_of_it():
    one = exchange("all-gather", "a", "y", "dim 0")
    both = simulated(one, exchange("all-reduce", "y", "x", "after(%all_gather)"))
    alone = simulated(one).cycles + simulated(exchange("all-reduce")).cycles
    assert both.cycles == pytest.approx(alone, abs=1)


def test_bytes_and_energy_are_one_sockets():
    found = simulated(exchange("all-gather", "a", "y", "dim 0"))
    counts = {(key.quantity, key.where): n for key, n in found.counters.items()}
    assert counts["read", "hbm"] == SIZE / 8
    assert counts["written", "hbm"] == SIZE
    # every socket's part goes over 7 links; 10 pJ a bit
    assert counts["energy", "network"] == pytest.approx(7 * SIZE * 80 / 8)
    assert counts["busy", "network"] == -int(-(7 / 8 * SIZE / 2 / 50) // 1)


def test_a_program_for_other_sockets_is_refused():
    with pytest.raises(
        ExecutionError, match=r"target of the program's 8 sockets, got `h100` of 4"
    ):
        simulated(
            exchange("all-reduce"),
            target=load_target("h100", {"network.sockets": 4}),
        )
    with pytest.raises(ExecutionError, match=r"8 sockets, got `tiny-npu` of 1"):
        simulated(exchange("all-reduce"), target=load_target("tiny-npu"))
