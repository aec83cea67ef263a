"""`--check-values` catches passes broken on purpose, at every level."""

from collections.abc import Callable
from functools import cache

import pytest
from xdsl.context import Context
from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import FloatAttr, ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

import dfc
from dfc.dialects.tier import CopyOp
from dfc.driver import run_passes
from dfc.errors import InputError
from dfc.pipelines import LEVELS
from dfc.value_check import ValueCheck

TEXT = """
#same = affine_map<(i, j) -> (i, j)>
func.func @main(%x: tensor<13x64xf32>, %y: tensor<13x64xf32>) -> tensor<13x64xf32> {
  %empty = tensor.empty() : tensor<13x64xf32>
  %z = linalg.generic {indexing_maps = [#same, #same, #same], iterator_types = ["parallel", "parallel"]} ins(%x, %y : tensor<13x64xf32>, tensor<13x64xf32>) outs(%empty : tensor<13x64xf32>) {
  ^bb0(%a: f32, %b: f32, %old: f32):
    %c = arith.constant 1.5 : f32
    %d = arith.subf %a, %b : f32
    %e = arith.mulf %d, %c : f32
    linalg.yield %e : f32
  } -> tensor<13x64xf32>
  func.return %z : tensor<13x64xf32>
}
"""


@cache
def program() -> dfc.Program:
    """The text on a machine so small that the rows take several tiles, the last over the edge."""
    small = {"tier.sram.capacity_mib": 0.0078125}
    return dfc.compile(TEXT, target="tiny-npu", overrides=small)


def change(module: ModuleOp, kind: type[Operation]) -> Operation:
    """The first op of a kind."""
    return next(op for op in module.walk() if isinstance(op, kind))


def wrong_constant(module: ModuleOp) -> None:
    """1.5 becomes 1.75."""
    for op in module.walk():
        if isinstance(op, arith.ConstantOp) and isinstance(op.value, FloatAttr):
            op.properties["value"] = FloatAttr(1.75, op.value.type)


def swapped_operands(module: ModuleOp) -> None:
    """a - b becomes b - a."""
    op = change(module, arith.SubfOp)
    op.operands = tuple(reversed(op.operands))


def lost_operand(module: ModuleOp) -> None:
    """a - b becomes a - a."""
    op = change(module, arith.SubfOp)
    op.operands = (op.operands[0], op.operands[0])


def dropped_last_tile(module: ModuleOp) -> None:
    """The loop over the tiles ends one early."""
    loop = change(module, scf.ForOp)
    assert isinstance(loop, scf.ForOp)
    end = arith.SubiOp(loop.ub, loop.step)
    loop.parent_block().insert_op_before(end, loop)
    loop.operands[1] = end.result


def copied_twice(module: ModuleOp) -> None:
    """The second input is read where the first is."""
    first, second = [op for op in module.walk() if isinstance(op, CopyOp)][:2]
    second.operands[0] = first.operands[0]


def broken(change: Callable[[ModuleOp], None]) -> ModulePass:
    """A pass that makes one change."""

    class BrokenPass(ModulePass):
        name = "broken"

        def apply(self, ctx: Context, op: ModuleOp) -> None:
            change(op)

    return BrokenPass()


def caught(level: str, change: Callable[[ModuleOp], None]) -> None:
    """Run the pass under the check."""
    module = program().module(level).clone()
    values = ValueCheck(module, 0)
    with pytest.raises(InputError, match=r"pass `broken` (changed|made)"):
        run_passes([broken(change)], module, program().context, values.after)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("change", [wrong_constant, swapped_operands, lost_operand])
def test_wrong_arithmetic_is_caught(level: str, change: Callable[[ModuleOp], None]):
    caught(level, change)


@pytest.mark.parametrize("change", [dropped_last_tile, copied_twice])
def test_wrong_movement_is_caught(change: Callable[[ModuleOp], None]):
    caught("program", change)
