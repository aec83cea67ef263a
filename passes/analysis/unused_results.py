"""
Leave out what a structured op works out beside its results that are used.

    %m, %at = linalg.generic {…} ins(%x) outs(%a, %b) {     // a maximum and where it is; %at is not used
      %i = linalg.index 1
      …
      linalg.yield %max, %index
    }
  -->
    %m = linalg.generic {…} ins(%x) outs(%a) { … linalg.yield %max }
"""

from __future__ import annotations

from xdsl.dialects.builtin import ArrayAttr
from xdsl.dialects.linalg.ops import GenericOp
from xdsl.ir import Block
from xdsl.rewriter import Rewriter

from dfc.passes.analysis.equal_ops import is_pure


def drop_unused_results(block: Block) -> None:
    """Rebuild the structured ops of a block without the results that nobody uses, unless none is used."""
    for op in list(block.ops):
        if isinstance(op, GenericOp):
            used = [index for index, value in enumerate(op.res) if value.uses]
            if used and len(used) < len(op.res):
                _keep(op, used)


def _keep(op: GenericOp, used: list[int]) -> None:
    """Keep these results, where the body works out the others for themselves alone."""
    region, first = op.body.clone(), len(op.inputs)
    body, last = region.block, region.block.last_op
    assert last is not None
    last.operands = [last.operands[index] for index in used]
    _drop_dead(body)
    others = [body.args[first + i] for i in range(len(op.res)) if i not in used]
    if any(argument.uses for argument in others):
        return
    for argument in others:
        body.erase_arg(argument)
    maps = list(op.indexing_maps)
    new = GenericOp(
        op.inputs,
        [op.outputs[index] for index in used],
        region,
        ArrayAttr([*maps[:first], *(maps[first + index] for index in used)]),
        op.iterator_types,
        [op.res[index].type for index in used],
    )
    new.attributes |= op.attributes
    results = dict(zip(used, new.res, strict=True))
    Rewriter.replace_op(op, new, [results.get(i) for i in range(len(op.res))])


def _drop_dead(block: Block) -> None:
    """Erase ops whose results nobody uses, from the last to the first."""
    for op in reversed(list(block.ops)):
        if is_pure(op) and not any(result.uses for result in op.results):
            op.detach()
            op.erase()
