"""Power: of the whole board or bottom up, over time, with the voltage that a clock needs."""

from collections.abc import Callable
from fractions import Fraction

from pydantic import model_validator

from dfc.runtime.errors import TargetError
from dfc.runtime.machine.energies import Energies, Process
from dfc.runtime.machine.number import NONE, Amount, Anything, Number, Rate, Share
from dfc.runtime.machine.table import Table

NO_FACTOR = Number[float](value=1.0, kind="source", note="an ASIC's logic")
HALF = Number[float](
    value=0.5, kind="assumed", note="half of the power is static; not published"
)
SLOPE = Number[float](
    value=0.5,
    kind="assumed",
    note="half of a change of the clock is one of the voltage",
)
FLOOR = Number[float](
    value=0.6, kind="assumed", note="lower voltages are not stable; part of the nominal"
)
STEPS = 64
"""Clock scales that a power cap chooses from: 1/64, 2/64, ..., 1."""


class Power(Table):
    """
    Power: the whole board's when it is known, else what it draws besides its operations.

    At `clock_scale` k the voltage is max(`voltage_floor`, 1 + `voltage_slope` (k - 1)) times the
    nominal v: operations and on-chip bytes take v^2 times their energy, static power is v times
    itself. Board power P becomes P (s v + (1 - s) k v^2), s its `static_share`. Where energies
    are not given they are those of `process`, logic `logic_factor` times them. A run whose average
    power would be above `cap_w` takes the largest clock scale of n/64 that is not.
    """

    total_w: Rate | None = None
    static_share: Share = HALF
    static_w: Amount = NONE
    process: Process = "45nm"
    logic_factor: Rate = NO_FACTOR
    voltage_slope: Amount = SLOPE
    voltage_floor: Share = FLOOR
    cap_w: Rate | None = None

    @model_validator(mode="after")
    def _cap_can_be_met(self) -> "Power":
        least = float(self.voltage_floor) * float(self.static_w)
        if self.cap_w is not None and float(self.cap_w) <= least:
            raise ValueError(
                f"expected `cap_w` above the static power at the lowest voltage, {least:g} W,"
                f" got {float(self.cap_w):g}"
            )
        return self

    @property
    def numbers(self) -> tuple[Anything, ...]:
        """The numbers the energy rests on."""
        return (self.static_w,) if self.total_w is None else (self.total_w,)

    @property
    def energies(self) -> Energies:
        """Default energies of this process."""
        return Energies(self.process, float(self.logic_factor))

    def voltage(self, scale: float) -> float:
        """The voltage at a clock scale, as a part of the nominal one."""
        wanted = 1 + float(self.voltage_slope) * (scale - 1)
        return max(float(self.voltage_floor), wanted)

    def static_watts(self, scale: float) -> float:
        """Static power at a clock scale."""
        return float(self.static_w) * self.voltage(scale)

    def board_watts(self, scale: float) -> float | None:
        """The board's power at a clock scale; `None` where only its parts are known."""
        if self.total_w is None:
            return None
        part = float(self.static_share) * self.voltage(scale)
        return float(self.total_w) * part + self.board_dynamic_watts(scale)

    def board_dynamic_watts(self, scale: float) -> float:
        """The part of the board's power that is not static; none where only parts are known."""
        if self.total_w is None:
            return 0.0
        part = 1 - float(self.static_share)
        return float(self.total_w) * part * scale * self.voltage(scale) ** 2


def capped_scale(
    watts: Callable[[Fraction], float], cap_w: float, target: str = "target"
) -> Fraction:
    """
    The largest clock scale of n/64 at which a run's average power is at most the cap.

    `watts` gives the power at a scale and never falls with it; it is asked seven times at most.
    Raises `TargetError` when no scale meets the cap.
    """
    if watts(Fraction(1)) <= cap_w:
        return Fraction(1)
    fits, above = 0, STEPS
    while above - fits > 1:
        middle = (fits + above) // 2
        if watts(Fraction(middle, STEPS)) <= cap_w:
            fits = middle
        else:
            above = middle
    if not fits:
        least = watts(Fraction(1, STEPS))
        raise TargetError(
            f"expected `power.cap_w` of `{target}` to be met at 1/{STEPS} of the clock, which"
            f" takes {least:.3g} W, got {cap_w:g} W"
        )
    return Fraction(fits, STEPS)
