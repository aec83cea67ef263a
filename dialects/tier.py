"""The `tier` dialect: buffers with a place in a memory tier, and copies between tiers."""

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerAttr, MemRefType, StringAttr, i64
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
from xdsl.traits import MemoryAllocEffect
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.accel import EventType
from dfc.dialects.utils import element, expect, shape


def tier_of(value: SSAValue) -> str:
    """The tier of a memref value; a `VerifyException` when its memory space is no string."""
    kind = value.type
    space = kind.memory_space if isinstance(kind, MemRefType) else None
    if not isinstance(space, StringAttr):
        raise VerifyException(f"expected a memref in a tier, got {kind}")
    return space.data


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
    traits = traits_def(MemoryAllocEffect())
    assembly_format = "(`offset` $offset_bytes^)? attr-dict `:` type($buffer)"

    def __init__(self, result_type: Attribute, offset: int | None = None) -> None:
        super().__init__(
            result_types=[result_type],
            properties={
                "offset_bytes": None if offset is None else IntegerAttr(offset, i64)
            },
        )

    def verify_(self) -> None:
        tier_of(self.buffer)
        expect(
            all(size >= 0 for size in shape(self.buffer)),
            "static sizes",
            "a dynamic one",
        )
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
        tier_of(self.source)
        tier_of(self.target)
        same = shape(self.source) == shape(self.target)
        expect(same, f"`target` of shape {shape(self.source)}", shape(self.target))
        kind = element(self.source)
        expect(
            element(self.target) == kind, f"`target` of {kind}", element(self.target)
        )


Tier = Dialect("tier", [AllocOp, CopyOp], [])
