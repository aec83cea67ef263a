"""The stream type, and which tiles of a tensor its tokens are."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import cast

from xdsl.dialects.builtin import (
    AffineMapAttr,
    DenseArrayBase,
    IntegerType,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.ir.affine import AffineBinaryOpExpr, AffineBinaryOpKind, AffineExpr
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.utils import expect

DIVISIONS = (
    AffineBinaryOpKind.Mod,
    AffineBinaryOpKind.FloorDiv,
    AffineBinaryOpKind.CeilDiv,
)


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
        counts, sizes = self.counts, self.token.get_shape()
        if min(sizes, default=1) < 1:
            raise VerifyException(f"expected token sizes above 0, got {self.token}")
        expect(min(counts, default=1) > 0, "trip counts above 0", list(counts))
        tiles = self.map.data
        expect(tiles.num_symbols == 0, "a map without symbols", tiles)
        expect(
            tiles.num_dims == len(counts),
            f"a map of {len(counts)} trips",
            tiles.num_dims,
        )
        results = len(tiles.results)
        expect(
            results == len(sizes), f"a map to {len(sizes)} tile coordinates", results
        )
        for result in tiles.results:
            least = min(divisors(result), default=1)
            expect(least > 0, "a map that divides by numbers above 0", least)

    @property
    def counts(self) -> tuple[int, ...]:
        """The trip counts, outermost first."""
        trips = cast("DenseArrayBase[IntegerType]", self.trips)
        return tuple(trips.get_values())

    @property
    def tokens(self) -> int:
        """How many tokens the stream has."""
        return prod(self.counts)


def divisors(expr: AffineExpr) -> Iterator[int]:
    """What an expression divides by, or takes the remainder of."""
    for part in expr.dfs():
        if isinstance(part, AffineBinaryOpExpr) and part.kind in DIVISIONS:
            yield part.rhs.eval((), ())


def stream_type(value: SSAValue) -> StreamType:
    """The stream type of a value; a `VerifyException` when it is none."""
    if not isinstance(value.type, StreamType):
        raise VerifyException(f"expected a stream, got {value.type}")
    return value.type
