"""The edges of a graph: where streams come from and go to, copies of a stream, and the FIFO of an edge."""

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    ArrayAttr,
    FloatAttr,
    IntegerAttr,
    MemRefType,
    StringAttr,
    TensorType,
    UnitAttr,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    base,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_result_def,
)
from xdsl.traits import EffectInstance, HasParent, MemoryEffect, MemoryEffectKind
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.stream.graph import GraphOp
from dfc.dialects.stream.tiles import verify_cover, verify_tiles, verify_views
from dfc.dialects.stream.timing import NodeOp
from dfc.dialects.stream.types import StreamType, stream_type
from dfc.dialects.utils import (
    AllocatesResults,
    Canonicalized,
    expect,
    expect_buffers,
    optional,
)


class ReadsSource(AllocatesResults):
    """A read from a memref; the stream is its own, so two equal reads stay two."""

    @classmethod
    def get_effects(cls, op: Operation) -> set[EffectInstance]:
        """The stream, and a read when the source is a memref."""
        effects = super().get_effects(op)
        if isinstance(op.operands[0].type, MemRefType):
            effects.add(EffectInstance(MemoryEffectKind.READ))
        return effects


class WritesTarget(MemoryEffect):
    """A write into a memref; no effect when the op makes a tensor."""

    @classmethod
    def get_effects(cls, op: Operation) -> set[EffectInstance]:
        """A write when there is a memref to write to."""
        return set() if op.results else {EffectInstance(MemoryEffectKind.WRITE)}


@irdl_op_definition
class ReadOp(NodeOp):
    """
    The tiles of a tensor or memref as a stream; `in_place` the consumer takes them there: no node, no byte moves.

        %s = stream.read %x : tensor<16x64xf32> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    """

    name = "stream.read"

    source = operand_def(TensorType.constr() | MemRefType.constr())
    in_place = opt_prop_def(UnitAttr)
    tokens = result_def(StreamType)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(HasParent(GraphOp), ReadsSource())
    assembly_format = "$source attr-dict `:` type($source) `->` type($tokens)"

    def __init__(
        self,
        source: SSAValue | Operation,
        result_type: StreamType,
        in_place: bool = False,
    ) -> None:
        super().__init__(
            operands=[source],
            result_types=[result_type],
            properties={"in_place": UnitAttr() if in_place else None},
        )

    def verify_(self) -> None:
        self.verify_timing()
        expect_buffers([self.source])
        stream = stream_type(self.tokens)
        verify_tiles(stream, self.source)
        if self.in_place is not None and isinstance(self.source.type, MemRefType):
            verify_views(stream, self.source)


@irdl_op_definition
class WriteOp(NodeOp):
    """
    Collects a stream's tiles into a new tensor, or writes them into a memref; what stands over is dropped.

        %y = stream.write %s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x64xf32>
        stream.write %s to %m : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, memref<16x64xf32, "ddr">

    The tiles of a new tensor are all there; of a memref those written change. A tile that comes
    twice keeps the later token.
    """

    name = "stream.write"

    tokens = operand_def(StreamType)
    target = opt_operand_def(MemRefType.constr())
    in_place = opt_prop_def(UnitAttr)
    result = var_result_def(TensorType.constr())

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(HasParent(GraphOp), WritesTarget())
    assembly_format = (
        "$tokens (`to` $target^)? attr-dict `:` type($tokens) (`,` type($target)^)?"
        " (`->` type($result)^)?"
    )

    def __init__(
        self,
        tokens: SSAValue | Operation,
        target: SSAValue | Operation | None = None,
        result_type: Attribute | None = None,
        in_place: bool = False,
    ) -> None:
        super().__init__(
            operands=[tokens, optional(target)],
            result_types=[[] if result_type is None else [result_type]],
            properties={"in_place": UnitAttr() if in_place else None},
        )

    def verify_(self) -> None:
        self.verify_timing()
        made = len(self.result)
        if (self.target is None) != (made == 1):
            raise VerifyException(
                f"expected a memref to write to or one result, got {'both' if made else 'neither'}"
            )
        stream = stream_type(self.tokens)
        data = self.target if self.target is not None else self.result[0]
        expect_buffers([data])
        verify_tiles(stream, data)
        if self.target is None:
            verify_cover(stream, data)
        if self.in_place is not None:
            if not isinstance(data.type, MemRefType):
                raise VerifyException(
                    f"expected a memref for `in_place`, got {data.type}"
                )
            verify_views(stream, data)


@irdl_op_definition
class ForkOp(NodeOp):
    """
    The same stream several times: streams are linear, so a second use needs a fork.

        %a, %b = stream.fork %s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>)
    """

    name = "stream.fork"

    tokens = operand_def(StreamType)
    copies = var_result_def(StreamType)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(HasParent(GraphOp), AllocatesResults(), Canonicalized())
    assembly_format = "$tokens attr-dict `:` type($tokens) `->` `(` type($copies) `)`"

    def __init__(self, tokens: SSAValue, count: int) -> None:
        super().__init__(operands=[tokens], result_types=[[tokens.type] * count])

    def verify_(self) -> None:
        self.verify_timing()
        for copy in self.copies:
            if copy.type != self.tokens.type:
                raise VerifyException(
                    f"expected `copies` of type {self.tokens.type}, got {copy.type}; insert stream.convert"
                )


@irdl_op_definition
class FifoOp(IRDLOperation):
    """
    The buffer of one edge: how many tokens it holds, and from *placed* on where.

        %t = stream.fifo %s depth 2 tier "sram" offset 4096 : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>

    With k `initial` tokens, of one number each, token i of the result is token i - k of the
    operand, and the last k stay inside. Such a FIFO may close a cycle of the graph.
    """

    name = "stream.fifo"

    T: ClassVar = VarConstraint("T", base(StreamType))

    tokens = operand_def(T)
    depth = prop_def(IntegerAttr.constr(i64))
    initial = opt_prop_def(ArrayAttr[FloatAttr | IntegerAttr])
    label = opt_prop_def(StringAttr)
    tier = opt_prop_def(StringAttr)
    offset_bytes = opt_prop_def(IntegerAttr.constr(i64))
    out = result_def(T)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(HasParent(GraphOp), AllocatesResults())
    assembly_format = (
        "$tokens `depth` $depth (`initial` $initial^)? (`tier` $tier^)?"
        " (`offset` $offset_bytes^)? attr-dict `:` type($out)"
    )

    def __init__(
        self,
        tokens: SSAValue,
        depth: int,
        tier: str | None = None,
        offset: int | None = None,
        initial: Sequence[Attribute] = (),
    ) -> None:
        super().__init__(
            operands=[tokens],
            result_types=[tokens.type],
            properties={
                "depth": IntegerAttr(depth, i64),
                "initial": ArrayAttr(initial) if initial else None,
                "tier": None if tier is None else StringAttr(tier),
                "offset_bytes": None if offset is None else IntegerAttr(offset, i64),
            },
        )

    def verify_(self) -> None:
        depth = self.depth.value.data
        expect(depth > 0, "`depth` above 0", depth)
        inside = len(self.initial or ())
        expect(inside <= depth, f"at most {depth} initial tokens", inside)
        kind = stream_type(self.out).token.element_type
        for number in self.initial or ():
            if number.type != kind:
                raise VerifyException(
                    f"expected initial tokens of {kind}, got {number.type}"
                )
        if self.offset_bytes is not None:
            expect(self.tier is not None, "a `tier` beside `offset`", "none")
            offset = self.offset_bytes.value.data
            expect(offset >= 0, "`offset` of at least 0", offset)
