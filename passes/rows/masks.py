"""Ops on scalars or lanes; comparisons and choices are upstream's ops, which xDSL 0.74 has for scalars only."""

from typing import ClassVar

from xdsl.dialects import arith
from xdsl.dialects.builtin import I1, AnyFloatConstr, IntegerAttr, VectorType, i1
from xdsl.ir import SSAValue
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

from dfc.passes.native.attributes import as_vector, predicate
from dfc.passes.native.code import Code
from dfc.passes.native.result import kind_like

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


def compare(code: Code, a: SSAValue, number: int, b: SSAValue) -> SSAValue:
    """A comparison of floats, scalars or lanes."""
    lanes = as_vector(a.type)
    kind = arith.CmpfOp if lanes is None else CompareLanesOp
    return code.make(kind, (a, b), kind_like(a.type, i1), predicate(number))


def choose(code: Code, test: SSAValue, yes: SSAValue, no: SSAValue) -> SSAValue:
    """`yes` where the test holds, for scalars or lanes."""
    if as_vector(test.type) is None:
        return code.choose(test, yes, no)
    return code.make(ChooseLanesOp, (test, yes, no), yes.type)
