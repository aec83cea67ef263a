"""`--check-values` passes what keeps values and names the pass that changes them."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from dfc.dialects.ternary import LinearOp
from dfc.driver import new_context, parse_module, run_passes
from dfc.errors import InputError
from dfc.value_check import ValueCheck

TEXT = """
func.func @main(%x: tensor<4x8xf32>, %w: tensor<6x8x!ternary.trit> {dfc.weight = "w"}, %s: tensor<f32>) -> tensor<4x6xf32> {
  %a = arith.addf %x, %x : tensor<4x8xf32>
  %y = ternary.linear %a, %w scale %s {dfc.origin = "layer:linear"} : (tensor<4x8xf32>, tensor<6x8x!ternary.trit>, tensor<f32>) -> tensor<4x6xf32>
  func.return %y : tensor<4x6xf32>
}
"""


@dataclass(frozen=True)
class DoublePass(ModulePass):
    """Computes 2 * x as x * x, which is broken."""

    name = "double"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for add in [o for o in op.walk() if isinstance(o, arith.AddfOp)]:
            product = arith.MulfOp(add.lhs, add.rhs)
            add.parent.insert_ops_before([product], add)
            add.result.replace_all_uses_with(product.result)
            add.detach()
            add.erase()


@dataclass(frozen=True)
class SwapPass(ModulePass):
    """Leaves everything as it is."""

    name = "swap"
    exact: ClassVar[bool] = True

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        pass


@dataclass(frozen=True)
class NudgePass(ModulePass):
    """Adds x / 2^22 to what is quantised: within float32's tolerance, not bit by bit."""

    name = "nudge"
    exact: ClassVar[bool] = False
    share: float = 2.0**-22

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for linear in [o for o in op.walk() if isinstance(o, LinearOp)]:
            factor = arith.ConstantOp(splat(1 + self.share, linear.x.type))
            scaled = arith.MulfOp(linear.x, factor.result)
            linear.parent.insert_ops_before([factor, scaled], linear)
            linear.operands[0] = scaled.result


def splat(value: float, kind):
    """A dense constant of one value."""
    from xdsl.dialects.builtin import DenseIntOrFPElementsAttr

    return DenseIntOrFPElementsAttr.from_list(kind, [value])


def check(*passes: ModulePass) -> ValueCheck:
    """Run passes on the text under the check."""
    context = new_context()
    module = parse_module(TEXT, context)
    values = ValueCheck(module, 0)
    run_passes(passes, module, context, values.after)
    return values


def test_a_pass_that_changes_nothing_is_equal_bit_by_bit():
    (row,) = check(SwapPass()).rows
    assert row == {
        "pass": "swap",
        "exact": True,
        "error": 0.0,
        "integers_differing": 0,
        "rounding_flips": 0,
    }


def test_a_broken_pass_is_named():
    with pytest.raises(InputError, match="pass `double` changed result 0 of `@main`"):
        check(SwapPass(), DoublePass())


def test_an_inexact_pass_is_compared_where_values_are_quantised():
    row, after = check(NudgePass(), SwapPass()).rows
    assert not row["exact"]
    assert 0 < row["error"] < 1e-5
    assert after["exact"]
    assert after["error"] == 0


def test_an_inexact_pass_beyond_the_tolerance_is_named():
    with pytest.raises(InputError, match="pass `nudge` changed"):
        check(NudgePass(share=0.01))


def test_the_same_pass_without_its_licence_is_named():
    @dataclass(frozen=True)
    class StrictPass(NudgePass):
        exact: ClassVar[bool] = True

    with pytest.raises(InputError, match="pass `nudge` changed"):
        check(StrictPass())
