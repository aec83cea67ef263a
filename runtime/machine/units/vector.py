"""A vector unit: lanes that each take a function's ticks per element."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pydantic import BaseModel, ConfigDict
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.ops import ReduceOp
from xdsl.ir import Operation

from dfc.dialects import ternary
from dfc.runtime.machine.access import Access
from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.names import DEFAULT, DtypeName, FunctionName
from dfc.runtime.machine.number import (
    NO_CYCLES,
    Amount,
    Anything,
    Count,
    Number,
    Rate,
    Whole,
)
from dfc.runtime.machine.structure import is_reduction
from dfc.runtime.machine.units.base import Effort, Unit, picojoules
from dfc.runtime.machine.work import Controls, is_elementwise, unknown, work_of


class LaneDtype(BaseModel):
    """What a lane does of one dtype: ticks per element by function, and energy per element."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: str = ""
    cycles_per_element: dict[FunctionName, Rate]
    pj_per_element: Amount | None = None

    def ticks(self, function: str) -> Rate | None:
        """The function's own number, else the default's, else none: the lane does not have it."""
        return self.cycles_per_element.get(
            function, self.cycles_per_element.get(DEFAULT)
        )


@dataclass(frozen=True)
class Function:
    """One function on some elements: ticks on a single lane, the number behind them, energy."""

    name: str
    ticks: Fraction
    number: Rate
    energy_pj: float


class Vector(Unit):
    """
    `lanes` that work on elements side by side.

    A body takes the sum over its functions of elements x ticks per element / lanes. With
    `chained`, functions form a pipeline that elements stream through: the ops up to a reduction
    are one pass, which takes the ticks of its slowest function; what follows needs the reduced
    value and is the next pass. `overhead_cycles` are paid once per launch.
    """

    lanes: Count
    chained: bool = False
    overhead_cycles: Whole = NO_CYCLES
    dtype: dict[DtypeName, LaneDtype]

    def runs(self, op: Operation) -> bool:
        return is_elementwise(op) and all(
            kind in self.dtype and self.dtype[kind].ticks(function) is not None
            for function, kind in work_of(op, unknown).elements
        )

    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        energies = access.target.energies
        work = [(op, self._functions(op, controls, energies)) for op in ops]
        everything = [function for _, functions in work for function in functions]
        timed = _slowest_per_pass(work) if self.chained else everything
        parts: list[Part] = []
        if self.overhead_cycles.value:
            overhead = Fraction(self.overhead_cycles.value)
            parts.append(Part(overhead, "overhead", (self.overhead_cycles,)))
        for function in timed:
            numbers: tuple[Anything, ...] = (self.lanes, function.number)
            ticks = function.ticks / self.lanes.value
            parts.append(Part(ticks, function.name, numbers))
        return Effort(tuple(parts), sum(each.energy_pj for each in everything))

    def peak_operations_per_cycle(self, cycles_per_second: Fraction) -> Fraction | None:
        rates = [
            rate.exact
            for lane in self.dtype.values()
            for rate in lane.cycles_per_element.values()
        ]
        return None if self.chained or not rates else self.lanes.value / min(rates)

    def energy_numbers(
        self, energies: Energies
    ) -> Iterable[tuple[str, Anything | None, Number[float]]]:
        for name, rates in self.dtype.items():
            key, given = f"dtype.{name}.pj_per_element", rates.pj_per_element
            for function in ("add", "multiply", "exp"):
                yield f"{key} ({function})", given, energies.element(function, name)

    def _functions(
        self, op: Operation, controls: Controls, energies: Energies
    ) -> list[Function]:
        """The functions of an op at the rates of their dtypes."""
        found: list[Function] = []
        for (name, kind), size in work_of(op, controls).elements.items():
            rates = self.dtype[kind]
            number = rates.ticks(name)
            if number is not None:
                default = energies.element(name, kind)
                energy = size * picojoules(rates.pj_per_element, default)
                found.append(Function(name, size * number.exact, number, energy))
        return found


def _slowest_per_pass(
    work: Iterable[tuple[Operation, list[Function]]],
) -> list[Function]:
    """The slowest function of each pass; a reduction ends one, and quantising goes on in the next."""
    passes: list[list[Function]] = [[]]
    for op, functions in work:
        passes[-1] += functions
        if _reduces(op):
            again = functions if isinstance(op, ternary.QuantizeOp) else []
            passes.append(list(again))
    return [max(each, key=lambda one: one.ticks) for each in passes if each]


def _reduces(op: Operation) -> bool:
    """Whether a value over many elements comes out of an op."""
    if isinstance(op, LinalgStructuredOperation):
        return is_reduction(op)
    return isinstance(op, ReduceOp | ternary.QuantizeOp)
