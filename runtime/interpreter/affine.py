"""Operands of `linalg` ops in the space of their loops."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.ir.affine import AffineConstantExpr, AffineDimExpr, AffineExpr, AffineMap

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array


def loop_sizes(
    maps: Sequence[AffineMap], shapes: Sequence[Sequence[int]]
) -> tuple[int, ...]:
    """How often each loop runs: a loop that indexes a dimension alone has its size."""
    sizes: dict[int, int] = {}
    for one, shape in zip(maps, shapes, strict=True):
        for expr, size in zip(one.results, shape, strict=True):
            if isinstance(expr, AffineDimExpr):
                sizes.setdefault(expr.position, size)
    missing = [d for d in range(maps[0].num_dims) if d not in sizes]
    if missing:
        raise ExecutionError(f"no operand says how often the loops {missing} run")
    return tuple(sizes[d] for d in range(maps[0].num_dims))


def projected(one: AffineMap) -> tuple[int | None, ...] | None:
    """The loop of each dimension (None where it is the constant 0); None if not that simple."""
    loops: list[int | None] = []
    for expr in one.results:
        if isinstance(expr, AffineDimExpr) and expr.position not in loops:
            loops.append(expr.position)
        elif isinstance(expr, AffineConstantExpr) and expr.value == 0:
            loops.append(None)
        else:
            return None
    return tuple(loops)


def in_loops(array: Array, one: AffineMap, sizes: tuple[int, ...]) -> Array:
    """
    An operand with one axis per loop; loops that do not index it have size 1.

    A view where the map permutes and drops loops, gathered elements otherwise.
    """
    loops = projected(one)
    if loops is None:
        return gathered(array, one, sizes)
    constants = tuple(axis for axis, loop in enumerate(loops) if loop is None)
    if constants:
        array = array[
            tuple(0 if a in constants else slice(None) for a in range(array.ndim))
        ]
    present = [loop for loop in loops if loop is not None]
    order = sorted(range(len(present)), key=lambda axis: present[axis])
    missing = [d for d in range(len(sizes)) if d not in present]
    return np.expand_dims(np.transpose(array, order), missing)


def gathered(array: Array, one: AffineMap, sizes: tuple[int, ...]) -> Array:
    """The elements a map of any form selects, over the loops it uses."""
    used = {e.position for r in one.results for e in dims_of(r)}
    grid = np.ogrid[tuple(slice(n if d in used else 1) for d, n in enumerate(sizes))]
    index = tuple(evaluate(expr, grid) for expr in one.results)
    return array[index]


def dims_of(expr: AffineExpr) -> list[AffineDimExpr]:
    """The loops an expression uses."""
    return [e for e in expr.dfs() if isinstance(e, AffineDimExpr)]


def evaluate(expr: AffineExpr, grid: Sequence[Array]) -> Any:
    """An affine expression over whole index arrays."""
    return expr.eval(list(grid), [])  # pyright: ignore[reportArgumentType]


def from_loops(
    value: Any, one: AffineMap, sizes: tuple[int, ...], shape: tuple[int, ...]
) -> Array:
    """A result over the loops (1 where reduced) in the shape and order of its output."""
    loops = projected(one)
    if loops is None:
        raise ExecutionError(f"no way is known to write through the map `{one}`")
    present = [loop for loop in loops if loop is not None]
    kept = tuple(n if d in present else 1 for d, n in enumerate(sizes))
    full = np.broadcast_to(np.asarray(value), kept)
    dropped = tuple(d for d in range(len(sizes)) if d not in present)
    ascending = sorted(present)
    moved = np.squeeze(full, dropped).transpose([ascending.index(d) for d in present])
    return np.ascontiguousarray(moved).reshape(shape)
