"""Writing scalar and vector code over flat memory: ops are added at the end of a block, constants at the entry."""

from collections.abc import Callable, Sequence
from typing import cast

from xdsl.builder import Builder
from xdsl.dialects import arith, func, llvm, scf, vector
from xdsl.dialects.builtin import (
    AnyFloat,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    VectorType,
    i1,
    i8,
    i64,
)
from xdsl.dialects.vector import CombiningKindAttr, CombiningKindFlag
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint

Body = Callable[["Code", SSAValue, Sequence[SSAValue]], Sequence[SSAValue]]
"""The inside of a loop: the code of its block, the counter, what is carried; gives what to carry on."""

Dense = DenseIntOrFPElementsAttr[AnyFloat] | DenseIntOrFPElementsAttr[IntegerType]
"""Numbers in the lanes of a vector."""

Constant = Dense | IntegerAttr[IntegerType] | FloatAttr[AnyFloat]
"""What a constant op holds."""


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
        self.builder = Builder(InsertPoint.at_end(self.block))
        self.constants = {} if constants is None else constants
        """The function's constants by their number as text (0 is not -0) and type."""

    def add(self, op: Operation) -> SSAValue:
        """Add an op with one result."""
        return self.builder.insert(op).results[0]

    def constant(self, value: float, type_: Attribute) -> SSAValue:
        """A number, or a vector that holds it in every lane; one op of the function per value and type."""
        key = (repr(value), type_)
        found = self.constants.get(key)
        if found is None:
            op = arith.ConstantOp(number(value, type_))
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
        return self.add(arith.ConstantOp(filled(type_, range(count))))

    def plus(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """`a + b` of integers."""
        return self.add(arith.AddiOp(a, self.number_like(b, a)))

    def minus(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """`a - b` of integers."""
        return self.add(arith.SubiOp(a, b))

    def times(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """`a * b` of integers."""
        return self.add(arith.MuliOp(a, self.number_like(b, a)))

    def bits(self, a: SSAValue, mask: int) -> SSAValue:
        """`a & mask`."""
        return self.add(arith.AndIOp(a, self.number_like(mask, a)))

    def shifted(
        self, a: SSAValue, by: SSAValue | int, signed: bool = False
    ) -> SSAValue:
        """`a >> by`, logical or arithmetic."""
        if isinstance(by, int) and not by:
            return a
        op = arith.ShRSIOp if signed else arith.ShRUIOp
        return self.add(op(a, self.number_like(by, a)))

    def smaller(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """The smaller of two signed integers."""
        return self.add(arith.MinSIOp(a, self.number_like(b, a)))

    def larger(self, a: SSAValue, b: SSAValue | int) -> SSAValue:
        """The larger of two signed integers."""
        return self.add(arith.MaxSIOp(a, self.number_like(b, a)))

    def number_like(self, value: SSAValue | int, like: SSAValue) -> SSAValue:
        """A number as a value of the type of another."""
        return self.constant(value, like.type) if isinstance(value, int) else value

    def splat(self, value: SSAValue, type_: VectorType) -> SSAValue:
        """A vector with a value in every lane."""
        return self.add(vector.BroadcastOp(value, type_))

    def recast(self, value: SSAValue, type_: VectorType) -> SSAValue:
        """The same bits as other lanes."""
        if value.type == type_:
            return value
        return self.add(vector.BitcastOp(value, type_))

    def flipped(self, a: SSAValue, mask: int) -> SSAValue:
        """`a ^ mask`."""
        return self.add(arith.XOrIOp(a, self.number_like(mask, a)))

    def lane(self, value: SSAValue, lanes: SSAValue, at: int) -> SSAValue:
        """A vector with a value in one lane."""
        return self.add(vector.InsertOp(value, lanes, [at]))

    def at(self, pointer: SSAValue, offset: SSAValue | int) -> SSAValue:
        """A pointer moved by bytes."""
        kind = llvm.LLVMPointerType()
        if isinstance(offset, int):
            op = llvm.GEPOp(pointer, [offset], i8, result_type=kind)
        else:
            indices = [llvm.GEP_USE_SSA_VAL]
            op = llvm.GEPOp(
                pointer, indices, i8, ssa_indices=[offset], result_type=kind
            )
        return self.add(op)

    def load(self, pointer: SSAValue, type_: Attribute) -> SSAValue:
        """What stands at a pointer, which need not be aligned."""
        return self.add(llvm.LoadOp(pointer, type_, alignment=1))

    def store(self, value: SSAValue, pointer: SSAValue) -> None:
        """Write a value to a pointer, which need not be aligned."""
        self.builder.insert(llvm.StoreOp(value, pointer, alignment=1))

    def intrinsic(
        self, name: str, arguments: Sequence[SSAValue], type_: Attribute
    ) -> SSAValue:
        """Call an intrinsic of LLVM."""
        return self.add(llvm.CallIntrinsicOp(name, list(arguments), [type_]))

    def choose(self, test: SSAValue, yes: SSAValue, no: SSAValue) -> SSAValue:
        """`yes` where the test holds."""
        return self.add(arith.SelectOp(test, yes, no))

    def compare(self, a: SSAValue, how: str, b: SSAValue | int) -> SSAValue:
        """A comparison of integers: `eq`, `slt`, …"""
        return self.add(arith.CmpiOp(a, self.number_like(b, a), how))

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
        inner.builder.insert(scf.YieldOp(*kept))
        made = self.builder.insert(
            scf.ForOp(*bounds, self.word(step), list(carried), block)
        )
        return list(made.results)

    def when(self, test: SSAValue, body: Callable[["Code"], None]) -> None:
        """Run code if a test holds."""
        assert test.type == i1
        block = Block()
        inner = self.inside(block)
        body(inner)
        inner.builder.insert(scf.YieldOp())
        self.builder.insert(scf.IfOp(test, [], [block], None))


def number(value: float, type_: Attribute) -> Constant:
    """A number as an attribute, in every lane of a vector type; an unsigned byte as the signed one."""
    if (vector_type := as_vector(type_)) is not None:
        return filled(vector_type, [value])
    if isinstance(type_, IntegerType):
        return IntegerAttr(int(value), cast("IntegerType", type_))
    assert isinstance(type_, AnyFloat)
    return FloatAttr(value, type_)


def filled(type_: VectorType[Attribute], values: Sequence[float]) -> Dense:
    """A vector of these numbers, or of one in every lane."""
    kind = type_.element_type
    lanes = type_.get_shape()
    if isinstance(kind, AnyFloat):
        floats = VectorType[AnyFloat](kind, lanes)
        return DenseIntOrFPElementsAttr.from_list(floats, list(values))
    assert isinstance(kind, IntegerType)
    integer = cast("IntegerType", kind)
    half = 1 << (integer.width.data - 1)
    signed = [int(v) - 2 * half if v >= half else int(v) for v in values]
    return DenseIntOrFPElementsAttr.from_list(VectorType(integer, lanes), signed)


def as_vector(type_: Attribute) -> VectorType[Attribute] | None:
    """A type as that of a vector, None where it is none."""
    if isinstance(type_, VectorType):
        return cast("VectorType[Attribute]", type_)
    return None


def insert_constant(entry: Block, op: arith.ConstantOp) -> SSAValue:
    """Put a constant in front of all else in a function."""
    first = entry.first_op
    if first is None:
        entry.add_op(op)
    else:
        entry.insert_op_before(op, first)
    return op.result


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
