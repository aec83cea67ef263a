"""A vector unit: lanes that each take a function's ticks per element."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from pydantic import BaseModel, ConfigDict
from xdsl.ir import Operation

from dfc.runtime.machine.access import Access
from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.number import Amount, Anything, Count, Number, Rate
from dfc.runtime.machine.units.base import NO_CYCLES, Controls, Effort, Unit, Whole
from dfc.runtime.machine.work import is_elementwise, work_of

NO_ENERGY = Number[float](value=0.0, kind="source", note="none unless the file says so")
DEFAULT = "default"


class LaneDtype(BaseModel):
    """What a lane does of one dtype: ticks per element by function, and energy per element."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: str = ""
    cycles_per_element: dict[str, Rate]
    pj_per_element: Amount = NO_ENERGY

    def ticks(self, function: str) -> Rate | None:
        """The function's own number, else the default's, else none: the lane does not have it."""
        return self.cycles_per_element.get(
            function, self.cycles_per_element.get(DEFAULT)
        )


class Vector(Unit):
    """
    `lanes` that work on elements side by side.

    A body takes the sum over its functions of elements x ticks per element / lanes. With
    `chained`, the functions of one op form a pipeline, and the op takes one pass at the ticks of
    its slowest function. `overhead_cycles` are paid once per launch.
    """

    lanes: Count
    chained: bool = False
    overhead_cycles: Whole = NO_CYCLES
    dtype: dict[str, LaneDtype]

    def runs(self, op: Operation) -> bool:
        return is_elementwise(op) and all(
            kind in self.dtype and self.dtype[kind].ticks(function) is not None
            for function, kind in work_of(op, _unknown).elements
        )

    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        parts: list[Part] = []
        energy = 0.0
        if self.overhead_cycles.value:
            overhead = Fraction(self.overhead_cycles.value)
            parts.append(Part(overhead, "overhead", (self.overhead_cycles,)))
        for op in ops:
            work = [
                (function, Fraction(size) * ticks.exact, ticks, size, kind)
                for (function, kind), size in work_of(op, controls).elements.items()
                if (ticks := self.dtype[kind].ticks(function)) is not None
            ]
            passes = [(name, ticks, number) for name, ticks, number, _, _ in work]
            parts += self._parts(passes)
            for _, _, _, size, kind in work:
                energy += size * float(self.dtype[kind].pj_per_element)
        return Effort(tuple(parts), energy)

    def _parts(self, passes: Iterable[tuple[str, Fraction, Rate]]) -> Iterable[Part]:
        """One op's functions as time on all lanes: their sum, or the slowest when chained."""
        if self.chained:
            passes = sorted(passes, key=lambda each: each[1], reverse=True)[:1]
        lanes = self.lanes.value
        for name, ticks, number in passes:
            numbers: tuple[Anything, ...] = (self.lanes, number)
            yield Part(ticks / lanes, name, numbers)


def _unknown(_: object) -> None:
    """No control value is known where only the kind of work matters."""
