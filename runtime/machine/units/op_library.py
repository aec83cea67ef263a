"""A library whose ops are called one by one: PyTorch on a processor."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, Field
from xdsl.ir import Operation

from dfc.dialects.attention import SdpaOp
from dfc.runtime.machine.access import Access
from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.names import DtypeName
from dfc.runtime.machine.number import NONE, Amount, Anything, Number, Rate
from dfc.runtime.machine.structure import contraction_of
from dfc.runtime.machine.units.base import Effort, Unit, work_energy
from dfc.runtime.machine.work import Controls, Work, is_free, span_of, work_of


class LibraryDtype(BaseModel):
    """What the library does of one dtype in a second; left out, the unit's rates."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: str = ""
    gmac_per_s: Rate | None = None
    one_row_gmac_per_s: Rate | None = None
    gelement_per_s: Rate | None = None


class OpLibrary(Unit):
    """
    Ops of PyTorch's kind, each a call of `overhead_ns`; none of dfc's `ternary`.

    Multiply-accumulates and elementwise functions at the rates of their dtype or the unit's, in
    10^9 a second, one op after the other and behind the calls. A product with one row on a side, which reads its matrix for
    that row alone, has a rate of its own, `one_row_gmac_per_s`. The operands' bytes go through the
    channels of `data_tier` beside the compute; the longer of the two sets the time.

    Attention takes `attention_ns` for its call and the writes of its cache, and multiplies all rows by
    all keys that are filled: a mask hides what it takes no less time to compute.
    """

    gmac_per_s: Rate
    one_row_gmac_per_s: Rate
    gelement_per_s: Rate
    dtype: dict[DtypeName, LibraryDtype] = Field(
        default_factory=dict[str, LibraryDtype]
    )
    overhead_ns: Amount = NONE
    attention_ns: Amount = NONE
    pj_per_mac: Amount | None = None
    pj_per_element: Amount | None = None

    @property
    def pays_for_data(self) -> bool:
        return True

    def runs(self, op: Operation) -> bool:
        return not op.name.startswith("ternary.")

    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        work = [op for op in ops if not is_free(op)]
        second = access.cycles_per_second
        before = tuple(self._calls(work, second))
        parts: list[Part] = []
        energy = 0.0
        given = (self.pj_per_mac, self.pj_per_element)
        for op in work:
            found = _library_work(op, controls)
            for kind, count in found.macs.items():
                rate = self._product_rate(op, kind)
                parts.append(_part(count, rate, "matmul", second))
            for (_, kind), count in found.elements.items():
                rate = self._rate("gelement_per_s", kind)
                parts.append(_part(count, rate, "elementwise", second))
            energy += work_energy(found, *given, access.target.energies)
        return Effort(tuple(parts), energy, before=before)

    def _calls(
        self, work: Sequence[Operation], cycles_per_second: Fraction
    ) -> Iterable[Part]:
        """What the calls take."""
        attention = sum(isinstance(op, SdpaOp) for op in work)
        others = len(work) - attention
        for count, each in ((attention, self.attention_ns), (others, self.overhead_ns)):
            ticks = count * each.exact * cycles_per_second / 10**9
            if ticks:
                yield Part(ticks, "overhead", (each,))

    def _product_rate(self, op: Operation, kind: str) -> Rate:
        """The rate of a product: its own where a side has one row."""
        product = contraction_of(op)
        one_row = product is not None and 1 in (product.m, product.n)
        return self._rate("one_row_gmac_per_s" if one_row else "gmac_per_s", kind)

    def _rate(self, key: str, kind: str) -> Rate:
        """The rate of a dtype, or the unit's where the dtype has none."""
        own: Rate | None = getattr(self.dtype.get(kind), key, None)
        return getattr(self, key) if own is None else own

    def peak_operations_per_cycle(self, cycles_per_second: Fraction) -> Fraction | None:
        rates = [self._rate("gmac_per_s", name).exact for name in ("", *self.dtype)]
        return 2 * max(rates) * 10**9 / cycles_per_second

    def energy_numbers(
        self, energies: Energies
    ) -> Iterable[tuple[str, Anything | None, Number[float]]]:
        for name in self.dtype or ("f32",):
            yield f"pj_per_mac ({name})", self.pj_per_mac, energies.mac(name)
            key = f"pj_per_element ({name} add)"
            yield key, self.pj_per_element, energies.element("add", name)


def _library_work(op: Operation, controls: Controls) -> Work:
    """What the library computes of an op: of attention every filled key for every row."""
    work = work_of(op, controls)
    if not isinstance(op, SdpaOp):
        return work
    span = span_of(op, controls)
    share = Fraction(span.rows * span.length, span.pairs)
    macs = {kind: int(count * share) for kind, count in work.macs.items()}
    elements = {
        key: count if key[0] == "divide" else int(count * share)
        for key, count in work.elements.items()
    }
    return Work(macs, elements)


def _part(count: int, rate: Rate, what: str, cycles_per_second: Fraction) -> Part:
    """Work at a rate, in cycles."""
    return Part(count * cycles_per_second / (rate.exact * 10**9), what, (rate,))
