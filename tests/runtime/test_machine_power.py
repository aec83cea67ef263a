"""Tests of energy and power: default energies, clock and voltage, board power, and power caps."""

from fractions import Fraction
from importlib import resources

import pytest
from machine_testing import body_of, cost, parse

from dfc.runtime.errors import TargetError
from dfc.runtime.machine import (
    Energies,
    Power,
    Target,
    capped_scale,
    load_target,
    parse_target,
)
from dfc.runtime.machine.energies import Process
from dfc.runtime.simulator import Simulator
from dfc.runtime.simulator.summary import Energy

TEXT = (resources.files("dfc.runtime.targets") / "tiny-npu.toml").read_text()


def without_energies(**changes: object) -> Target:
    """The small machine with no energy in its file."""
    lines = [line for line in TEXT.splitlines() if not line.startswith("pj_per")]
    return parse_target("\n".join(lines), "tiny-npu.toml", changes)


MATMUL = """
%y = ternary.matmul %q, %w : (tensor<64x128xi8>, tensor<96x128x!ternary.trit>) -> tensor<64x96xi32>
"""
ARGS = "%q: tensor<64x128xi8>, %w: tensor<96x128x!ternary.trit>"
MACS = 64 * 96 * 128


@pytest.mark.parametrize(
    ("process", "dtype", "picojoules"),
    [
        # an 8 b product and a 32 b sum; FP products and sums of one width
        ("45nm", "i8", 0.2 + 0.1),
        ("45nm", "f16", 1.1 + 0.4),
        ("45nm", "bf16", 1.1 + 0.4),
        ("45nm", "f32", 3.7 + 0.9),
        # half the bits of a 32 b product, a quarter of its energy
        ("45nm", "i16", 3.1 / 4 + 0.1),
        ("7nm", "i8", 0.07 + 0.03),
        ("7nm", "bf16", 0.21 + 0.11),
        ("7nm", "f32", 1.31 + 0.38),
    ],
)
def test_a_product_and_a_sum(process: Process, dtype: str, picojoules: float):
    number = Energies(process).mac(dtype)
    assert number.value == pytest.approx(picojoules)
    assert number.kind == "assumed"
    assert number.note.startswith("default: ")


def test_functions_cost_a_sum_a_product_or_eight_of_these():
    found = Energies("45nm")
    assert found.element("maximum", "f32").value == 0.9
    assert found.element("multiply", "f32").value == 3.7
    assert found.element("exp", "f32").value == pytest.approx(8 * 3.7)
    assert found.element("move", "f32").value == 0


def test_logic_of_an_fpga_costs_a_factor_and_its_memories_do_not():
    target = without_energies(**{"power.logic_factor": 10})
    assert target.energies.mac("i8").value == pytest.approx(3.0)
    assert target.pj_per_byte("sram") == 12.5


def test_a_unit_without_energies_takes_the_defaults():
    found = cost(without_energies(), "array", body_of(ARGS, MATMUL))
    assert found.energy_pj == pytest.approx(MACS * 0.3)


def test_table_lookups_cost_a_read_and_a_sum_for_three_weights():
    board = load_target("tellme-kv260", {"power.logic_factor": 1})
    found = cost(board, "tlmm", body_of(ARGS, MATMUL))
    # 64 tokens of 43 groups: 96 lookups of 0.18 pJ and a table of 0.9 pJ
    assert found.energy_pj == pytest.approx(64 * 43 * (96 * 0.18 + 0.9))


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.2])
def test_operations_and_bytes_on_chip_follow_the_square_of_the_voltage(scale: float):
    target = without_energies(clock_scale=scale)
    volts = 1 + 0.5 * (scale - 1)
    found = cost(target, "array", body_of(ARGS, MATMUL))
    assert found.energy_pj == pytest.approx(MACS * 0.3 * volts**2)
    assert target.pj_per_byte("sram") == pytest.approx(12.5 * volts**2)
    assert target.pj_per_byte("ddr") == 163


def test_the_voltage_does_not_fall_below_its_floor():
    assert Power().voltage(1.0) == 1
    assert Power().voltage(0.5) == 0.75
    assert Power().voltage(0.01) == 0.6


COPY = 'memref<4096xi8, "{}">'
PROGRAM = (
    f"func.func @f(%a: {COPY.format('ddr')}, %b: {COPY.format('sram')}) {{\n"
    f"%e = tier.copy %a to %b : {COPY.format('ddr')} to {COPY.format('sram')}\n"
    "accel.wait %e\nfunc.return }"
)


def seconds(target: Target) -> float:
    """How long a copy of 4 KiB takes."""
    call = Simulator(parse(PROGRAM), target).call("f")
    return call.cycles / float(target.ticks_per_second)


def test_a_slower_clock_leaves_memories_in_real_time_as_they_are():
    def still(scale: float) -> Target:
        changes = {"control.copy_cycles": 0, "tier.ddr.gb_per_s": 4.096}
        return without_energies(clock_scale=scale, **changes)

    # 4,096 bytes at 80% of 4.096 GB/s are 1.25 us, and 100 ns of latency
    assert seconds(still(1)) == pytest.approx(1.35e-6)
    assert seconds(still(0.5)) == pytest.approx(1.35e-6, rel=2e-3)


def test_a_slower_clock_slows_what_is_stated_in_cycles():
    target = without_energies(clock_scale=0.5, **{"tier.ddr.latency_ns": 0})
    # 64 bytes a cycle of 4 ns would be 16 GB/s: the port is the limit, and 8 cycles to issue
    assert seconds(target) == pytest.approx((4096 / 64 + 8) * 4e-9)


def test_rates_of_a_fixed_rate_unit_follow_the_clock():
    fast, slow = (without_energies(clock_scale=scale) for scale in (1, 0.5))
    ops = body_of(ARGS, MATMUL)
    # the same ticks, of twice the length
    assert cost(fast, "host", ops).cycles == cost(slow, "host", ops).cycles


def joules(target: Target) -> float:
    """The energy of a copy of 4 KiB."""
    return Energy(target).joules(Simulator(parse(PROGRAM), target).call("f"))


def test_energy_is_bytes_and_static_power_over_the_time():
    target = without_energies()
    moved = 4096 * (163 + 12.5) * 1e-12
    assert joules(target) == pytest.approx(moved + 0.5 * seconds(target))


def test_static_power_follows_the_voltage():
    target = without_energies(clock_scale=0.5)
    moved = 4096 * (163 + 12.5 * 0.75**2) * 1e-12
    assert joules(target) == pytest.approx(moved + 0.5 * 0.75 * seconds(target))


def test_board_power_is_split_when_the_clock_changes():
    power = load_target("tellme-kv260").power
    assert power.board_watts(1) == pytest.approx(4.8)
    part = float(power.static_share)
    expected = 4.8 * (part * 0.75 + (1 - part) * 0.5 * 0.75**2)
    assert power.board_watts(0.5) == pytest.approx(expected)


def test_a_cap_takes_the_largest_scale_that_meets_it():
    def watts(scale: Fraction) -> float:
        return 2 + 6 * float(scale)

    assert capped_scale(watts, 8.0) == 1
    # 2 + 6 k <= 5: k is a half
    assert capped_scale(watts, 5.0) == Fraction(1, 2)
    assert capped_scale(watts, 5.05) == Fraction(32, 64)
    assert capped_scale(watts, 5.1) == Fraction(33, 64)


def test_a_cap_that_no_clock_meets():
    with pytest.raises(TargetError, match="to be met at 1/64 of the clock"):
        capped_scale(lambda scale: 2.0, 1.0, "small")


def test_a_cap_below_the_static_power_is_refused_when_the_file_is_read():
    text = (
        "`power`: expected `cap_w` above the static power at the lowest voltage, 0.3 W"
    )
    with pytest.raises(TargetError, match=text):
        without_energies(**{"power.cap_w": 0.2})


def test_a_board_says_what_its_parts_would_take_bottom_up():
    text = (resources.files("dfc.runtime.targets") / "tiny-npu.toml").read_text()
    board = "total_w = 2\nstatic_share = 0.25\n"
    target = parse_target(text.replace("static_w = 0.5\n", board), "tiny-npu.toml")
    energy, call = Energy(target), Simulator(parse(PROGRAM), target).call("f")
    moved = 4096 * (163 + 12.5) * 1e-12
    assert energy.joules(call) == pytest.approx(2 * seconds(target))
    assert energy.dynamic_joules(call) == pytest.approx(moved)
    # three quarters of 2 W over the copy's time
    ratio = 1.5 * seconds(target) / moved
    first, second = energy.notes(call)
    assert first.startswith("energy is the board's 2 W times the time")
    assert second.endswith(f"{ratio:.3g} times that")
