"""A table-lookup matrix unit for ternary weights: build tables of partial sums, then look results up."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil

from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.ir import Operation

from dfc.dialects import ternary
from dfc.dialects.utils import shape
from dfc.runtime.machine.access import Access
from dfc.runtime.machine.cost import Part
from dfc.runtime.machine.energies import Energies
from dfc.runtime.machine.names import DtypeName
from dfc.runtime.machine.number import Amount, Anything, Count, Number, Rate, Whole
from dfc.runtime.machine.structure import contraction_of, is_reduction
from dfc.runtime.machine.units.base import Effort, Unit, picojoules
from dfc.runtime.machine.work import Controls, is_elementwise, unknown, work_of

PRODUCTS = (ternary.MatmulOp, ternary.LinearOp)


class Tlmm(Unit):
    """
    `tables` tables of `group` inputs each, looked up for `outputs_per_step` outputs at once.

    Per token and block of `tables * group` inputs: the inputs are read one per tick, the tables
    are built in `build_cycles`, and ceil(N / outputs_per_step) lookups take `step_cycles` each.
    Elementwise work rides on the stream of results, one element per tick in each of its dtype's
    `epilogue_lanes`; the slower of the two sets the time.
    """

    group: Count
    tables: Count
    outputs_per_step: Count
    step_cycles: Count
    build_cycles: Whole
    epilogue_lanes: dict[DtypeName, Rate]
    pj_per_lookup: Amount | None = None
    pj_per_table: Amount | None = None
    pj_per_element: Amount | None = None

    def runs(self, op: Operation) -> bool:
        product = contraction_of(op)
        if product is not None or isinstance(op, ternary.BuildTablesOp):
            return op.name.startswith("ternary.")
        if not is_elementwise(op) or op.name == "linalg.reduce":
            return False
        if isinstance(op, LinalgStructuredOperation) and is_reduction(op):
            return False
        kinds = {kind for _, kind in work_of(op, unknown).elements}
        return bool(kinds) and kinds <= set(self.epilogue_lanes)

    @property
    def block(self) -> int:
        """Inputs whose tables stand at once."""
        return self.tables.value * self.group.value

    def effort(
        self, ops: Sequence[Operation], controls: Controls, access: Access
    ) -> Effort:
        parts = [part for op in ops for part in self._product(op)]
        busy = sum((part.ticks for part in parts), Fraction())
        rides = [part for op in ops for part in self._epilogue(op, controls)]
        slowest = max(rides, key=lambda part: part.ticks, default=None)
        if slowest is not None and slowest.ticks > busy:
            parts.append(Part(slowest.ticks - busy, slowest.what, slowest.numbers))
        energies = access.target.energies
        energy = sum(self._energy(op, controls, energies) for op in ops)
        return Effort(tuple(parts), energy)

    def _product(self, op: Operation) -> Sequence[Part]:
        """Reading, table building and lookups of a product; of their part where the op is one."""
        if isinstance(op, ternary.BuildTablesOp):
            return self._tables(*shape(op.q))
        product = contraction_of(op)
        if product is None:
            return ()
        blocks = product.m * ceil(product.k / self.block)
        steps = ceil(product.n / self.outputs_per_step.value) * self.step_cycles.value
        numbers = (self.outputs_per_step, self.step_cycles, self.tables)
        lookup = Part(Fraction(blocks * steps), "lookup", numbers)
        if isinstance(op, ternary.LookupMatmulOp):
            return (lookup,)
        return (*self._tables(product.m, product.k), lookup)

    def _tables(self, tokens: int, inputs: int) -> Sequence[Part]:
        """Reading the inputs of every block and building its tables."""
        blocks = tokens * ceil(inputs / self.block)
        build = Fraction(blocks * self.build_cycles.value)
        return (
            Part(
                Fraction(blocks * self.block), "read inputs", (self.tables, self.group)
            ),
            Part(build, "build tables", (self.build_cycles,)),
        )

    def _epilogue(self, op: Operation, controls: Controls) -> Sequence[Part]:
        """Elementwise work as time on its lanes; the functions of one op form a pipeline."""
        slowest: dict[str, int] = {}
        for (_, kind), size in work_of(op, controls).elements.items():
            slowest[kind] = max(slowest.get(kind, 0), size)
        return [
            Part(size / lanes.exact, "epilogue", (lanes,))
            for kind, size in slowest.items()
            if (lanes := self.epilogue_lanes.get(kind)) is not None
        ]

    def energy_numbers(
        self, energies: Energies
    ) -> Iterable[tuple[str, Anything | None, Number[float]]]:
        yield "pj_per_lookup", self.pj_per_lookup, energies.lookup
        yield "pj_per_table", self.pj_per_table, energies.lookup_table
        for name in self.epilogue_lanes:
            for function in ("add", "multiply", "exp"):
                key = f"pj_per_element ({name} {function})"
                yield key, self.pj_per_element, energies.element(function, name)

    def _energy(self, op: Operation, controls: Controls, energies: Energies) -> float:
        """Lookups, tables and elements at their energies."""
        product = contraction_of(op)
        if product is None:
            return sum(
                size * picojoules(self.pj_per_element, energies.element(*function))
                for function, size in work_of(op, controls).elements.items()
            )
        groups = product.m * ceil(product.k / self.group.value)
        lookup = picojoules(self.pj_per_lookup, energies.lookup)
        table = picojoules(self.pj_per_table, energies.lookup_table)
        return groups * (product.n * lookup + table)

    def peak_operations_per_cycle(self, cycles_per_second: Fraction) -> Fraction | None:
        products = self.block * self.outputs_per_step.value
        return Fraction(2 * products, self.step_cycles.value)

    def tile_multiples(self, op: Operation) -> Mapping[str, int]:
        return {"m": 1, "n": self.outputs_per_step.value, "k": self.block}
