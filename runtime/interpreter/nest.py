"""A structured op of `linalg` over its loops: all at once, by reduction, or loop by loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.interpreter import PythonValues
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.ir.affine import AffineExpr, AffineMap

from dfc.runtime.interpreter.affine import from_loops, in_loops, loop_sizes, projected
from dfc.runtime.interpreter.contraction import accumulator, contract
from dfc.runtime.interpreter.dtypes import Array, is_array, typed
from dfc.runtime.interpreter.evaluator import Evaluator, Loops

REDUCERS: dict[type[Operation], np.ufunc] = {
    arith.AddfOp: np.add,
    arith.AddiOp: np.add,
    arith.MulfOp: np.multiply,
    arith.MuliOp: np.multiply,
    arith.MaximumfOp: np.maximum,
    arith.MinimumfOp: np.minimum,
    arith.MaxnumfOp: np.fmax,
    arith.MinnumfOp: np.fmin,
    arith.MaxSIOp: np.maximum,
    arith.MinSIOp: np.minimum,
    arith.AndIOp: np.bitwise_and,
    arith.OrIOp: np.bitwise_or,
}
"""Ops that fold an accumulator with a value, in any order."""


@dataclass
class Nest:
    """One structured op: its loops, its operands over them, its results' maps and shapes."""

    block: Block
    sizes: tuple[int, ...]
    reduced: frozenset[int]
    operands: list[Any]
    """One array per body argument, an axis per loop; the old outputs last."""
    out_maps: list[AffineMap]
    out_shapes: list[tuple[int, ...]]
    types: Sequence[Any]
    firings: int = 0
    """1 when the first loop is over the firings of the body that the op stands in."""

    def space(self, fixed: dict[int, int] | None = None) -> Loops:
        """The loops as `linalg.index` sees them."""
        return Loops(self.sizes, fixed or {}, self.firings)

    def results(self, values: Sequence[Any]) -> PythonValues:
        """Results over the loops, in the shape of the outputs."""
        return tuple(
            typed(from_loops(value, one, self.sizes, shape), kind)
            for value, one, shape, kind in zip(
                values, self.out_maps, self.out_shapes, self.types, strict=True
            )
        )


def over_firings(one: AffineMap, own: bool) -> AffineMap:
    """A map behind one more loop, which indexes the operand's first axis if it has `own` values."""
    dims = [AffineExpr.dimension(d + 1) for d in range(one.num_dims)]
    moved = one.replace_dims_and_symbols(dims, [], one.num_dims + 1, 0).results
    first = (AffineExpr.dimension(0),) if own else ()
    return AffineMap(one.num_dims + 1, 0, (*first, *moved))


def run_structured(
    evaluator: Evaluator,
    op: LinalgStructuredOperation,
    args: PythonValues,
    own: Sequence[bool] = (),
) -> PythonValues:
    """
    Any op of `linalg` that has maps, iterators and a body.

    With `own` it runs for many firings at once: an operand that has its own value in each has
    one more axis in front, as all results do, and the last operands, which they replace.
    """
    maps = [one.data for one in op.get_indexing_maps()]
    kinds = [str(kind.data) for kind in op.get_iterator_types()]
    if own:
        maps = [over_firings(one, each) for one, each in zip(maps, own, strict=True)]
        kinds = ["parallel", *kinds]
    sizes = loop_sizes(maps, [np.shape(arg) for arg in args])
    reduced = frozenset(d for d, kind in enumerate(kinds) if kind != "parallel")
    inputs = len(op.inputs)
    nest = Nest(
        block=op.body.block,
        sizes=sizes,
        reduced=reduced,
        operands=[
            in_loops(arg, one, sizes) if is_array(arg) else arg
            for arg, one in zip(args, maps, strict=True)
        ],
        out_maps=maps[inputs:],
        out_shapes=[np.shape(arg) for arg in args[inputs:]],
        types=[value.type for value in op.outputs],
        firings=int(bool(own)),
    )
    return nest.results(run_nest(evaluator, nest))


def run_nest(evaluator: Evaluator, nest: Nest) -> Sequence[Any]:
    """The results over the loops: all at once, by reduction, or reduced loop by loop."""
    if not nest.reduced:
        with evaluator.loop_space(nest.space()):
            return evaluator.run_block(nest.block, nest.operands)
    folds = find_folds(nest.block, len(nest.out_maps))
    if folds is None or any(projected(one) is None for one in nest.out_maps):
        return run_in_order(evaluator, nest)
    return [reduce(evaluator, nest, fold) for fold in folds]


@dataclass
class Fold:
    """One yield of the form `old op value`, where nothing else depends on old outputs."""

    op: Operation
    old: BlockArgument
    value: SSAValue


def find_folds(block: Block, outputs: int) -> list[Fold] | None:
    """The folds a body yields, or None when it is not of that form."""
    last = block.last_op
    olds = block.args[-outputs:]
    if last is None or any(len(tuple(old.uses)) != 1 for old in olds):
        return None
    folds: list[Fold] = []
    for old, yielded in zip(olds, last.operands, strict=True):
        op = yielded.owner
        if not isinstance(op, Operation) or type(op) not in REDUCERS:
            return None
        if old not in op.operands or len(tuple(yielded.uses)) != 1:
            return None
        a, b = op.operands
        folds.append(Fold(op, old, b if a is old else a))
    return folds


def reduce(evaluator: Evaluator, nest: Nest, fold: Fold) -> Any:
    """One folded output: a contraction, or the body's values folded by a ufunc."""
    old = nest.operands[fold.old.index]
    factors = product_of(fold)
    if factors is not None:
        a, b = values_over(evaluator, nest, factors)
        total = contract(a, b, nest.sizes, nest.reduced)
        return np.add(old, total, dtype=accumulator(np.result_type(old, total)))
    (value,) = values_over(evaluator, nest, [fold.value])
    ufunc = REDUCERS[type(fold.op)]
    full = np.broadcast_to(value, np.broadcast_shapes(value.shape, reduced_shape(nest)))
    wide = accumulator(full.dtype) if ufunc in (np.add, np.multiply) else full.dtype
    if full.dtype == np.bool_:
        wide = full.dtype
    full = full.astype(wide, copy=False)
    folded = ufunc.reduce(full, axis=tuple(nest.reduced), keepdims=True)
    return ufunc(old.astype(wide, copy=False), folded)


def reduced_shape(nest: Nest) -> tuple[int, ...]:
    """Full size in the reduced loops, 1 elsewhere: constants are folded as often as they occur."""
    return tuple(n if d in nest.reduced else 1 for d, n in enumerate(nest.sizes))


def product_of(fold: Fold) -> tuple[SSAValue, SSAValue] | None:
    """The two factors of a sum of products whose sums do not wrap on the way."""
    op = fold.value.owner
    if isinstance(fold.op, arith.AddfOp) and isinstance(op, arith.MulfOp):
        return op.lhs, op.rhs
    if isinstance(fold.op, arith.AddiOp) and isinstance(op, arith.MuliOp):
        return op.lhs, op.rhs
    return None


def values_over(
    evaluator: Evaluator, nest: Nest, wanted: Sequence[SSAValue]
) -> list[Array]:
    """Some values of the body over the loops, with an axis per loop, and only what they need."""
    needed: set[Operation] = set()
    stack = [value.owner for value in wanted]
    while stack:
        op = stack.pop()
        if isinstance(op, Operation) and op.parent is nest.block and op not in needed:
            needed.add(op)
            stack += [value.owner for value in op.operands]
    with evaluator.loop_space(nest.space()):
        evaluator.push_scope()
        evaluator.set_values(zip(nest.block.args, nest.operands, strict=True))
        for op in nest.block.ops:
            if op in needed:
                results = evaluator.run_op(op, evaluator.get_values(op.operands))
                evaluator.set_values(zip(op.results, results, strict=True))
        found = evaluator.get_values(wanted)
        evaluator.pop_scope()
    rank = len(nest.sizes)
    return [a.reshape((1,) * (rank - a.ndim) + a.shape) for a in map(np.asarray, found)]


def run_in_order(evaluator: Evaluator, nest: Nest) -> Sequence[Any]:
    """Runs the reduced loops one by one, the parallel ones as arrays."""
    outputs = len(nest.out_maps)
    inputs, olds = nest.operands[:-outputs], nest.operands[-outputs:]
    order = sorted(nest.reduced)
    for at in product(*(range(nest.sizes[d]) for d in order)):
        fixed = dict(zip(order, at, strict=True))
        with evaluator.loop_space(nest.space(fixed)):
            args = [at_trip(value, fixed) for value in inputs]
            olds = evaluator.run_block(nest.block, [*args, *olds])
    return olds


def at_trip(value: Any, fixed: dict[int, int]) -> Any:
    """An operand at one trip of the reduced loops; their axes stay, with size 1."""
    if not is_array(value):
        return value
    index = [slice(None)] * value.ndim
    for d, i in fixed.items():
        at = i if value.shape[d] > 1 else 0
        index[d] = slice(at, at + 1)
    return value[tuple(index)]
