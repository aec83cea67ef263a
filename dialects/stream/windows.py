"""The nodes that give a token more than once: held over inner trips, or while a window slides over it."""

from xdsl.dialects.builtin import (
    AffineMapAttr,
    FloatAttr,
    IntegerAttr,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap
from xdsl.irdl import (
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import HasParent
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.stream.graph import GraphOp
from dfc.dialects.stream.tiles import same_tiles
from dfc.dialects.stream.timing import NodeOp
from dfc.dialects.stream.types import StreamType, stream_type
from dfc.dialects.utils import AllocatesResults, expect


def verify_tokens(source: StreamType, made: StreamType) -> None:
    """Check that two streams have the same tokens."""
    if made.token != source.token:
        raise VerifyException(f"expected tokens {source.token}, got {made.token}")


def verify_map(made: StreamType, wanted: AffineMap) -> None:
    """Check which tiles a stream's tokens are."""
    found = made.map.data
    good = same_tiles(found, wanted, made.counts)
    expect(good, f"a result of the map {wanted}", found)


@irdl_op_definition
class RepeatOp(NodeOp):
    """
    Each token once per inner trip: the result's trips are the operand's and further ones.

        %t = stream.repeat %s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> !stream.stream<tensor<8x64xf32>, [2, 3], affine_map<(d0, d1) -> (d0, 0)>>

    It fires once per token of the result, and takes one at the first of the further trips.
    """

    name = "stream.repeat"

    tokens = operand_def(StreamType)
    out = result_def(StreamType)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(HasParent(GraphOp), AllocatesResults())
    assembly_format = "$tokens attr-dict `:` type($tokens) `->` type($out)"

    def __init__(self, tokens: SSAValue, result_type: StreamType) -> None:
        super().__init__(operands=[tokens], result_types=[result_type])

    def verify_(self) -> None:
        self.verify_timing()
        source, made = stream_type(self.tokens), stream_type(self.out)
        verify_tokens(source, made)
        rank = len(source.counts)
        head = made.counts[:rank]
        longer = head == source.counts and len(made.counts) > rank
        expect(longer, f"trips that extend {list(source.counts)}", list(made.counts))
        tiles = source.map.data
        verify_map(made, AffineMap(len(made.counts), 0, tiles.results))


def window_map(tiles: AffineMap, size: int) -> AffineMap:
    """Which tiles the tokens of a window are: trip (…, i, j) has the one of trip (…, i + j - (size - 1))."""
    last = tiles.num_dims - 1
    dims: list[AffineExpr] = [AffineExpr.dimension(d) for d in range(last + 1)]
    dims[last] = dims[last] + AffineExpr.dimension(last + 1) + (1 - size)
    made = tiles.replace_dims_and_symbols(dims, [], last + 2, 0)
    return AffineMap(last + 2, 0, made.results)


@irdl_op_definition
class WindowOp(NodeOp):
    """
    The last `size` tokens of the innermost trips, at each of them: one more, innermost trip of `size`.

        %t = stream.window %s size 3 : !stream.stream<tensor<1x64xf32>, [8], affine_map<(d0) -> (d0, 0)>> -> !stream.stream<tensor<1x64xf32>, [8, 3], affine_map<(d0, d1) -> (d0 + d1 + -2, 0)>>

    Trip (…, i, j) has token i - (size - 1) + j; where that is below 0, every element is `fill` (0
    where it is absent). It fires once per token of the result, and takes one at each j = 0.
    """

    name = "stream.window"

    tokens = operand_def(StreamType)
    size = prop_def(IntegerAttr.constr(i64))
    fill = opt_prop_def(FloatAttr.constr() | IntegerAttr.constr())
    out = result_def(StreamType)

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(HasParent(GraphOp), AllocatesResults())
    assembly_format = (
        "$tokens `size` $size (`fill` $fill^)? attr-dict"
        " `:` type($tokens) `->` type($out)"
    )

    def __init__(
        self,
        tokens: SSAValue,
        size: int,
        result_type: StreamType,
        fill: Attribute | None = None,
    ) -> None:
        super().__init__(
            operands=[tokens],
            result_types=[result_type],
            properties={"size": IntegerAttr(size, i64), "fill": fill},
        )

    @staticmethod
    def result_type(source: StreamType, size: int) -> StreamType:
        """The stream of a window over another."""
        tiles = AffineMapAttr(window_map(source.map.data, size))
        return StreamType(source.token, [*source.counts, size], tiles)

    def verify_(self) -> None:
        self.verify_timing()
        source, made = stream_type(self.tokens), stream_type(self.out)
        size = self.size.value.data
        expect(size > 0, "`size` above 0", size)
        expect(len(source.counts) > 0, "a stream of at least one trip", "none")
        verify_tokens(source, made)
        wanted = (*source.counts, size)
        expect(made.counts == wanted, f"trips {list(wanted)}", list(made.counts))
        verify_map(made, window_map(source.map.data, size))
        kind = source.token.element_type
        if self.fill is not None and self.fill.type != kind:
            raise VerifyException(f"expected a fill of {kind}, got {self.fill.type}")
