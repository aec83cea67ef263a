"""Tests of attach-target: what stands in the module, and what is refused."""

import pytest
from pass_testing import apply_to_clone, check_values, parse

from dfc.passes.attach_target import AttachTargetPass
from dfc.runtime.errors import TargetError
from dfc.runtime.machine import target_of

MODULE = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = arith.addf %x, %x : tensor<4xf32>
  func.return %y : tensor<4xf32>
}
"""


def test_values_stay():
    check_values(parse(MODULE), AttachTargetPass("tiny-npu"))


def test_target_is_read_back_with_its_overrides():
    sets = ("clock_mhz=400", "unit.array.rows=16", "unit.vector.chained=true")
    target = target_of(
        apply_to_clone(AttachTargetPass("tiny-npu", sets), parse(MODULE))
    )
    assert target.name == "tiny-npu"
    assert target.clock_mhz.value == 400
    assert target.unit["array"].rows.value == 16
    assert target.unit["vector"].chained is True


def test_second_target_replaces_the_first_and_its_overrides():
    module = apply_to_clone(
        AttachTargetPass("tiny-npu", ("clock_mhz=1",)), parse(MODULE)
    )
    module = apply_to_clone(AttachTargetPass("tellme-kv260"), module)
    assert target_of(module).name == "tellme-kv260"
    assert "accel.target_set" not in module.attributes


@pytest.mark.parametrize(
    ("target", "sets", "message"),
    [
        ("tiny-mpu", (), "did you mean `tiny-npu`"),
        ("tiny-npu", ("clock_mhz",), "expected `KEY=VALUE` in `set`, got `clock_mhz`"),
        ("tiny-npu", ("clock_mhz=-1",), "clock_mhz"),
        ("tiny-npu", ("unit.arrays.rows=1",), "unit.arrays"),
    ],
)
def test_bad_options_are_one_sentence(target: str, sets: tuple[str, ...], message: str):
    with pytest.raises(TargetError) as caught:
        apply_to_clone(AttachTargetPass(target, sets), parse(MODULE))
    assert message in str(caught.value)
