"""A unit known only by its rates: a host processor that runs whatever is left."""

from collections.abc import Sequence
from fractions import Fraction

from xdsl.ir import Operation

from dfc.runtime.machine.access import Access
from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.number import NONE, Amount, Anything, Rate
from dfc.runtime.machine.units.base import Effort, Unit
from dfc.runtime.machine.work import Controls, work_of


class FixedRate(Unit):
    """
    Multiply-accumulates and elementwise operations at fixed rates, whatever their dtype.

    The rates are in real time (10^9 per second), since such a unit has a clock of its own, and
    hold with the memory behind `data_tier`: its operands there cost nothing more.
    """

    gmac_per_s: Rate
    gelement_per_s: Rate
    overhead_ns: Amount = NONE
    pj_per_mac: Amount = NONE
    pj_per_element: Amount = NONE

    def runs(self, op: Operation) -> bool:
        return True

    def peak_operations_per_tick(self, ticks_per_second: Fraction) -> Fraction | None:
        per_second = max(2 * self.gmac_per_s.exact, self.gelement_per_s.exact) * 10**9
        return per_second / ticks_per_second

    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        works = [work_of(op, controls) for op in ops]
        macs = sum(sum(work.macs.values()) for work in works)
        elements = sum(sum(work.elements.values()) for work in works)
        per_second = access.target.ticks_per_second
        parts: list[Part] = []

        def add(what: str, seconds: Fraction, number: Anything) -> None:
            if seconds:
                parts.append(Part(seconds * per_second, what, (number,)))

        add("overhead", self.overhead_ns.exact / 10**9, self.overhead_ns)
        add("matmul", macs / (self.gmac_per_s.exact * 10**9), self.gmac_per_s)
        rate = self.gelement_per_s
        add("elementwise", elements / (rate.exact * 10**9), rate)
        energy = macs * float(self.pj_per_mac) + elements * float(self.pj_per_element)
        return Effort(tuple(parts), energy)
