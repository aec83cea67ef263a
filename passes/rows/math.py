"""Functions of f32 lanes made of arithmetic, because code of the host may call no library."""

from collections.abc import Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import i32
from xdsl.ir import Attribute, Operation, SSAValue

from dfc.passes.native.code import Code
from dfc.passes.native.result import kind_like
from dfc.passes.rows.masks import PREDICATES, choose, compare

Operand = SSAValue | float

ROUNDING = 1.5 * 2**23
"""
What a float of at most 2^22 is added to so that the sum has its nearest integer in the low bits.

The sum has no bits below 1, so the addition itself rounds, half to even.
"""


class Floats:
    """Arithmetic on values of one type, scalar or lanes."""

    def __init__(self, code: Code, type_: Attribute) -> None:
        self.code, self.type = code, type_
        self.bits_type = kind_like(type_, i32)

    def value(self, a: Operand) -> SSAValue:
        """A number as a value."""
        return a if isinstance(a, SSAValue) else self.code.constant(a, self.type)

    def op(self, kind: type[Operation], *operands: Operand) -> SSAValue:
        """An op that has one result of the type."""
        values = [self.value(each) for each in operands]
        return self.code.make(kind, values, self.type)

    def plus(self, a: Operand, b: Operand) -> SSAValue:
        """`a + b`."""
        return self.op(arith.AddfOp, a, b)

    def minus(self, a: Operand, b: Operand) -> SSAValue:
        """`a - b`."""
        return self.op(arith.SubfOp, a, b)

    def times(self, a: Operand, b: Operand) -> SSAValue:
        """`a * b`."""
        return self.op(arith.MulfOp, a, b)

    def over(self, a: Operand, b: Operand) -> SSAValue:
        """`a / b`."""
        return self.op(arith.DivfOp, a, b)

    def test(self, a: Operand, how: str, b: Operand) -> SSAValue:
        """A comparison: `olt`, `uno`, …"""
        return compare(self.code, self.value(a), PREDICATES.index(how), self.value(b))

    def choose(self, test: SSAValue, yes: Operand, no: Operand) -> SSAValue:
        """`yes` where a test holds."""
        return choose(self.code, test, self.value(yes), self.value(no))

    def within(self, a: SSAValue, low: float, high: float) -> SSAValue:
        """`a` no smaller and no larger than two numbers; NaN stays."""
        a = self.choose(self.test(a, "olt", low), low, a)
        return self.choose(self.test(a, "ogt", high), high, a)

    def polynomial(self, x: SSAValue, factors: Sequence[float]) -> SSAValue:
        """A polynomial by its factors, that of the highest power first."""
        total = self.value(factors[0])
        for factor in factors[1:]:
            total = self.plus(self.times(total, x), factor)
        return total

    def bits(self, a: SSAValue) -> SSAValue:
        """The bits of a float."""
        return self.code.make(arith.BitcastOp, (a,), self.bits_type)

    def floats(self, a: SSAValue) -> SSAValue:
        """The float of some bits."""
        return self.code.make(arith.BitcastOp, (a,), self.type)

    def power_of_two(self, exponent: SSAValue) -> SSAValue:
        """`2 ** exponent` of an integer between -126 and 127."""
        shifted = self.code.plus(exponent, 127)
        return self.floats(self.code.two(arith.ShLIOp, shifted, 23))
