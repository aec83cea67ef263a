"""What may look on while a program runs, and put reference values in its place."""

from collections.abc import Sequence
from dataclasses import dataclass

from dfc.runtime.interpreter.dtypes import Array

Value = Array | int
"""A tensor or an index."""


@dataclass(frozen=True)
class KernelCall:
    """One run of a kernel: which, called from where, and which tensor-level values it sees."""

    name: str
    path: tuple[str, ...]
    """The calls that led here, outermost first: their origin, or `@callee`."""
    operand_values: tuple[str, ...]
    result_values: tuple[str, ...]
    """Identities of the tensor-level values at the kernel's boundary, "" where there is none."""


class KernelHook:
    """
    Sees every kernel's operands and results and may replace them; this one does nothing.

    Values are arrays or ints at every level; from *placed* on they are read from and written to
    the modelled memories, and the results are what the kernel left there.
    """

    def operands(
        self, call: KernelCall, values: Sequence[Value]
    ) -> Sequence[Value | None] | None:
        """Called before a kernel; returns replacements (None keeps an operand)."""

    def results(
        self, call: KernelCall, values: Sequence[Value]
    ) -> Sequence[Value | None] | None:
        """Called after a kernel; returns replacements (None keeps a result)."""

    def value(self, name: str, path: tuple[str, ...], value: Value) -> Value:
        """Called for every result that has an identity outside kernels; returns it or another."""
        return value

    def quantized(
        self, name: str, path: tuple[str, ...], x: Array, q: Array, s: Array
    ) -> tuple[Array, Array]:
        """
        Called for all that is quantised, `name` being the layer; returns q and s to go on with.

        A tile of rows may stand over the tensor's edge; a hook that knows only the rows inside
        returns those, and the others stay.
        """
        return q, s
