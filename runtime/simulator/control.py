"""Control values: the index and i1 arithmetic that trip counts and costs depend on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from xdsl.dialects import affine, arith
from xdsl.dialects.builtin import IndexType, IntegerAttr, IntegerType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.ir.affine import AffineMap

from dfc.runtime.errors import ExecutionError

Function = Callable[..., int]


def is_control(kind: Attribute) -> bool:
    """Whether values of a type are control values."""
    return isinstance(kind, IndexType | IntegerType)


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def _div(a: int, b: int) -> int:
    """Division that rounds toward zero, as `arith.divsi` does."""
    return a // b if (a < 0) == (b < 0) else -(-a // b)


def _rem(a: int, b: int) -> int:
    return a - b * _div(a, b)


def _same(a: int) -> int:
    return a


def _choose(condition: int, a: int, b: int) -> int:
    return a if condition else b


FUNCTIONS: Mapping[type[Operation], Function] = {
    arith.AddiOp: int.__add__,
    arith.SubiOp: int.__sub__,
    arith.MuliOp: int.__mul__,
    arith.DivSIOp: _div,
    arith.DivUIOp: int.__floordiv__,
    arith.RemSIOp: _rem,
    arith.RemUIOp: int.__mod__,
    arith.CeilDivSIOp: _ceil_div,
    arith.CeilDivUIOp: _ceil_div,
    arith.FloorDivSIOp: int.__floordiv__,
    arith.MinSIOp: min,
    arith.MinUIOp: min,
    arith.MaxSIOp: max,
    arith.MaxUIOp: max,
    arith.AndIOp: int.__and__,
    arith.OrIOp: int.__or__,
    arith.XOrIOp: int.__xor__,
    arith.SelectOp: _choose,
    arith.IndexCastOp: _same,
    arith.ExtSIOp: _same,
    arith.ExtUIOp: _same,
    arith.TruncIOp: _same,
}

ORDERS = (int.__lt__, int.__le__, int.__gt__, int.__ge__)
COMPARISONS: Sequence[Function] = (int.__eq__, int.__ne__, *ORDERS, *ORDERS)
"""By the predicate's number in `arith.cmpi`; signed and unsigned are one, control values being positive."""


def _mapped(map: AffineMap, choose: Function) -> Function:
    """The largest or the smallest result of an affine map."""

    def evaluate(*args: int) -> int:
        dims, symbols = list(args[: map.num_dims]), list(args[map.num_dims :])
        return choose(map.eval(dims, symbols))

    return evaluate


def _as_int(compare: Function) -> Function:
    """A comparison that gives 1 or 0."""

    def evaluate(a: int, b: int) -> int:
        return int(compare(a, b))

    return evaluate


def function_of(op: Operation) -> Function:
    """What a control op computes of its operands' values."""
    if isinstance(op, arith.ConstantOp) and isinstance(op.value, IntegerAttr):
        value = int(cast("IntegerAttr[Any]", op.value).value.data)
        return lambda: value
    if isinstance(op, arith.CmpiOp):
        compare = COMPARISONS[op.predicate.value.data]
        return _as_int(compare)
    if isinstance(op, affine.ApplyOp):
        return _mapped(op.map.data, max)
    if isinstance(op, affine.MinOp):
        return _mapped(op.map.data, min)
    found = FUNCTIONS.get(type(op))
    if found is None:
        raise ExecutionError(
            f"a trip count or a cost depends on `{op.name}`, whose value the simulator does not know"
        )
    return found


def evaluator(
    known: Callable[[SSAValue], int | None],
) -> Callable[[SSAValue], int | None]:
    """Control values inside a body, from those of its arguments; `None` for what is not known."""

    def value(ssa: SSAValue) -> int | None:
        if not isinstance(ssa.owner, Operation):
            return known(ssa)
        if not is_control(ssa.type):
            return None
        args = [value(operand) for operand in ssa.owner.operands]
        if any(arg is None for arg in args):
            return None
        return function_of(ssa.owner)(*args)

    return value
