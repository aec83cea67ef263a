"""Runs below a target's power cap: at the largest clock scale at which the average power meets it."""

from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar

from dfc.runtime.machine import Number, Target, capped_scale
from dfc.runtime.report import Report
from dfc.runtime.simulator.estimate_report import Estimate

Run = TypeVar("Run", Report, Estimate)


def below_cap(run: Callable[[Target], Run], target: Target) -> Run:
    """
    A run's report or estimate, slowed by the clock where it would draw more than `power.cap_w` on average.

    The program is the same at every clock. Raises `TargetError` where no clock meets the cap.
    """
    report, cap = run(target), target.power.cap_w
    if cap is None or watts(report) <= float(cap):
        return report
    found = {Fraction(1): report}

    def power(scale: Fraction) -> float:
        if scale not in found:
            found[scale] = run(slowed(target, scale))
        return watts(found[scale])

    scale = capped_scale(power, float(cap), target.name)
    note = (
        f"the clock is {scale.numerator}/{scale.denominator} of what it would be, so that"
        f" the run draws at most {float(cap):g} W; it would draw {watts(report):.3g} W"
    )
    slow = found[scale]
    return slow.model_copy(update={"notes": (*slow.notes, note)})


def watts(report: Report | Estimate) -> float:
    """Average power of a run; none of one that takes no time."""
    return report.energy_j / report.latency_s if report.latency_s else 0.0


def slowed(target: Target, scale: Fraction) -> Target:
    """The target at a part of its clock; voltage follows."""
    value = float(target.clock_scale.exact * scale)
    number = Number[float](
        value=value, kind="assumed", note="what the power cap allows"
    )
    return target.model_copy(update={"clock_scale": number})
