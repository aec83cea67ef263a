"""The `tier` dialect: buffers with a place in a memory tier, and copies between tiers."""

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerAttr, MemRefType, NoneAttr, i64
from xdsl.ir import Attribute, Dialect, Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.accel import EventType
from dfc.dialects.utils import (
    AllocatesResults,
    Canonicalized,
    element,
    expect,
    expect_buffers,
    expect_element,
    expect_shape,
    expect_static,
    shape,
    tier_of,
)

__all__ = ["AllocOp", "CopyOp", "Tier", "tier_of"]


@irdl_op_definition
class AllocOp(IRDLOperation):
    """
    A buffer in a tier; from *placed* on with its byte offset there.

        %b = tier.alloc offset 4096 : memref<2x24576xi8, "uram">
    """

    name = "tier.alloc"

    offset_bytes = opt_prop_def(IntegerAttr.constr(i64))
    buffer = result_def(MemRefType.constr())

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(AllocatesResults())
    assembly_format = "(`offset` $offset_bytes^)? attr-dict `:` type($buffer)"

    def __init__(self, result_type: Attribute, offset: int | None = None) -> None:
        super().__init__(
            result_types=[result_type],
            properties={
                "offset_bytes": None if offset is None else IntegerAttr(offset, i64)
            },
        )

    def verify_(self) -> None:
        expect_buffers([self.buffer])
        expect_static("buffer", self.buffer)
        layout = self.buffer.type.layout
        if not isinstance(layout, NoneAttr):
            raise VerifyException(f"expected a buffer without a layout, got {layout}")
        if self.offset_bytes is not None:
            offset = self.offset_bytes.value.data
            expect(offset >= 0, "`offset` of at least 0", offset)


@irdl_op_definition
class CopyOp(IRDLOperation):
    """
    Copies a buffer to another of the same shape once the events in `after` have happened.

        %there = tier.copy %from to %slot after(%old) : memref<24576xi8, "ddr"> to memref<24576xi8, "uram">
    """

    name = "tier.copy"

    source = operand_def(MemRefType.constr())
    target = operand_def(MemRefType.constr())
    after = var_operand_def(EventType)
    event = result_def(EventType)

    traits = traits_def(Canonicalized())
    assembly_format = (
        "$source `to` $target (`after` `(` $after^ `)`)? attr-dict"
        " `:` type($source) `to` type($target)"
    )

    def __init__(
        self,
        source: SSAValue | Operation,
        target: SSAValue | Operation,
        after: Sequence[SSAValue] = (),
    ) -> None:
        super().__init__(operands=[source, target, after], result_types=[EventType()])

    def verify_(self) -> None:
        expect_buffers([self.source, self.target])
        expect_static("source", self.source)
        expect_shape("target", self.target, shape(self.source))
        expect_element("target", self.target, element(self.source))


Tier = Dialect("tier", [AllocOp, CopyOp], [])
