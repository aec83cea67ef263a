"""Writing scalar and vector code over flat memory: ops are added at the end of a block, constants at the entry."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from xdsl.dialects import arith, func, llvm, scf, vector
from xdsl.dialects.arith import CMPI_COMPARISON_OPERATIONS
from xdsl.dialects.builtin import AnyFloat, IntegerType, VectorType, i1, i64
from xdsl.dialects.vector import CombiningKindAttr, CombiningKindFlag
from xdsl.ir import Attribute, Block, Operation, SSAValue

from dfc.passes.native.attributes import (
    POINTER,
    UNALIGNED,
    Number,
    as_vector,
    called,
    filled,
    moved_by,
    number,
    predicate,
)

Body = Callable[["Code", SSAValue, Sequence[SSAValue]], Sequence[SSAValue]]
"""The inside of a loop: the code of its block, the counter, what is carried; gives what to carry on."""

NONE: Mapping[str, Attribute] = MappingProxyType({})
"""No properties."""


class Code:
    """The end of one block of a function."""

    def __init__(
        self,
        function: func.FuncOp,
        block: Block | None = None,
        constants: "dict[tuple[str, Attribute], SSAValue] | None" = None,
    ) -> None:
        self.function = function
        self.block = function.body.block if block is None else block
        self.constants = {} if constants is None else constants
        """The function's constants by their number as text (0 is not -0) and type."""

    def add(self, op: Operation) -> SSAValue:
        """Add an op with one result."""
        self.block.add_op(op)
        return op.results[0]

    def make(
        self,
        kind: type[Operation],
        operands: Sequence[SSAValue],
        type_: Attribute,
        properties: Mapping[str, Attribute] = NONE,
    ) -> SSAValue:
        """
        Add an op of a kind with one result, made of its parts as they are.

        A third of the time of calling the kind, which finds out what is an operand and what a list of them.
        """
        return self.add(
            kind.create(operands=operands, result_types=(type_,), properties=properties)
        )

    def constant(self, value: float, type_: Attribute) -> SSAValue:
        """A number, or a vector that holds it in every lane; one op of the function per value and type."""
        key = (repr(value), type_)
        found = self.constants.get(key)
        if found is None:
            op = constant_op(number(value, type_), type_)
            found = insert_constant(self.function.body.block, op)
            self.constants[key] = found
        return found

    def inside(self, block: Block) -> "Code":
        """The end of a block of the same function."""
        return Code(self.function, block, self.constants)

    def word(self, value: int) -> SSAValue:
        """A 64-bit integer."""
        return self.constant(value, i64)

    def lanes(self, count: int, type_: VectorType) -> SSAValue:
        """The vector 0, 1, 2, …"""
        return self.numbers(range(count), type_)

    def numbers(self, values: Sequence[int], type_: VectorType) -> SSAValue:
        """The vector of some numbers."""
        return self.add(constant_op(filled(type_, values), type_))

    def plus(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """`a + b` of integers."""
        return self.two(arith.AddiOp, a, b)

    def minus(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """`a - b` of integers."""
        return self.two(arith.SubiOp, a, b)

    def times(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """`a * b` of integers."""
        return self.two(arith.MuliOp, a, b)

    def bits(self, a: SSAValue, mask: int) -> SSAValue:
        """`a & mask`."""
        return self.two(arith.AndIOp, a, mask)

    def shifted(
        self, a: SSAValue, by: SSAValue | int, signed: bool = False
    ) -> SSAValue:
        """`a >> by`, logical or arithmetic."""
        if isinstance(by, int) and not by:
            return a
        return self.two(arith.ShRSIOp if signed else arith.ShRUIOp, a, by)

    def smaller(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """The smaller of two signed integers."""
        return self.two(arith.MinSIOp, a, b)

    def larger(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """The larger of two signed integers."""
        return self.two(arith.MaxSIOp, a, b)

    def two(self, kind: type[Operation], a: SSAValue, b: SSAValue | int) -> SSAValue:
        """An op on two integers, whose result has their type."""
        return self.make(kind, (a, self.number_like(b, a)), a.type)

    def number_like(self, value: SSAValue | int, like: SSAValue) -> SSAValue:
        """A number as a value of the type of another."""
        return self.constant(value, like.type) if isinstance(value, int) else value

    def splat(self, value: SSAValue, type_: VectorType) -> SSAValue:
        """A vector with a value in every lane."""
        return self.make(vector.BroadcastOp, (value,), type_)

    def recast(self, value: SSAValue, type_: VectorType) -> SSAValue:
        """The same bits as other lanes."""
        if value.type == type_:
            return value
        return self.make(vector.BitcastOp, (value,), type_)

    def flipped(self, a: SSAValue, mask: int) -> SSAValue:
        """`a ^ mask`."""
        return self.two(arith.XOrIOp, a, mask)

    def lane(self, value: SSAValue, lanes: SSAValue, at: int) -> SSAValue:
        """A vector with a value in one lane."""
        return self.add(vector.InsertOp(value, lanes, [at]))

    def at(self, pointer: SSAValue, offset: SSAValue | int) -> SSAValue:
        """A pointer moved by bytes."""
        fixed = isinstance(offset, int)
        values = (pointer,) if fixed else (pointer, offset)
        properties = moved_by(offset if fixed else llvm.GEP_USE_SSA_VAL)
        return self.make(llvm.GEPOp, values, POINTER, properties)

    def load(self, pointer: SSAValue, type_: Attribute) -> SSAValue:
        """What stands at a pointer, which need not be aligned."""
        return self.make(llvm.LoadOp, (pointer,), type_, UNALIGNED)

    def store(self, value: SSAValue, pointer: SSAValue) -> None:
        """Write a value to a pointer, which need not be aligned."""
        op = llvm.StoreOp.create(operands=(value, pointer), properties=UNALIGNED)
        self.block.add_op(op)

    def intrinsic(
        self, name: str, arguments: Sequence[SSAValue], type_: Attribute
    ) -> SSAValue:
        """Call an intrinsic of LLVM."""
        properties = called(name, len(arguments))
        return self.make(llvm.CallIntrinsicOp, arguments, type_, properties)

    def choose(self, test: SSAValue, yes: SSAValue, no: SSAValue) -> SSAValue:
        """`yes` where the test holds."""
        return self.make(arith.SelectOp, (test, yes, no), yes.type)

    def compare(self, a: SSAValue, how: str, b: SSAValue | int) -> SSAValue:
        """A comparison of integers: `eq`, `slt`, …"""
        pair = (a, self.number_like(b, a))
        number = CMPI_COMPARISON_OPERATIONS.index(how)
        return self.make(arith.CmpiOp, pair, i1, predicate(number))

    def loop(
        self,
        bounds: tuple[SSAValue, SSAValue],
        step: int,
        carried: Sequence[SSAValue],
        body: Body,
    ) -> list[SSAValue]:
        """`for i in range(*bounds, step)`; what its last round carried on."""
        block = Block(arg_types=[i64, *(value.type for value in carried)])
        inner = self.inside(block)
        kept = body(inner, block.args[0], block.args[1:])
        block.add_op(scf.YieldOp(*kept))
        made = scf.ForOp(*bounds, self.word(step), list(carried), block)
        self.block.add_op(made)
        return list(made.results)

    def when(self, test: SSAValue, body: Callable[["Code"], None]) -> None:
        """Run code if a test holds."""
        assert test.type == i1
        block = Block()
        body(self.inside(block))
        block.add_op(scf.YieldOp())
        self.block.add_op(scf.IfOp(test, [], [block], None))

    def changed(
        self,
        test: SSAValue,
        values: Sequence[SSAValue],
        body: Callable[["Code"], Sequence[SSAValue]],
    ) -> list[SSAValue]:
        """What code makes of some values if a test holds, else the values."""
        block, other = Block(), Block()
        block.add_op(scf.YieldOp(*body(self.inside(block))))
        other.add_op(scf.YieldOp(*values))
        types = [value.type for value in values]
        made = scf.IfOp(test, types, [block], [other])
        self.block.add_op(made)
        return list(made.results)


def constant_op(value: Number, type_: Attribute) -> Operation:
    """An op that has a number."""
    return arith.ConstantOp.create(result_types=(type_,), properties={"value": value})


def insert_constant(entry: Block, op: Operation) -> SSAValue:
    """Put a constant in front of all else in a function."""
    first = entry.first_op
    if first is None:
        entry.add_op(op)
    else:
        entry.insert_op_before(op, first)
    return op.results[0]


def size_bytes(type_: Attribute) -> int:
    """Bytes of a scalar in memory."""
    assert isinstance(type_, IntegerType | AnyFloat)
    return type_.size


def sum_of_lanes(code: Code, value: SSAValue) -> SSAValue:
    """The sum of a vector of 32-bit integers."""
    return reduced(code, value, CombiningKindFlag.ADD)


def reduced(code: Code, value: SSAValue, kind: CombiningKindFlag) -> SSAValue:
    """All lanes of a vector as one number."""
    lanes = as_vector(value.type)
    assert lanes is not None
    op = vector.ReductionOp.create(
        operands=[value],
        result_types=[lanes.element_type],
        properties={"kind": CombiningKindAttr(kind)},
    )
    return code.add(op)
