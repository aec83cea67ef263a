"""A processor's kernel for products with packed weights: blocks of them, read once in a call."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil

from xdsl.ir import Operation

from dfc.dialects import ternary
from dfc.runtime.machine.access import Access
from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.number import NONE, Amount, Anything, Count, Number, Rate
from dfc.runtime.machine.structure import Contraction, contraction_of
from dfc.runtime.machine.units.base import Effort, Unit, picojoules
from dfc.runtime.machine.work import Controls


class PackedProduct(Unit):
    """
    Products of int8 with ternary or int8 weights, and what makes floats of their sums.

    A call takes `overhead_ns` and the longer of two times: the multiply-accumulates of whole blocks
    of `block_outputs` x `block_inputs` weights at `gmac_per_s`, which many tokens are bound by, and
    the bytes of its operands through the channels of their tiers, which one token is bound by.
    Dequantising is part of the rate: it stands behind each block's sums, in registers.
    """

    gmac_per_s: Rate
    block_outputs: Count
    block_inputs: Count
    overhead_ns: Amount = NONE
    pj_per_mac: Amount | None = None

    @property
    def cuts_by_itself(self) -> bool:
        return True

    @property
    def pays_for_data(self) -> bool:
        return True

    def runs(self, op: Operation) -> bool:
        product = contraction_of(op)
        if product is None:
            return isinstance(op, ternary.DequantizeOp)
        return product.dtype == "i8"

    def padded_macs(self, product: Contraction) -> int:
        """Multiply-accumulates of a product whose weight is padded to whole blocks."""
        outputs, inputs = self.block_outputs.value, self.block_inputs.value
        n = ceil(product.n / outputs) * outputs
        k = ceil(product.k / inputs) * inputs
        return product.batch * product.m * n * k

    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        per_second = access.cycles_per_second
        call = self.overhead_ns.exact * per_second / 10**9
        before = (Part(call, "overhead", (self.overhead_ns,)),) if call else ()
        parts: list[Part] = []
        energy = 0.0
        for product in filter(None, map(contraction_of, ops)):
            macs = self.padded_macs(product)
            ticks = macs * per_second / (self.gmac_per_s.exact * 10**9)
            parts.append(Part(ticks, "matmul", (self.gmac_per_s,)))
            default = access.target.energies.mac(product.dtype)
            energy += macs * picojoules(self.pj_per_mac, default)
        return Effort(tuple(parts), energy, before=before)

    def peak_operations_per_cycle(self, cycles_per_second: Fraction) -> Fraction | None:
        return 2 * self.gmac_per_s.exact * 10**9 / cycles_per_second

    def energy_numbers(
        self, energies: Energies
    ) -> Iterable[tuple[str, Anything | None, Number[float]]]:
        yield "pj_per_mac", self.pj_per_mac, energies.mac("i8")

    def tile_multiples(self, op: Operation) -> Mapping[str, int]:
        return {"m": 1, "n": self.block_outputs.value, "k": self.block_inputs.value}
