"""What is verified again after a pass: everything that the pass may have broken."""

import pytest
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp, StringAttr, UnitAttr, f32, i32
from xdsl.dialects.func import CallOp, FuncOp, ReturnOp
from xdsl.ir import Operation
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import VerifyException

from dfc.driver import new_context, parse_module
from dfc.verification import Verifier

TEXT = """
func.func @add(%a: f32, %b: f32) -> f32 {
  %y = arith.addf %a, %b : f32
  func.return %y : f32
}
func.func @mul(%a: f32, %b: f32) -> f32 {
  %y = arith.mulf %a, %b : f32
  func.return %y : f32
}
func.func @both(%a: f32, %b: f32) -> f32 {
  %y = func.call @add(%a, %b) : (f32, f32) -> f32
  func.return %y : f32
}
"""


@pytest.fixture
def module() -> ModuleOp:
    """Two functions and a third that calls the first."""
    return parse_module(TEXT, new_context())


def first(module: ModuleOp, kind: type[Operation]) -> Operation:
    """The first op of a kind."""
    return next(op for op in module.walk() if isinstance(op, kind))


def verified(module: ModuleOp, monkeypatch: pytest.MonkeyPatch) -> Verifier:
    """A verifier of the module; from now on, verifying the product is an error."""

    def refuse(_: Operation) -> None:
        raise AssertionError("verified again")

    monkeypatch.setattr(arith.MulfOp, "verify_", refuse)
    return Verifier(module)


def test_an_untouched_function_is_left_out(
    module: ModuleOp, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = verified(module, monkeypatch)
    first(module, arith.AddfOp).attributes["note"] = UnitAttr()
    verifier.verify()


def test_a_touched_function_is_verified(
    module: ModuleOp, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = verified(module, monkeypatch)
    first(module, arith.MulfOp).attributes["note"] = UnitAttr()
    with pytest.raises(AssertionError, match="verified again"):
        verifier.verify()


def test_a_moved_attribute_is_a_change(
    module: ModuleOp, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = first(module, arith.MulfOp)
    verifier = verified(module, monkeypatch)
    product.attributes["fastmath"] = product.properties.pop("fastmath")
    with pytest.raises(AssertionError, match="verified again"):
        verifier.verify()


def test_a_new_argument_type_is_verified(module: ModuleOp) -> None:
    verifier = Verifier(module)
    function = first(module, FuncOp)
    assert isinstance(function, FuncOp)
    Rewriter.replace_value_with_new_type(function.args[0], i32)
    with pytest.raises(VerifyException):
        verifier.verify()


def test_a_call_is_verified_when_its_callee_changes(module: ModuleOp) -> None:
    verifier = Verifier(module)
    callee = first(module, FuncOp)
    assert isinstance(callee, FuncOp)
    for argument in callee.args:
        argument.replace_all_uses_with(callee.args[1])
    callee.body.block.erase_arg(callee.args[0])
    callee.update_function_type()
    with pytest.raises(VerifyException, match="number of operands"):
        verifier.verify()


def test_two_functions_of_one_name_are_found(module: ModuleOp) -> None:
    verifier = Verifier(module)
    added = FuncOp("mul", ((), ()))
    added.body.block.add_op(ReturnOp())
    module.body.block.add_op(added)
    with pytest.raises(VerifyException, match="mul"):
        verifier.verify()


def test_what_was_verified_last_is_the_measure(module: ModuleOp) -> None:
    verifier = Verifier(module)
    product = first(module, arith.MulfOp)
    product.attributes["note"] = StringAttr("once")
    verifier.verify()
    Rewriter.replace_value_with_new_type(product.results[0], i32)
    with pytest.raises(VerifyException):
        verifier.verify()
    call = first(module, CallOp)
    assert call.results[0].type == f32
