"""Ops on scalars or lanes; comparisons and choices are upstream's ops, which xDSL 0.74 has for scalars only."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import I1, AnyFloatConstr, IntegerAttr, VectorType, i1
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AnyAttr,
    IRDLOperation,
    VarConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
)
from xdsl.printer import Printer

from dfc.passes.native.code import Code, as_vector

PREDICATES = (
    "false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord",
    "ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true",
)  # fmt: skip
"""Of comparisons of floats, by number."""


@irdl_op_definition
class CompareLanesOp(IRDLOperation):
    """`arith.cmpf` of vectors."""

    name = "arith.cmpf"

    T: ClassVar = VarConstraint("T", VectorType.constr(AnyFloatConstr))

    predicate = prop_def(IntegerAttr)
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(VectorType[I1])

    def print(self, printer: Printer) -> None:
        """As upstream prints it."""
        printer.print_string(f" {PREDICATES[self.predicate.value.data]}, ")
        printer.print_list((self.lhs, self.rhs), printer.print_operand)
        printer.print_string(" : ")
        printer.print_attribute(self.lhs.type)


@irdl_op_definition
class ChooseLanesOp(IRDLOperation):
    """`arith.select` by a vector."""

    name = "arith.select"

    T: ClassVar = VarConstraint("T", VectorType.constr(AnyAttr()))

    condition = operand_def(VectorType[I1])
    yes = operand_def(T)
    no = operand_def(T)
    result = result_def(T)

    assembly_format = (
        "$condition `,` $yes `,` $no attr-dict `:` type($condition) `,` type($result)"
    )


def compare(code: Code, a: SSAValue, predicate: int, b: SSAValue) -> SSAValue:
    """A comparison of floats, scalars or lanes."""
    lanes = as_vector(a.type)
    if lanes is None:
        return code.add(arith.CmpfOp(a, b, predicate))
    kind: Attribute = VectorType(i1, lanes.get_shape())
    op = CompareLanesOp.build(
        operands=[a, b],
        result_types=[kind],
        properties={"predicate": IntegerAttr(predicate, 64)},
    )
    return code.add(op)


def choose(code: Code, test: SSAValue, yes: SSAValue, no: SSAValue) -> SSAValue:
    """`yes` where the test holds, for scalars or lanes."""
    if as_vector(test.type) is None:
        return code.choose(test, yes, no)
    op = ChooseLanesOp.build(operands=[test, yes, no], result_types=[yes.type])
    return code.add(op)


def add_op(
    code: Code,
    op: type[Operation],
    operands: Sequence[SSAValue],
    type_: Attribute,
    properties: Mapping[str, Attribute] | None = None,
) -> SSAValue:
    """An op of this class with one result."""
    assert issubclass(op, IRDLOperation)
    made = op.build(
        operands=list(operands), result_types=[type_], properties=properties
    )
    return code.add(made)
