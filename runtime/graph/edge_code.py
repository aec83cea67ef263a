"""Code for one edge in a step that is repeated: its slots in registers, or in rings."""

from abc import ABC, abstractmethod

from dfc.runtime.graph.layout import (
    DEPTH,
    FREE,
    HEAD,
    MASK,
    PEAK,
    TAIL,
    VISIBLE,
    Layout,
)
from dfc.runtime.graph.text import Text, Value

FAR = 1 << 62
"""More cycles than there are between any two."""


class EdgeCode(ABC):
    """
    An edge in the code of a step.

    `enter` gives what goes from round to round, `resume` takes it at the beginning of a round and
    `carried` gives it at its end, `leave` stores it. `visible` and `room` are the cycles that a
    firing waits for, `take` and `give` what it does to the edge.
    """

    def __init__(self, text: Text, layout: Layout, at: int, statistics: bool) -> None:
        edge = layout.graph.edges[at]
        self.text, self.layout, self.at = text, layout, at
        self.bounded, self.statistics = edge.depth is not None, statistics
        self.delay = layout.graph.node(edge.source).delay
        self.mask, self.visibles, self.frees, self.depth = (
            text.load(layout.edge(at, word)) for word in (MASK, VISIBLE, FREE, DEPTH)
        )
        self.head, self.tail = self.load(HEAD), self.load(TAIL)

    def load(self, word: int) -> Value:
        """A word of the edge."""
        return self.text.load(self.layout.edge(self.at, word))

    def store(self, value: Value, word: int) -> None:
        """Write a word of the edge."""
        self.text.store(value, self.layout.edge(self.at, word))

    def slot(self, ring: Value, token: Value) -> Value:
        """The word of a token in a ring."""
        return self.text.sum(self.text.binary("andi", token, self.mask), ring)

    @abstractmethod
    def enter(self) -> list[Value]:
        """What the first round begins with."""

    @abstractmethod
    def resume(self, values: list[Value]) -> None:
        """Begin a round with this."""

    @abstractmethod
    def carried(self) -> list[Value]:
        """What a round ends with."""

    @abstractmethod
    def leave(self, rounds: Value) -> None:
        """Store what the last round ended with."""

    @abstractmethod
    def visible(self, tokens: int) -> Value:
        """When the next tokens can be taken."""

    @abstractmethod
    def room(self, tokens: int) -> Value | None:
        """When there is room for the next tokens; None where there always is."""

    @abstractmethod
    def take(self, tokens: int, free: Value) -> None:
        """Take tokens whose rooms are free at a cycle."""

    @abstractmethod
    def give(self, tokens: int, visible: Value) -> None:
        """Give tokens that are visible at a cycle."""


class QueueCode(EdgeCode):
    """
    A short FIFO that gains and loses one token in each round: its slots are registers.

    `full` are the cycles at which its tokens can be taken, oldest first, `free` those at which
    its free rooms became free. A token counts where the room of one before it is not yet free:
    `apart[n]` is the least time from when a room is free until the token n behind is visible.
    """

    def __init__(
        self, text: Text, layout: Layout, at: int, statistics: bool, held: int
    ) -> None:
        super().__init__(text, layout, at, statistics)
        self.held, self.size = held, layout.graph.edges[at].depth or 0
        self.full: list[Value] = []
        self.free: list[Value] = []
        self.apart: list[Value] = []

    def enter(self) -> list[Value]:
        text = self.text
        tokens = (text.sum(self.head, at) for at in range(self.held))
        self.full = [text.load(self.slot(self.visibles, token)) for token in tokens]
        rooms = (text.sum(self.head, at) for at in range(self.held - self.size, 0))
        self.free = [text.load(self.slot(self.frees, token)) for token in rooms]
        if self.statistics:
            self.apart = [text.constant(FAR)] * (self.size - 1)
        return self.carried()

    def resume(self, values: list[Value]) -> None:
        self.full = values[: self.held]
        self.free = values[self.held : self.size]
        self.apart = values[self.size :]

    def carried(self) -> list[Value]:
        return [*self.full, *self.free, *self.apart]

    def visible(self, tokens: int) -> Value:
        return self.full[0]

    def room(self, tokens: int) -> Value:
        return self.free[0]

    def take(self, tokens: int, free: Value) -> None:
        self.full.pop(0)
        for behind, visible in enumerate(self.full[: self.size - 1], 1):
            self.meet(behind, visible, free)
        self.free.append(free)

    def give(self, tokens: int, visible: Value) -> None:
        for ahead in range(1, self.size):
            # free rooms begin with that of the token `size` before this one
            if self.size - ahead < len(self.free):
                self.meet(ahead, visible, self.free[self.size - ahead])
        self.free.pop(0)
        self.full.append(visible)

    def meet(self, apart: int, visible: Value, free: Value) -> None:
        """Look at two tokens once the times of both are known."""
        if self.statistics:
            between = self.text.less(visible, free)
            least = self.text.binary("minsi", self.apart[apart - 1], between)
            self.apart[apart - 1] = least

    def leave(self, rounds: Value) -> None:
        text = self.text
        head = text.sum(self.head, rounds)
        for at, value in enumerate(self.full):
            text.store(value, self.slot(self.visibles, text.sum(head, at)))
        for at, value in enumerate(self.free, self.held - self.size):
            text.store(value, self.slot(self.frees, text.sum(head, at)))
        self.store(head, HEAD)
        self.store(text.sum(self.tail, rounds), TAIL)
        if not self.statistics:
            return
        peak = text.binary("maxsi", self.load(PEAK), 1)
        for apart, least in enumerate(self.apart, 1):
            together = text.compare("slt", least, self.delay)
            more = text.binary("maxsi", peak, apart + 1)
            peak = text.select(together, more, peak)
        self.store(peak, PEAK)


class RingCode(EdgeCode):
    """Any other FIFO: the cycles of its tokens and rooms are in rings in memory."""

    def enter(self) -> list[Value]:
        self.peak = [self.load(PEAK)] if self.statistics else []
        return self.carried()

    def resume(self, values: list[Value]) -> None:
        self.head, self.tail, *self.peak = values

    def carried(self) -> list[Value]:
        return [self.head, self.tail, *self.peak]

    def leave(self, rounds: Value) -> None:
        for value, word in zip(self.carried(), (HEAD, TAIL, PEAK), strict=False):
            self.store(value, word)

    def visible(self, tokens: int) -> Value:
        last = self.text.sum(self.head, tokens - 1)
        return self.text.load(self.slot(self.visibles, last))

    def room(self, tokens: int) -> Value | None:
        if not self.bounded:
            return None
        last = self.text.less(self.text.sum(self.tail, tokens - 1), self.depth)
        return self.text.load(self.slot(self.frees, last))

    def take(self, tokens: int, free: Value) -> None:
        if self.bounded or self.statistics:
            self.fill(self.frees, self.head, tokens, free)
        if self.statistics:
            self.count_behind(free)
        self.head = self.text.sum(self.head, tokens)

    def give(self, tokens: int, visible: Value) -> None:
        self.fill(self.visibles, self.tail, tokens, visible)
        if self.statistics:
            self.count_ahead(self.text.sum(self.tail, tokens - 1), visible)
        self.tail = self.text.sum(self.tail, tokens)

    def fill(self, ring: Value, first: Value, tokens: int, cycle: Value) -> None:
        """Write one cycle for several tokens."""
        text = self.text
        if tokens == 1:
            text.store(cycle, self.slot(ring, first))
        else:
            text.each(
                tokens, lambda n: text.store(cycle, self.slot(ring, text.sum(first, n)))
            )

    def count_behind(self, free: Value) -> None:
        """The tokens behind the one that is taken which were given by then."""
        text = self.text
        latest = text.sum(free, self.delay - 1)

        def there(peak: Value) -> Value:
            token = text.sum(self.head, peak)
            known = text.compare("slt", token, self.tail)
            visible = text.load(self.slot(self.visibles, token))
            given = text.compare("sle", visible, latest)
            return text.op(f"arith.andi {known}, {given} : i1")

        self.peak = [text.search(self.peak[0], there, 1)]

    def count_ahead(self, token: Value, visible: Value) -> None:
        """The tokens before the one that is given whose rooms were not free by then."""
        text, (peak,) = self.text, self.peak
        cycle = text.less(visible, self.delay)
        taken = text.less(self.head, 1)
        start = text.binary("minsi", text.less(token, peak), taken)

        def held(before: Value) -> Value:
            free = text.load(self.slot(self.frees, before))
            later = text.compare("sgt", free, cycle)
            if self.bounded:
                return later
            known = text.compare("sle", text.less(token, before), self.mask)
            return text.op(f"arith.andi {later}, {known} : i1")

        end = text.search(start, held, -1)
        more = text.compare("slt", end, start)
        self.peak = [text.select(more, text.less(token, end), peak)]
