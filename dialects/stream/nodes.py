"""The nodes of a graph that compute: their bodies stand on values of token shape."""

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import (
    ArrayAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    StringAttr,
    i64,
)
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import HasParent, IsolatedFromAbove, Pure, RecursiveMemoryEffect
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.stream.graph import GraphOp, YieldOp
from dfc.dialects.stream.timing import NodeOp, edge_name
from dfc.dialects.stream.types import StreamType, stream_type
from dfc.dialects.utils import AllocatesResults, expect, expect_types

NODE_TRAITS = (
    HasParent(GraphOp),
    IsolatedFromAbove(),
    RecursiveMemoryEffect(),
    AllocatesResults(),
)


def node_trips(streams: Sequence[SSAValue]) -> tuple[int, ...]:
    """The trips of a node: the longest of its operand streams'."""
    return max((stream_type(s).counts for s in streams), key=len, default=())


def is_prefix(counts: Sequence[int], trips: Sequence[int]) -> bool:
    """Whether trips are the outer ones of others."""
    return tuple(trips[: len(counts)]) == tuple(counts)


def verify_operands(op: NodeOp, streams: Sequence[SSAValue]) -> None:
    """Check that the tokens of each edge to a node are those of its trips, or are held over the inner ones."""
    trips = node_trips(streams)
    for stream in streams:
        counts = stream_type(stream).counts
        if is_prefix(counts, trips):
            continue
        edge = edge_name(stream, op)
        if prod(counts) == prod(trips):
            raise VerifyException(
                f"expected `{edge}` in the order of trips {list(trips)}, got {list(counts)}; insert stream.convert"
            )
        raise VerifyException(
            f"expected `{edge}` to balance, with trips that are a prefix of {list(trips)}, got {list(counts)}"
        )


def token_types(streams: Sequence[SSAValue]) -> list[Attribute]:
    """The types of one token of each stream."""
    return [stream_type(stream).token for stream in streams]


def body_yield(region: Region) -> YieldOp:
    """The yield that ends a body."""
    last = region.block.last_op
    if not isinstance(last, YieldOp):
        raise VerifyException("expected a body that ends in `stream.yield`, got none")
    return last


def verify_body(
    region: Region,
    arguments: Sequence[Attribute],
    controls: int,
    outputs: Sequence[SSAValue],
) -> None:
    """Check a body's arguments (tokens, then `controls` index values) and what it yields."""
    expect_types(
        "body arguments",
        [argument.type for argument in region.block.args],
        [*arguments, *[IndexType()] * controls],
    )
    made = body_yield(region).arguments
    expect_types("a yield of", [value.type for value in made], token_types(outputs))


@irdl_op_definition
class MapOp(NodeOp):
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
    traits = traits_def(*NODE_TRAITS)
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
        self.verify_timing()
        trips = node_trips(self.streams)
        verify_operands(self, self.streams)
        for result in self.outputs:
            counts = stream_type(result).counts
            expect(counts == trips, f"results of trips {list(trips)}", list(counts))
        arguments = token_types(self.streams)
        verify_body(self.body, arguments, len(self.controls), self.outputs)


@irdl_op_definition
class ReduceOp(NodeOp):
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
    traits = traits_def(*NODE_TRAITS)
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
        self.verify_timing()
        trips = node_trips(self.streams)
        verify_operands(self, self.streams)
        for result in self.outputs:
            counts = stream_type(result).counts
            expect(
                is_prefix(counts, trips),
                f"a result whose trips are a prefix of {list(trips)}",
                list(counts),
            )
        made = {stream_type(result).counts for result in self.outputs}
        expect(len(made) == 1, "results of equal trips", sorted(map(list, made)))
        kept = len(made.pop())
        expect(kept < len(trips), f"results of fewer than {len(trips)} trips", kept)
        self._verify_inits()
        arguments = [*token_types(self.outputs), *token_types(self.streams)]
        verify_body(self.body, arguments, len(self.controls), self.outputs)

    def _verify_inits(self) -> None:
        count = len(self.outputs)
        expect(len(self.inits) == count, f"{count} initial values", len(self.inits))
        for init, result in zip(self.inits, self.outputs, strict=True):
            kind = stream_type(result).token.element_type
            if init.type != kind:
                raise VerifyException(
                    f"expected an initial value of {kind}, got {init.type}"
                )


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
        from dfc.dialects.stream.scans import ScanOp

        node = self.parent_op()
        while node is not None and not isinstance(node, MapOp | ReduceOp | ScanOp):
            node = node.parent_op()
        if node is None:
            raise VerifyException(
                "expected to stand in the body of a stream.map, stream.reduce or stream.scan, got none"
            )
        count = len(node_trips(node.streams))
        dim = self.dim.value.data
        expect(0 <= dim < count, f"`dim` of at least 0 and below {count}", dim)
