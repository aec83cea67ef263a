"""Tests of copies: bursts, runs, latency, and which port and channel they take."""

from math import ceil

import pytest
from machine_testing import parse

from dfc.runtime.errors import ExecutionError
from dfc.runtime.machine import Target, load_target
from dfc.runtime.simulator import Simulator


def machine(**changes: object) -> Target:
    """The small machine without issue costs and latency, and these changes."""
    still = {
        "control.launch_cycles": 0,
        "control.copy_cycles": 0,
        "tier.ddr.latency_ns": 0,
        # 16 bytes a tick
        "tier.ddr.gb_per_s": 8,
        "tier.ddr.efficiency": 1,
    }
    return load_target("tiny-npu", {**still, **changes})


def copy(source: str, goal: str, target: Target, from_tier="ddr", to_tier="sram"):
    """One copy between buffers of these types."""
    a, b = f'memref<{source}, "{from_tier}">', f'memref<{goal}, "{to_tier}">'
    module = parse(
        f"func.func @f(%a: {a}, %b: {b}) {{ %e = tier.copy %a to %b : {a} to {b}\n"
        "accel.wait %e\nfunc.return }"
    )
    return Simulator(module, target).call("f")


def moved(call) -> dict[tuple[str, str], float]:
    """Bytes read and written by tier."""
    return {
        (key.quantity, key.where): amount
        for key, amount in call.counters.items()
        if key.quantity in ("read", "written")
    }


def test_bytes_are_rounded_up_to_bursts():
    found = copy("100xi8", "100xi8", machine())
    assert moved(found) == {("read", "ddr"): 128, ("written", "sram"): 100}
    assert found.cycles == 128 // 16


def test_each_run_is_rounded_up():
    tile = "8x40xi8, strided<[100, 1]>"
    found = copy(tile, "8x40xi8", machine())
    # eight rows of 40 bytes, each a burst of 64
    assert moved(found)["read", "ddr"] == 8 * 64
    assert found.cycles == 8 * 64 // 16


def test_whole_rows_are_one_run():
    found = copy("8x40xi8, strided<[40, 1], offset: 7>", "8x40xi8", machine())
    assert moved(found)["read", "ddr"] == 320


def test_a_transposed_view_is_read_element_by_element():
    found = copy("8x4xf32, strided<[1, 8]>", "8x4xf32", machine())
    assert moved(found)["read", "ddr"] == 32 * 64


def test_latency_comes_after_the_transfer():
    # 100 ns at 500 MHz are 50 ticks
    found = copy("64xi8", "64xi8", machine(**{"tier.ddr.latency_ns": 100}))
    assert found.cycles == 4 + 50


def test_a_time_is_rounded_up_once():
    # 64 bytes at 25 bytes a tick are 2.56, and 0.5 ns 0.25 ticks: 2.81, not 3 + 1
    numbers = {"tier.ddr.gb_per_s": 12.5, "tier.ddr.latency_ns": 0.5}
    assert copy("64xi8", "64xi8", machine(**numbers)).cycles == ceil(2.81)


def test_a_copy_within_a_tier_takes_both_ways():
    found = copy("64xi8", "64xi8", machine(), "ddr", "ddr")
    assert found.cycles == 2 * 4
    assert moved(found) == {("read", "ddr"): 64, ("written", "ddr"): 64}


def test_efficiency_is_the_controllers_or_the_ports():
    whole = machine(**{"tier.ddr.efficiency": 0.5})
    assert copy("1024xi8", "1024xi8", whole).cycles == 1024 // 8
    # each port at 64 x 0.125 = 8 bytes a tick, the channel at its 16
    each = {"tier.ddr.efficiency_applies": "port", "tier.ddr.port_efficiency": 0.125}
    assert copy("1024xi8", "1024xi8", machine(**each)).cycles == 1024 // 8


def test_the_board_loads_weights_through_its_own_port():
    target = load_target("tellme-kv260")
    found = copy("96xi8", "96xi8", target, "ddr", "uram")
    busy = {key.where for key in found.counters if key.quantity == "busy"}
    assert busy == {"port.weights", "tier.ddr"}
    found = copy("96xi8", "96xi8", target, "ddr", "bram")
    busy = {key.where for key in found.counters if key.quantity == "busy"}
    assert busy == {"port.data_in", "tier.ddr", "tier.bram"}


def test_a_path_without_a_port_is_an_error():
    target = load_target("tiny-npu", {"port.ddr_write.direction": "read"})
    # no port of ddr writes, so none limits: the channel alone sets the time
    assert copy("64xi8", "64xi8", target, "sram", "ddr").cycles > 0
    board = load_target("tellme-kv260", {"port.data_out.tier": "uram"})
    with pytest.raises(ExecutionError, match="no write port of tier `uram`"):
        copy("96xi8", "96xi8", _only_for_bram(board), "ddr", "uram")


def _only_for_bram(board: Target) -> Target:
    """The board with a write port of the weight memory that serves another memory."""
    port = board.port["data_out"].model_copy(update={"serves": ("bram",)})
    return board.model_copy(update={"port": {**board.port, "data_out": port}})


def test_energy_of_both_ends():
    found = copy("64xi8", "64xi8", machine())
    energy = sum(n for key, n in found.counters.items() if key.quantity == "energy")
    assert energy == pytest.approx(64 * 163 + 64 * 12.5)
