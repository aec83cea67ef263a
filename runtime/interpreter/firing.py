"""One firing of a stream node, on tensors and on buffers alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.interpreter import PythonValues

from dfc.dialects import stream
from dfc.dialects.stream import stream_type
from dfc.runtime.interpreter.dtypes import Array, constant, dtype_of, shape_of
from dfc.runtime.interpreter.evaluator import Evaluator
from dfc.runtime.interpreter.tiles import Trip


def fire(
    evaluator: Evaluator,
    op: stream.MapOp | stream.ReduceOp,
    trip: Trip,
    args: Sequence[Any],
) -> PythonValues:
    """One run of a node's body; its tokens are contiguous, so that sums are formed alike."""
    evaluator.trips.append(trip)
    results = evaluator.run_block(op.body.block, args)
    evaluator.trips.pop()
    return tuple(np.ascontiguousarray(value) for value in results)


def initial(op: stream.ReduceOp) -> list[Array]:
    """The accumulators of a reduce before its first token."""
    return [
        np.full(shape_of(kind.token), constant(init), dtype_of(kind.token))
        for init, kind in zip(op.inits, map(stream_type, op.outputs), strict=True)
    ]
