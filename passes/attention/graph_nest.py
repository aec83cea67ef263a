"""The loops of an attention at element level, and which tile each of its tokens is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from xdsl.dialects.builtin import AffineMapAttr, TensorType, f32
from xdsl.ir import Attribute, Region
from xdsl.ir.affine import AffineExpr, AffineMap

from dfc.dialects import attention
from dfc.dialects.stream import GraphOp, StreamType
from dfc.dialects.utils import element, shape

OUTER = 3
"""Loops round the keys: batch, heads, blocks of query rows."""


@dataclass(frozen=True)
class AttentionNest:
    """
    The loop nest [batch, heads, blocks of `rows` query rows, keys] of one attention.

    `keys` counts the keys a block looks at: all of them, or, where keys are held, those of a window.
    """

    op: attention.SdpaOp
    schedule: attention.ScheduleAttr

    @property
    def rows(self) -> int:
        """Query rows held at once, at most those there are."""
        return min(self.schedule.rows.data, shape(self.op.q)[2])

    @property
    def blocks(self) -> int:
        """Blocks of query rows; the last may stand over."""
        return ceil(shape(self.op.q)[2] / self.rows)

    @property
    def whole(self) -> bool:
        """Whether no block stands over."""
        return self.blocks * self.rows == shape(self.op.q)[2]

    @property
    def held(self) -> bool:
        """Whether keys are read once and held for the length of the window."""
        return self.schedule.keys.data == "held"

    @property
    def reversed(self) -> bool:
        """Whether blocks go from the last to the first, each up to its last visible key."""
        return self.schedule.order.data == "reversed"

    @property
    def keys(self) -> int:
        """Keys per block, before any bound."""
        if self.held:
            assert self.op.window is not None
            return self.op.window.value.data
        return shape(self.op.k)[2]

    @property
    def outer(self) -> tuple[int, ...]:
        """Trips of what there is once per block."""
        batch, heads = shape(self.op.q)[:2]
        return batch, heads, self.blocks

    @property
    def trips(self) -> tuple[int, ...]:
        """Trips of what there is once per key of a block."""
        return *self.outer, self.keys

    @property
    def bound(self) -> AffineMap | None:
        """
        How many keys a block looks at, of its outer trips (and the position); `None` for all.

        With a position those written so far; in reversed order those up to the block's last row.
        """
        position = self.op.position is not None
        start = AffineExpr.symbol(0) if position else AffineExpr.constant(0)
        if self.reversed:
            end = start + (self.block * self.rows + self.rows)
        elif position:
            end = start + shape(self.op.q)[2]
        else:
            return None
        return AffineMap(OUTER, int(position), (end,))

    def graph(self, results: Sequence[Attribute], body: Region) -> GraphOp:
        """A graph in this nest."""
        bound, position = self.bound, self.op.position
        symbols = [] if bound is None or position is None else [position]
        return GraphOp(results, body, bound, symbols)

    @property
    def block(self) -> AffineExpr:
        """Which block of query rows a trip is for."""
        trip = AffineExpr.dimension(2)
        return AffineExpr.constant(self.blocks - 1) - trip if self.reversed else trip

    @property
    def key_head(self) -> AffineExpr:
        """The key head of a query head."""
        shared = shape(self.op.q)[1] // shape(self.op.k)[1]
        head = AffineExpr.dimension(1)
        return head // shared if shared > 1 else head

    @property
    def query(self) -> StreamType:
        """A block of query rows, once per block; also the type of the result's blocks."""
        depth = shape(self.op.q)[3]
        tiles = (self.block, AffineExpr.constant(0))
        return self._stream((self.rows, depth), tiles, element(self.op.q), OUTER)

    @property
    def sums(self) -> StreamType:
        """What becomes the result's block, in f32."""
        kind = self.query
        return StreamType(TensorType(f32, kind.token.get_shape()), kind.trips, kind.map)

    @property
    def key(self) -> StreamType:
        """A key or value, once per key of a block; where keys are held, the newest of each row."""
        newest = AffineExpr.dimension(2 if self.held else 3)
        tiles = (
            AffineExpr.dimension(0),
            self.key_head,
            newest,
            AffineExpr.constant(0),
        )
        rank = OUTER if self.held else OUTER + 1
        token = TensorType(element(self.op.k), (1, 1, 1, shape(self.op.k)[3]))
        return StreamType(
            token, self.trips[:rank], AffineMapAttr(AffineMap(rank, 0, tiles))
        )

    @property
    def mask(self) -> StreamType:
        """The mask of a score."""
        assert self.op.mask is not None
        batch, heads = (
            AffineExpr.dimension(d) if size > 1 else AffineExpr.constant(0)
            for d, size in enumerate(shape(self.op.mask)[:2])
        )
        tiles = (batch, heads, self.block, AffineExpr.dimension(3))
        token = TensorType(element(self.op.mask), (1, 1, self.rows, 1))
        return StreamType(
            token, self.trips, AffineMapAttr(AffineMap(OUTER + 1, 0, tiles))
        )

    @property
    def scores(self) -> StreamType:
        """A score of each row of a block, once per key."""
        tiles = (self.block, AffineExpr.dimension(3))
        return self._stream((self.rows, 1), tiles, f32, OUTER + 1)

    @property
    def per_row(self) -> StreamType:
        """One number for each row of a block."""
        tiles = (self.block, AffineExpr.constant(0))
        return self._stream((self.rows, 1), tiles, f32, OUTER)

    def _stream(
        self,
        sizes: tuple[int, int],
        tiles: Sequence[AffineExpr],
        kind: Attribute,
        rank: int,
    ) -> StreamType:
        """A stream over rows and columns of every head."""
        full = (AffineExpr.dimension(0), AffineExpr.dimension(1), *tiles)
        return StreamType(
            TensorType(kind, (1, 1, *sizes)),
            self.trips[:rank],
            AffineMapAttr(AffineMap(rank, 0, full)),
        )


def repeated(kind: StreamType, count: int) -> StreamType:
    """The type of a stream whose tokens are each given `count` times."""
    tiles = kind.map.data
    return StreamType(
        kind.token,
        (*kind.counts, count),
        AffineMapAttr(AffineMap(tiles.num_dims + 1, 0, tiles.results)),
    )
