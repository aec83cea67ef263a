"""The `stream` dialect: nodes that fire on tokens, joined by typed streams and bounded FIFOs."""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import ClassVar, cast

from xdsl.dialects.builtin import (
    AffineMapAttr,
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IndexType,
    IntegerAttr,
    MemRefType,
    StringAttr,
    TensorType,
    UnitAttr,
    i64,
)
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import (
    Attribute,
    Block,
    Dialect,
    Operation,
    ParametrizedAttribute,
    Region,
    SSAValue,
    TypeAttribute,
)
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    base,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import IsTerminator, NoTerminator, Pure
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.utils import element, expect, optional, shape


@irdl_attr_definition
class StreamType(ParametrizedAttribute, TypeAttribute):
    """
    Tokens in row-major order of the trip counts; the map says which tile of the tensor each one is.

        !stream.stream<tensor<8x64xf32>, [16, 4], affine_map<(d0, d1) -> (d0, 0)>>

    The map gives tile coordinates: the tile at coordinate c of a dimension starts at c times
    the token's size there. Tiles at the edge may stand over; what stands over is zero.
    """

    name = "stream.stream"
    token: TensorType[Attribute]
    trips: DenseArrayBase
    map: AffineMapAttr

    def __init__(
        self,
        token: TensorType[Attribute],
        trips: Sequence[int] | DenseArrayBase,
        map: AffineMapAttr,
    ) -> None:
        if not isinstance(trips, DenseArrayBase):
            trips = DenseArrayBase.from_list(i64, list(trips))
        super().__init__(token, trips, map)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<token, [trips], map>`."""
        with parser.in_angle_brackets():
            token = parser.parse_type()
            parser.parse_punctuation(",")
            trips = parser.parse_comma_separated_list(
                parser.Delimiter.SQUARE,
                lambda: parser.parse_integer(allow_boolean=False),
            )
            parser.parse_punctuation(",")
            map = parser.parse_attribute()
        return (token, DenseArrayBase.from_list(i64, trips), map)

    def print_parameters(self, printer: Printer) -> None:
        """Print what `parse_parameters` reads."""
        with printer.in_angle_brackets():
            printer.print_attribute(self.token)
            printer.print_string(f", [{', '.join(map(str, self.counts))}], ")
            printer.print_attribute(self.map)

    def verify(self) -> None:
        expect(
            all(trip > 0 for trip in self.counts), "trip counts above 0", self.counts
        )
        dims, results = self.map.data.num_dims, len(self.map.data.results)
        expect(dims == len(self.counts), f"a map of {len(self.counts)} trips", dims)
        rank = self.token.get_num_dims()
        expect(results == rank, f"a map to {rank} tile coordinates", results)

    @property
    def counts(self) -> tuple[int, ...]:
        """The trip counts, outermost first."""
        return tuple(cast("tuple[int, ...]", self.trips.get_values()))

    @property
    def tokens(self) -> int:
        """How many tokens the stream has."""
        return prod(self.counts)


def stream_type(value: SSAValue) -> StreamType:
    """The stream type of a value; a `VerifyException` when it is none."""
    if not isinstance(value.type, StreamType):
        raise VerifyException(f"expected a stream, got {value.type}")
    return value.type


@irdl_op_definition
class YieldOp(AbstractYieldOperation[Attribute]):
    """
    Ends a body: the tokens of one firing, or what a graph writes.

        stream.yield %y : tensor<8x64xf32>
    """

    name = "stream.yield"

    traits = traits_def(IsTerminator(), Pure())


@irdl_op_definition
class GraphOp(IRDLOperation):
    """
    Nodes joined by streams: how one kernel runs inside. Its results are the tensors its writes make.

        %r = stream.graph -> tensor<16x64xf32> {

    At *placed* its writes go to memrefs and it has no results.
    """

    name = "stream.graph"

    body = region_def("single_block")
    outputs = var_result_def()

    traits = traits_def(NoTerminator())
    assembly_format = "(`->` type($outputs)^)? $body attr-dict"

    def __init__(self, result_types: Sequence[Attribute], body: Region) -> None:
        super().__init__(result_types=[result_types], regions=[body])

    def verify_(self) -> None:
        last = self.body.block.last_op
        types = [result.type for result in self.outputs]
        if not isinstance(last, YieldOp):
            expect(not types, "a `stream.yield` of the graph's results", "none")
            return
        given = [value.type for value in last.arguments]
        expect(
            given == types,
            f"a yield of {len(types)} values of the graph's result types",
            [str(kind) for kind in given],
        )
        for op in self.body.block.ops:
            for result in op.results:
                if isinstance(result.type, StreamType):
                    uses = len(tuple(result.uses))
                    expect(uses <= 1, f"one use of each stream of `{op.name}`", uses)


def verify_token(stream: StreamType, data: SSAValue) -> None:
    """Check that a stream's tokens are tiles of this tensor or memref."""
    token = stream.token
    expect(
        token.element_type == element(data),
        f"tokens of {element(data)}",
        token.element_type,
    )
    rank = len(shape(data))
    expect(token.get_num_dims() == rank, f"tokens of rank {rank}", token)


def verify_cover(stream: StreamType, data: SSAValue) -> None:
    """Check that no token starts outside its tensor."""
    corners = product(*[(0, trip - 1) for trip in stream.counts])
    for corner in corners:
        tile = stream.map.data.eval(corner, ())
        for at, size, extent in zip(tile, stream.token.get_shape(), shape(data)):
            expect(
                at >= 0 and at * size < extent,
                f"tiles within {extent}",
                f"a tile at {at * size}",
            )


@irdl_op_definition
class ReadOp(IRDLOperation):
    """
    The tiles of a tensor or memref as a stream; `in_place` tokens are views of the buffer, no byte moves.

        %s = stream.read %x : tensor<16x64xf32> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    """

    name = "stream.read"

    source = operand_def(TensorType.constr() | MemRefType.constr())
    in_place = opt_prop_def(UnitAttr)
    tokens = result_def(StreamType)

    irdl_options = (ParsePropInAttrDict(),)
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
        verify_token(stream_type(self.tokens), self.source)
        verify_cover(stream_type(self.tokens), self.source)


@irdl_op_definition
class WriteOp(IRDLOperation):
    """
    Collects a stream's tiles into a new tensor, or writes them into a memref.

        %y = stream.write %s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x64xf32>
        stream.write %s to %m : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, memref<16x64xf32, "ddr">
    """

    name = "stream.write"

    tokens = operand_def(StreamType)
    target = opt_operand_def(MemRefType.constr())
    in_place = opt_prop_def(UnitAttr)
    result = var_result_def(TensorType.constr())

    irdl_options = (ParsePropInAttrDict(),)
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
        made = len(self.result)
        if (self.target is None) != (made == 1):
            raise VerifyException(
                f"expected a memref to write to or one result, got {'both' if made else 'neither'}"
            )
        data = self.target if self.target is not None else self.result[0]
        verify_token(stream_type(self.tokens), data)
        verify_cover(stream_type(self.tokens), data)


def expect_prefix(
    streams: Sequence[SSAValue], trips: tuple[int, ...], what: str
) -> None:
    """Check that each stream's trips are a prefix of the node's."""
    for stream in streams:
        counts = stream_type(stream).counts
        expect(
            trips[: len(counts)] == counts,
            f"{what} whose trips are a prefix of {list(trips)}",
            list(counts),
        )


def node_trips(streams: Sequence[SSAValue]) -> tuple[int, ...]:
    """The trips of a node: the longest of its operand streams'."""
    return max((stream_type(s).counts for s in streams), key=len, default=())


def expect_tokens(
    what: str, streams: Sequence[SSAValue], values: Sequence[SSAValue]
) -> None:
    """Check a body's arguments or yields against the tokens of the streams."""
    want = [str(stream_type(stream).token) for stream in streams]
    got = [str(value.type) for value in values]
    expect(want == got, f"{what} {', '.join(want) or 'none'}", ", ".join(got) or "none")


def body_yield(region: Region) -> YieldOp:
    """The yield that ends a body."""
    last = region.block.last_op
    if not isinstance(last, YieldOp):
        raise VerifyException("expected a body that ends in `stream.yield`, got none")
    return last


@irdl_op_definition
class MapOp(IRDLOperation):
    """
    Fires once per token: the body makes one token of each result from one of each operand.

    The node's trips are those of its longest operand; a shorter operand's trips are a prefix of
    them, and its token is held over the inner trips. `control` passes index values.

        %t = stream.map (%s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>) -> (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>) {
    """

    name = "stream.map"

    streams = var_operand_def(StreamType)
    controls = var_operand_def(IndexType)
    unit = opt_prop_def(StringAttr, prop_name="unit")
    body = region_def("single_block")
    outputs = var_result_def(StreamType)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "(`on` $unit^)? `(` $streams `:` type($streams) `)` (`control` `(` $controls^ `)`)?"
        " `->` `(` type($outputs) `)` $body attr-dict"
    )

    def __init__(
        self,
        streams: Sequence[SSAValue],
        controls: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        body: Region | Sequence[Block],
        unit: str | None = None,
    ) -> None:
        super().__init__(
            operands=[streams, controls],
            result_types=[result_types],
            regions=[body],
            properties={"unit": None if unit is None else StringAttr(unit)},
        )

    def verify_(self) -> None:
        trips = node_trips(self.streams)
        expect_prefix(self.streams, trips, "an operand")
        arguments = self.body.block.args
        expect_tokens("body arguments", self.streams, arguments[: len(self.streams)])
        controls = arguments[len(self.streams) :]
        expect(
            len(controls) == len(self.controls),
            f"{len(self.controls)} control arguments in the body",
            len(controls),
        )
        for result in self.outputs:
            counts = stream_type(result).counts
            expect(counts == trips, f"results of trips {list(trips)}", list(counts))
        expect_tokens("yields", self.outputs, body_yield(self.body).arguments)


@irdl_op_definition
class ReduceOp(IRDLOperation):
    """
    Folds the inner trips: the body makes the new accumulators from the old ones and a token of each operand.

    Result streams have a prefix of the node's trips; each accumulator starts at its `inits` value.

        %t = stream.reduce (%s : !stream.stream<tensor<8x64xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>) inits [0.000000e+00 : f32] -> (!stream.stream<tensor<8x1xf32>, [2], affine_map<(d0) -> (d0, 0)>>) {
    """

    name = "stream.reduce"

    streams = var_operand_def(StreamType)
    controls = var_operand_def(IndexType)
    unit = opt_prop_def(StringAttr, prop_name="unit")
    inits = prop_def(ArrayAttr[FloatAttr | IntegerAttr])
    body = region_def("single_block")
    outputs = var_result_def(StreamType)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "(`on` $unit^)? `(` $streams `:` type($streams) `)` (`control` `(` $controls^ `)`)?"
        " `inits` $inits `->` `(` type($outputs) `)` $body attr-dict"
    )

    def __init__(
        self,
        streams: Sequence[SSAValue],
        controls: Sequence[SSAValue],
        inits: Sequence[Attribute],
        result_types: Sequence[Attribute],
        body: Region | Sequence[Block],
        unit: str | None = None,
    ) -> None:
        super().__init__(
            operands=[streams, controls],
            result_types=[result_types],
            regions=[body],
            properties={
                "inits": ArrayAttr(inits),
                "unit": None if unit is None else StringAttr(unit),
            },
        )

    def verify_(self) -> None:
        trips = node_trips(self.streams)
        expect_prefix(self.streams, trips, "an operand")
        expect_prefix(self.outputs, trips, "a result")
        made = {stream_type(result).counts for result in self.outputs}
        expect(len(made) == 1, "results of equal trips", sorted(map(list, made)))
        expect(
            len(next(iter(made))) < len(trips), "results of fewer trips", list(trips)
        )
        count = len(self.outputs)
        expect(len(self.inits) == count, f"{count} initial values", len(self.inits))
        for init, result in zip(self.inits, self.outputs, strict=True):
            kind = stream_type(result).token.element_type
            expect(init.type == kind, f"an initial value of {kind}", init.type)
        arguments = self.body.block.args
        expect_tokens("accumulator arguments", self.outputs, arguments[:count])
        operands = arguments[count : count + len(self.streams)]
        expect_tokens("token arguments", self.streams, operands)
        expect(
            len(arguments) == count + len(self.streams) + len(self.controls),
            f"{len(self.controls)} control arguments in the body",
            len(arguments) - count - len(self.streams),
        )
        expect_tokens("yields", self.outputs, body_yield(self.body).arguments)


@irdl_op_definition
class ForkOp(IRDLOperation):
    """
    The same stream several times: streams are linear, so a second use needs a fork.

        %a, %b = stream.fork %s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>)
    """

    name = "stream.fork"

    tokens = operand_def(StreamType)
    copies = var_result_def(StreamType)

    assembly_format = "$tokens attr-dict `:` type($tokens) `->` `(` type($copies) `)`"

    def __init__(self, tokens: SSAValue, count: int) -> None:
        super().__init__(operands=[tokens], result_types=[[tokens.type] * count])

    def verify_(self) -> None:
        for copy in self.copies:
            expect(
                copy.type == self.tokens.type,
                f"copies of type {self.tokens.type}",
                copy.type,
            )


@irdl_op_definition
class FifoOp(IRDLOperation):
    """
    The buffer of one edge: how many tokens it holds, and from *placed* on where.

        %t = stream.fifo %s depth 2 tier "sram" offset 4096 : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    """

    name = "stream.fifo"

    T: ClassVar = VarConstraint("T", base(StreamType))

    tokens = operand_def(T)
    depth = prop_def(IntegerAttr.constr(i64))
    tier = opt_prop_def(StringAttr)
    offset_bytes = opt_prop_def(IntegerAttr.constr(i64))
    out = result_def(T)

    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$tokens `depth` $depth (`tier` $tier^)? (`offset` $offset_bytes^)? attr-dict `:` type($out)"

    def __init__(
        self,
        tokens: SSAValue,
        depth: int,
        tier: str | None = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(
            operands=[tokens],
            result_types=[tokens.type],
            properties={
                "depth": IntegerAttr(depth, i64),
                "tier": None if tier is None else StringAttr(tier),
                "offset_bytes": None if offset is None else IntegerAttr(offset, i64),
            },
        )

    def verify_(self) -> None:
        depth = self.depth.value.data
        expect(depth > 0, "`depth` above 0", depth)
        if self.offset_bytes is not None:
            expect(self.tier is not None, "a `tier` beside `offset`", "none")
            offset = self.offset_bytes.value.data
            expect(offset >= 0, "`offset` of at least 0", offset)


@irdl_op_definition
class IndexOp(IRDLOperation):
    """
    The current trip of dimension `dim` of the node whose body it stands in.

        %i = stream.index 0
    """

    name = "stream.index"

    dim = prop_def(IntegerAttr.constr(i64))
    index = result_def(IndexType)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(Pure())
    assembly_format = "$dim attr-dict"

    def __init__(self, dim: int) -> None:
        super().__init__(
            result_types=[IndexType()], properties={"dim": IntegerAttr(dim, i64)}
        )

    def verify_(self) -> None:
        node = self.parent_op()
        while node is not None and not isinstance(node, MapOp | ReduceOp):
            node = node.parent_op()
        if node is None:
            raise VerifyException(
                "expected to stand in the body of a stream.map or stream.reduce, got none"
            )
        count = len(node_trips(node.streams))
        dim = self.dim.value.data
        expect(0 <= dim < count, f"`dim` below {count}", dim)


Stream = Dialect(
    "stream",
    [
        GraphOp,
        ReadOp,
        WriteOp,
        MapOp,
        ReduceOp,
        ForkOp,
        FifoOp,
        IndexOp,
        YieldOp,
    ],
    [StreamType],
)
