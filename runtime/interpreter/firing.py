"""Firings of a stream node's body: one at a time, or many at once where the tokens are small."""

from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from xdsl.interpreter import PythonValues
from xdsl.ir import Attribute, SSAValue

from dfc.dialects import stream
from dfc.dialects.stream import stream_type
from dfc.runtime.interpreter.batch import Batch
from dfc.runtime.interpreter.dtypes import Array, constant, dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.tokens import taken
from dfc.runtime.interpreter.trips import Trip, trip_at

Compute = stream.MapOp | stream.ReduceOp | stream.ScanOp
"""The nodes that have a body."""

ELEMENTS = 2**16
"""The most elements of one value in the firings that run at once."""


def fire(
    evaluator: Evaluator, op: Compute, trip: Trip, args: Sequence[Any]
) -> PythonValues:
    """One run of a node's body; its tokens are contiguous, so that sums are formed alike."""
    evaluator.trips.append(trip)
    results = evaluator.run_block(op.body.block, args)
    evaluator.trips.pop()
    return tuple(np.ascontiguousarray(value) for value in results)


def states(op: Compute) -> list[Attribute]:
    """The types of the values that a firing hands to the next."""
    if isinstance(op, stream.ReduceOp):
        return [stream_type(result).token for result in op.outputs]
    return op.states if isinstance(op, stream.ScanOp) else []


def initial(op: Compute) -> list[Array]:
    """These values before the first firing."""
    if isinstance(op, stream.MapOp):
        return []
    return [
        np.full(shape_of(kind), constant(init), dtype_of(kind))
        for init, kind in zip(op.inits, states(op), strict=True)
    ]


class Body:
    """The body of a node over whole streams."""

    def __init__(
        self,
        evaluator: Evaluator,
        op: Compute,
        counts: tuple[int, ...],
        tokens: Sequence[Array],
        controls: Sequence[Any],
    ) -> None:
        self.evaluator = evaluator
        self.op = op
        self.counts = counts
        self.tokens = tokens
        self.controls = controls
        self.ranks = [len(stream_type(value).counts) for value in op.streams]
        self.states = len(states(op))

    @cached_property
    def at_once(self) -> int:
        """How many firings run at once."""
        ops = [value for op in self.op.body.walk() for value in op.results]
        values = [*self.op.body.block.args, *ops]
        largest = max((prod(shape_of(value.type)) for value in values), default=1)
        return max(1, ELEMENTS // max(1, largest))

    @cached_property
    def batch(self) -> Batch:
        """The body for many firings; a token that is held in all of them is not their own."""
        args = self.op.body.block.args
        tokens = args[self.states : self.states + len(self.ranks)]
        given = zip(tokens, self.ranks, self.tokens, strict=True)
        held = {arg: token for arg, rank, token in given if not rank}
        rest = zip(args[self.states + len(tokens) :], self.controls, strict=True)
        shared: dict[SSAValue, Any] = {**held, **dict(rest)}
        own: set[SSAValue] = {arg for arg in args if arg not in shared}
        return Batch(self.evaluator, self.op.body.block, own, shared)

    def fire(self, numbers: Array, olds: Sequence[Array] = ()) -> list[Array]:
        """What the trips with these numbers yield, from the states before them; an axis over the trips."""
        parts = [
            self._fire(
                numbers[at : at + self.at_once],
                [old[at : at + self.at_once] for old in olds],
            )
            for at in range(0, len(numbers), self.at_once)
        ]
        return [np.concatenate(each) for each in zip(*parts, strict=True)]

    def _fire(self, numbers: Array, olds: Sequence[Array]) -> Sequence[Array]:
        tokens = [
            taken(stream, rank, self.counts, numbers)
            for stream, rank in zip(self.tokens, self.ranks, strict=True)
        ]
        args = [*olds, *tokens]
        if len(numbers) == 1:
            trip = trip_at(int(numbers[0]), self.counts)
            first = [np.ascontiguousarray(arg[0]) for arg in args]
            made = fire(self.evaluator, self.op, trip, [*first, *self.controls])
            return [value[None] for value in made]
        given = zip(self.op.body.block.args, args, strict=False)
        own = [(arg, value) for arg, value in given if arg in self.batch.own]
        return self.batch.run(np.unravel_index(numbers, self.counts), own)
