"""Tests of power caps: a run that would draw more is slowed, and by no more than it takes."""

import pytest
from machine_testing import parse

from dfc.runtime.errors import TargetError
from dfc.runtime.machine import Target, load_target
from dfc.runtime.report import Report
from dfc.runtime.simulator import below_cap, simulate_function
from dfc.runtime.simulator.capped import watts

ADD = """
func.func @main(%a: memref<64x256xf32, "sram">, %b: memref<64x256xf32, "sram">) {
  %e = accel.launch on "vector" ins(%a : memref<64x256xf32, "sram">) outs(%b : memref<64x256xf32, "sram">) {
  ^bb0(%x: tensor<64x256xf32>, %o: tensor<64x256xf32>):
    %y = arith.addf %x, %x : tensor<64x256xf32>
    accel.yield %y : tensor<64x256xf32>
  }
  accel.wait %e
  func.return
}
"""


def run(target: Target) -> Report:
    """One launch of 16,384 additions, from SRAM to SRAM."""
    return simulate_function(parse(ADD), target=target)


def capped(**changes: object) -> Report:
    """The run on a small machine whose compute takes power, and these changes."""
    return below_cap(run, load_target("tiny-npu", changes))


FREE = watts(capped())


def test_a_run_below_its_cap_is_as_it_was():
    found = capped(**{"power.cap_w": FREE * 1.01})
    assert found.cycles == capped().cycles
    assert found.energy_j == capped().energy_j
    assert not any("the clock is" in note for note in found.notes)


def test_a_run_above_its_cap_takes_the_largest_clock_that_meets_it():
    cap = FREE * 0.6
    found = capped(**{"power.cap_w": cap})
    assert watts(found) <= cap
    assert found.latency_s > capped().latency_s
    (note,) = [note for note in found.notes if note.startswith("the clock is ")]
    part = note.split()[3]
    above, below = (int(each) for each in part.split("/"))
    # a 64th faster is too much
    faster = run(load_target("tiny-npu", {"clock_scale": above / below + 1 / 64}))
    assert watts(faster) > cap


def test_the_clock_scale_of_the_user_is_where_a_cap_begins():
    found = capped(clock_scale=0.5, **{"power.cap_w": FREE * 1.01})
    assert found.latency_s == pytest.approx(2 * capped().latency_s)


def test_a_slower_clock_takes_longer_and_less_energy_per_operation():
    fast, slow = capped(), capped(clock_scale=0.5)
    assert slow.cycles == fast.cycles
    assert slow.latency_s == pytest.approx(2 * fast.latency_s)
    part = {
        key: slow.energy_parts_j[key] / fast.energy_parts_j[key]
        for key in ("unit.vector", "tier.sram")
    }
    assert part == pytest.approx({"unit.vector": 0.75**2, "tier.sram": 0.75**2})
    # twice the time at three quarters of the static power
    static = slow.energy_parts_j["static"] / fast.energy_parts_j["static"]
    assert static == pytest.approx(1.5)


def test_a_cap_that_no_clock_meets():
    with pytest.raises(
        TargetError, match=r"`power.cap_w` of `tiny-npu` to be met at 1/64"
    ):
        capped(
            **{
                "power.cap_w": 0.31,
                "power.static_w": 0.5,
                "unit.vector.dtype.f32.pj_per_element": 1e6,
            }
        )
