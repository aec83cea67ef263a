"""The node between two streams over one tensor that cut it into other tiles, or in another order."""

from xdsl.ir import SSAValue
from xdsl.irdl import (
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    result_def,
    traits_def,
)
from xdsl.traits import HasParent
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.stream.graph import GraphOp
from dfc.dialects.stream.phases import Phases, phases_between
from dfc.dialects.stream.tiles import tile_ranges
from dfc.dialects.stream.timing import NodeOp
from dfc.dialects.stream.types import StreamType, stream_type
from dfc.dialects.utils import AllocatesResults, Canonicalized, expect


@irdl_op_definition
class ConvertOp(NodeOp):
    """
    The same tensor in other tiles, or in another order.

        %t = stream.convert %s : !stream.stream<tensor<2xf32>, [6], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<3xf32>, [4], affine_map<(d0) -> (d0)>>

    A firing takes at most one token and gives at most one: each as soon as all that it is made of
    has been taken.
    """

    name = "stream.convert"

    tokens = operand_def(StreamType)
    out = result_def(StreamType)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(HasParent(GraphOp), AllocatesResults(), Canonicalized())
    assembly_format = "$tokens attr-dict `:` type($tokens) `->` type($out)"

    def __init__(self, tokens: SSAValue, result_type: StreamType) -> None:
        super().__init__(operands=[tokens], result_types=[result_type])

    def verify_(self) -> None:
        self.verify_timing()
        source, made = stream_type(self.tokens).token, stream_type(self.out).token
        if source.element_type != made.element_type:
            raise VerifyException(
                f"expected tokens of {source.element_type}, got {made.element_type}"
            )
        rank, found = len(source.get_shape()), len(made.get_shape())
        expect(rank == found, f"tokens of rank {rank}", f"rank {found}")
        self._verify_tensor()

    def _verify_tensor(self) -> None:
        source, made = stream_type(self.tokens), stream_type(self.out)
        lows = [low for low, _ in tile_ranges(source.map.data, source.counts)]
        expect(
            min(lows, default=0) >= 0,
            "tiles from 0 on",
            f"a tile at {min(lows, default=0)}",
        )
        expect(
            phases_between(source, made) is not None,
            "results made of the operand's tokens",
            "elements that none of them has",
        )


def convert_phases(op: ConvertOp) -> Phases:
    """When a converter takes and gives tokens, from its types alone."""
    found = phases_between(stream_type(op.tokens), stream_type(op.out))
    assert found is not None, "a verified converter has phases"
    return found
