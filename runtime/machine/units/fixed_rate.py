"""A unit known only by its rates: a host processor, or a GPU by roofline."""

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, Field
from xdsl.ir import Operation

from dfc.runtime.machine.access import Access
from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.names import DtypeName
from dfc.runtime.machine.number import NONE, Amount, Anything, Number, Rate
from dfc.runtime.machine.units.base import Effort, Unit, work_energy
from dfc.runtime.machine.work import Controls, work_of


class RateDtype(BaseModel):
    """The rates of one dtype, where they are not the unit's."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: str = ""
    gmac_per_s: Rate | None = None
    gelement_per_s: Rate | None = None


class FixedRate(Unit):
    """
    Multiply-accumulates and elementwise functions at fixed rates, those of a `dtype` or the unit's.

    The rates are in real time (10^9 per second) at the stated clock. Products and elementwise
    functions follow each other; with `overlap` they run side by side and the longer one counts.
    Operands in `data_tier` cost nothing more; with `roofline` their bytes go through the tier's
    channels beside the compute, and the longer of the two sets the time.
    """

    gmac_per_s: Rate
    gelement_per_s: Rate
    dtype: dict[DtypeName, RateDtype] = Field(default_factory=dict[str, RateDtype])
    overhead_ns: Amount = NONE
    overlap: bool = False
    roofline: bool = False
    pj_per_mac: Amount | None = None
    pj_per_element: Amount | None = None

    @property
    def pays_for_data(self) -> bool:
        return self.roofline

    def runs(self, op: Operation) -> bool:
        return True

    def peak_operations_per_cycle(self, cycles_per_second: Fraction) -> Fraction | None:
        rates = [self.gelement_per_s.exact]
        for name in ("", *self.dtype):
            rates += [2 * self._mac_rate(name).exact, self._element_rate(name).exact]
        return max(rates) * 10**9 / cycles_per_second

    def _mac_rate(self, dtype: str) -> Rate:
        """10^9 multiply-accumulates per second of a dtype."""
        own = self.dtype.get(dtype)
        rate = None if own is None else own.gmac_per_s
        return self.gmac_per_s if rate is None else rate

    def _element_rate(self, dtype: str) -> Rate:
        """10^9 elementwise functions per second of a dtype."""
        own = self.dtype.get(dtype)
        rate = None if own is None else own.gelement_per_s
        return self.gelement_per_s if rate is None else rate

    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        works = [work_of(op, controls) for op in ops]
        macs, elements = Counter[str](), Counter[str]()
        for work in works:
            macs.update(work.macs)
            for (_, dtype), count in work.elements.items():
                elements[dtype] += count
        per_second = access.cycles_per_second
        products = [
            _part(count, self._mac_rate(dtype), "matmul", per_second)
            for dtype, count in macs.items()
        ]
        functions = [
            _part(count, self._element_rate(dtype), "elementwise", per_second)
            for dtype, count in elements.items()
        ]
        if self.overlap:
            products, functions = _beside(products, functions)
        overhead = self.overhead_ns.exact * per_second / 10**9
        first = [Part(overhead, "overhead", (self.overhead_ns,))] if overhead else []
        given = (self.pj_per_mac, self.pj_per_element)
        energies = access.target.energies
        energy = sum(work_energy(work, *given, energies) for work in works)
        return Effort((*first, *products, *functions), energy)

    def energy_numbers(
        self, energies: Energies
    ) -> Iterable[tuple[str, Anything | None, Number[float]]]:
        for name in self.dtype or ("f32",):
            yield f"pj_per_mac ({name})", self.pj_per_mac, energies.mac(name)
            for function in ("add", "exp"):
                default = energies.element(function, name)
                yield (
                    f"pj_per_element ({name} {function})",
                    self.pj_per_element,
                    default,
                )


def _part(count: int, rate: Rate, what: str, cycles_per_second: Fraction) -> Part:
    """Work at a rate, in cycles."""
    return Part(count * cycles_per_second / (rate.exact * 10**9), what, (rate,))


def _beside(one: list[Part], other: list[Part]) -> tuple[list[Part], list[Part]]:
    """Two kinds of work side by side: the longer one's time."""
    first, second = (
        sum((p.ticks for p in parts), Fraction()) for parts in (one, other)
    )
    return (one, []) if first >= second else ([], other)
