"""The edges of a placed stream graph: slots of a FIFO, or tiles of a buffer read or written in place."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from xdsl.ir import Operation

from dfc.dialects import stream
from dfc.dialects.stream import StreamType
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array, dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.memory import View
from dfc.runtime.interpreter.naming import describe
from dfc.runtime.interpreter.order import Step
from dfc.runtime.interpreter.tiles import Tile, tile_of
from dfc.runtime.interpreter.trips import Trip

DEPTH = 2
"""Tokens on an edge without a `stream.fifo`."""


class Channel(ABC):
    """Tokens on their way from one node to its readers, each of which takes all of them in order."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pushed = 0
        self.taken: list[int] = []
        """How many tokens each reader has taken."""

    def add_reader(self) -> int:
        """The number of a new reader."""
        self.taken.append(0)
        return len(self.taken) - 1

    @property
    def waiting(self) -> int:
        """Tokens that some reader has still to take."""
        return self.pushed - min(self.taken, default=self.pushed)

    @abstractmethod
    def has_room(self) -> bool:
        """Whether a token can be pushed."""

    @abstractmethod
    def put(self, number: int, token: Array) -> None:
        """Store a token."""

    @abstractmethod
    def get(self, number: int) -> Array:
        """A token that is stored."""

    def has_token(self, reader: int) -> bool:
        """Whether there is a token to take."""
        return self.taken[reader] < self.pushed

    def push(self, token: Array) -> None:
        """Add a token."""
        self.put(self.pushed, token)
        self.pushed += 1

    def take(self, reader: int) -> Array:
        """The next token of a reader."""
        self.taken[reader] += 1
        return self.get(self.taken[reader] - 1)


class Registers(Channel):
    """An edge in no memory: it has no FIFO, or one inside the unit that holds the graph."""

    def __init__(self, name: str, depth: int = DEPTH) -> None:
        super().__init__(name)
        self.depth = depth
        self.tokens: dict[int, Array] = {}

    def has_room(self) -> bool:
        """A slot is free when every reader has taken its token."""
        return self.waiting < self.depth

    def put(self, number: int, token: Array) -> None:
        """Keep the token; the one a depth before it has been taken."""
        self.tokens.pop(number - self.depth, None)
        self.tokens[number] = token

    def get(self, number: int) -> Array:
        """The token."""
        return self.tokens[number]


class Stored(Channel):
    """The tokens of a tensor, all of which have a place."""

    def __init__(self, name: str, tokens: Array, trips: Sequence[Trip]) -> None:
        super().__init__(name)
        self.tokens = tokens
        self.trips = trips

    def has_room(self) -> bool:
        """Every token has its own place."""
        return True

    def put(self, number: int, token: Array) -> None:
        """Into its place."""
        self.tokens[self.trips[number]] = token

    def get(self, number: int) -> Array:
        """Contiguous, so that sums are formed as elsewhere."""
        return np.ascontiguousarray(self.tokens[self.trips[number]])

    def filled(self) -> "Stored":
        """The channel with all its tokens there from the start."""
        self.pushed = len(self.trips)
        return self


class Fifo(Channel):
    """Slots in a tier; token i stands in slot i mod depth."""

    def __init__(self, evaluator: Evaluator, op: stream.FifoOp) -> None:
        super().__init__(f"{describe(op)}{evaluator.place}")
        token = stream.stream_type(op.out).token
        if op.tier is None or op.offset_bytes is None:
            raise ExecutionError(f"{describe(op)} has no offset yet: run place-buffers")
        self.depth = op.depth.value.data
        self.machine = evaluator.machine
        self.step = Step(op, evaluator.place)
        shape = shape_of(token)
        self.slots = self.machine.allocate(
            self.name, op.tier.data, op.offset_bytes.value.data,
            (self.depth, *shape), dtype_of(token),
        )  # fmt: skip

    def has_room(self) -> bool:
        """A slot is free when every reader has taken its token."""
        return self.waiting < self.depth

    def slot(self, number: int) -> View:
        """Where a token stands."""
        view = self.slots
        at = number % self.depth * view.strides[0]
        return view.at(at, shape=view.shape[1:], strides=view.strides[1:])

    def put(self, number: int, token: Array) -> None:
        """Bytes into the slot."""
        self.machine.write(self.slot(number), token, self.step)

    def get(self, number: int) -> Array:
        """Bytes out of the slot."""
        return self.machine.read(self.slot(number), self.step)


def fifo_of(evaluator: Evaluator, op: stream.FifoOp) -> Channel:
    """The slots of a FIFO with a tier; one without is inside the unit that holds its graph."""
    if op.tier is not None:
        return Fifo(evaluator, op)
    return Registers(f"{describe(op)}{evaluator.place}", op.depth.value.data)


class Tiles(Channel):
    """The tiles of a buffer, which hold all tokens at once: no byte moves."""

    def __init__(
        self,
        evaluator: Evaluator,
        op: Operation,
        kind: StreamType,
        view: View,
        trips: Sequence[Trip],
    ) -> None:
        super().__init__(describe(op))
        self.machine = evaluator.machine
        self.step = Step(op, evaluator.place)
        self.view = view
        self.tiles: Sequence[Tile] = [tile_of(kind, trip, view.shape) for trip in trips]

    def part(self, tile: Tile) -> View:
        """The bytes of a tile that are inside the buffer."""
        return self.view.part(tile.start, tile.inside, [1] * len(tile.start))

    def has_room(self) -> bool:
        """Every token has its own place."""
        return True

    def put(self, number: int, token: Array) -> None:
        """What stands over is dropped."""
        tile = self.tiles[number]
        self.machine.write(self.part(tile), tile.cut(token), self.step)

    def get(self, number: int) -> Array:
        """What stands over is zero."""
        tile = self.tiles[number]
        return tile.padded(self.machine.read(self.part(tile), self.step))

    def filled(self) -> "Tiles":
        """The channel with all its tokens there from the start."""
        self.pushed = len(self.tiles)
        return self
