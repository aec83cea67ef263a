"""Which part of a tensor or buffer each token of a stream is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from dfc.dialects.stream import StreamType
from dfc.runtime.interpreter.dtypes import Array
from dfc.runtime.interpreter.trips import Trip


def trips_of(counts: Sequence[int]) -> Iterator[Trip]:
    """All trips, row-major."""
    return product(*(range(count) for count in counts))


@dataclass(frozen=True)
class Tile:
    """A token's place in a tensor: where it starts, its shape, and how much of it is inside."""

    start: tuple[int, ...]
    shape: tuple[int, ...]
    inside: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing stands over the edge."""
        return self.inside == self.shape

    @property
    def index(self) -> tuple[slice, ...]:
        """The part of the tensor."""
        return tuple(
            slice(a, a + n) for a, n in zip(self.start, self.inside, strict=True)
        )

    def padded(self, part: Array) -> Array:
        """A token from the part of it that is inside: contiguous, zero where it stands over."""
        if self.whole:
            return np.ascontiguousarray(part).reshape(self.shape)
        token = np.zeros(self.shape, part.dtype)
        token[tuple(slice(n) for n in self.inside)] = part
        return token

    def cut(self, token: Array) -> Array:
        """What of a token is inside."""
        return token if self.whole else token[tuple(slice(n) for n in self.inside)]


def tile_of(kind: StreamType, trip: Trip, extents: Sequence[int]) -> Tile:
    """The tile of one trip in a tensor of these sizes."""
    shape = tuple(kind.token.get_shape())
    at = kind.map.data.eval(trip, ())
    start = tuple(c * n for c, n in zip(at, shape, strict=True))
    inside = tuple(
        min(n, extent - a) for a, n, extent in zip(start, shape, extents, strict=True)
    )
    return Tile(start, shape, inside)
