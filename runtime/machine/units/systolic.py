"""A systolic array: matrix products by the closed forms that SCALE-Sim's counts equal."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import Literal

from pydantic import BaseModel, ConfigDict
from xdsl.ir import Operation

from dfc.runtime.machine.access import Access
from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.names import DtypeName
from dfc.runtime.machine.number import Amount, Anything, Count, Number, Rate
from dfc.runtime.machine.structure import Contraction, contraction_of
from dfc.runtime.machine.units.base import Effort, Unit, picojoules
from dfc.runtime.machine.work import Controls


class ArrayDtype(BaseModel):
    """What the array does of one dtype: ticks between two of its steps, and energy per product."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    source: str = ""
    cycles_per_step: Rate
    pj_per_mac: Amount | None = None


class Systolic(Unit):
    """
    `rows` x `columns` multipliers that pass operands to their neighbours.

    A product of M x K by K x N takes, by `dataflow` (facts: SCALE-Sim 3.0.0, no stalls):
    output stationary ceil(M/R) ceil(N/C) (K+R+C-2) - 1 steps,
    weight stationary ceil(K/R) ceil(N/C) (M+2R+C-2) - 1,
    input stationary ceil(K/R) ceil(M/C) (N+2R+C-2) - 1;
    a batch repeats the folds. A step takes `cycles_per_step` of the left operand's dtype.
    """

    rows: Count
    columns: Count
    dataflow: Literal["output-stationary", "weight-stationary", "input-stationary"] = (
        "output-stationary"
    )
    dtype: dict[DtypeName, ArrayDtype]

    def runs(self, op: Operation) -> bool:
        product = contraction_of(op)
        return product is not None and product.dtype in self.dtype

    def steps(self, product: Contraction) -> int:
        """Steps of one product by the closed form of the dataflow."""
        r, c = self.rows.value, self.columns.value
        m, n, k = product.m, product.n, product.k
        folds, run = {
            "output-stationary": (ceil(m / r) * ceil(n / c), k + r + c - 2),
            "weight-stationary": (ceil(k / r) * ceil(n / c), m + 2 * r + c - 2),
            "input-stationary": (ceil(k / r) * ceil(m / c), n + 2 * r + c - 2),
        }[self.dataflow]
        return product.batch * folds * run - 1

    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        parts: list[Part] = []
        energy = 0.0
        for op in ops:
            product = contraction_of(op)
            if product is None:
                continue
            rates = self.dtype[product.dtype]
            step = rates.cycles_per_step
            numbers = (self.rows, self.columns, step)
            ticks = self.steps(product) * step.exact
            parts.append(Part(Fraction(ticks), "matmul", numbers))
            default = access.target.energies.mac(product.dtype)
            energy += product.macs * picojoules(rates.pj_per_mac, default)
        return Effort(tuple(parts), energy)

    def peak_operations_per_cycle(self, cycles_per_second: Fraction) -> Fraction | None:
        step = min(rates.cycles_per_step.exact for rates in self.dtype.values())
        return 2 * self.rows.value * self.columns.value / step

    def energy_numbers(
        self, energies: Energies
    ) -> Iterable[tuple[str, Anything | None, Number[float]]]:
        for name, rates in self.dtype.items():
            yield f"dtype.{name}.pj_per_mac", rates.pj_per_mac, energies.mac(name)

    def tile_multiples(self, op: Operation) -> Mapping[str, int]:
        r, c = self.rows.value, self.columns.value
        return {
            "output-stationary": {"m": r, "n": c, "k": 1},
            "weight-stationary": {"m": 1, "n": c, "k": r},
            "input-stationary": {"m": c, "n": 1, "k": r},
        }[self.dataflow]
