"""What depends on weights alone: the arguments that are weights, and the ops behind them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from dfc.passes.analysis.equal_ops import is_pure, operands_of
from dfc.passes.analysis.functions import (
    WEIGHTS,
    argument_attributes,
    callees_first,
    calls,
    is_private,
)

WEIGHT = "dfc.weight"


@dataclass(frozen=True)
class WeightWork:
    """
    The ops of a function that depend on its weights alone, in order.

    `constants` are the ops without inputs that they stand on, `frontier` the values that the
    rest of the function uses.
    """

    ops: tuple[Operation, ...]
    constants: tuple[Operation, ...]
    frontier: tuple[SSAValue, ...]


def weight_work(function: FuncOp, weights: Collection[SSAValue]) -> WeightWork:
    """What of a function's body depends on `weights` alone."""
    known, free = set(weights), set[SSAValue]()
    found: dict[Operation, None] = {}
    for op in function.body.block.ops:
        inputs = operands_of(op)
        if not is_pure(op) or not all(v in known or v in free for v in inputs):
            continue
        if not any(value in known for value in inputs):
            free.update(op.results)
        elif all(isinstance(result.type, TensorType) for result in op.results):
            found[op] = None
            known.update(op.results)
    frontier = [r for op in found for r in op.results if _is_used_outside(r, found)]
    return WeightWork(tuple(found), _constants(found, free), tuple(frontier))


def _is_used_outside(value: SSAValue, ops: Mapping[Operation, None]) -> bool:
    """Whether an op of the function that is not among `ops` uses a value."""
    block = value.owner.parent if isinstance(value.owner, Operation) else value.owner
    tops = (
        block.find_ancestor_op_in_block(use.operation) if block is not None else None
        for use in value.uses
    )
    return any(top not in ops for top in tops)


def _constants(
    ops: Iterable[Operation], free: Collection[SSAValue]
) -> tuple[Operation, ...]:
    """The ops that make the free values that `ops` read, directly or not, in order."""
    needed: set[Operation] = set()
    work = [value for op in ops for value in operands_of(op) if value in free]
    while work:
        owner = work.pop().owner
        if isinstance(owner, Operation) and owner not in needed:
            needed.add(owner)
            work += operands_of(owner)
    block = next((op.parent for op in needed), None)
    return () if block is None else tuple(op for op in block.ops if op in needed)


def weight_arguments(module: ModuleOp) -> dict[FuncOp, set[BlockArgument]]:
    """
    The arguments of each function that depend on weights alone.

    An entry function's have `dfc.weight`; a private function's are those that get nothing else
    at any call.
    """
    found: dict[FuncOp, set[BlockArgument]] = {}
    sites = calls(module)
    depending: dict[FuncOp, set[SSAValue]] = {}
    for function in reversed(callees_first(module)):
        if function.sym_name.data == WEIGHTS:
            continue
        if is_private(function):
            own = _given_weights(function, sites, depending)
        else:
            rows = argument_attributes(function)
            own = {
                a for a, row in zip(function.args, rows, strict=True) if WEIGHT in row
            }
        found[function] = own
        work = weight_work(function, own)
        depending[function] = {*own, *(r for op in work.ops for r in op.results)}
    return found


def _given_weights(
    function: FuncOp,
    sites: Mapping[str, list[CallOp]],
    depending: Mapping[FuncOp, set[SSAValue]],
) -> set[BlockArgument]:
    """The arguments of a private function that every call gives weights."""
    own = set(function.args)
    for site in sites.get(function.sym_name.data, ()):
        caller = site.parent_op()
        known = depending[caller] if isinstance(caller, FuncOp) else set[SSAValue]()
        own &= {
            a for a, o in zip(function.args, site.arguments, strict=True) if o in known
        }
    return own if sites.get(function.sym_name.data) else set()
