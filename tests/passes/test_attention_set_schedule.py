"""What attention can be told, and that its values stay."""

import pytest
from attention_testing import Case
from pass_testing import apply_to_clone, check_values, ops_named
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import attention
from dfc.passes.attention_set_schedule import AttentionSetSchedulePass


@pytest.mark.parametrize("name", attention.SHORTHANDS)
def test_sets_the_schedule_and_no_value(name: str):
    module = Case(causal=True, window=2).module
    made = check_values(module, AttentionSetSchedulePass(name, 3))
    (op,) = ops_named(made, "attention.sdpa")
    assert op.schedule == attention.ScheduleAttr.named(name, 3)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("quick", 1, "expected a schedule of naive, reordered, .*, got `quick`"),
        ("naive", 0, "expected rows above 0, got 0"),
        ("reversed", 1, "schedule `reversed`: expected `causal`"),
        ("windowed", 1, "schedule `windowed`: expected a `window`"),
    ],
)
def test_refuses_what_no_attention_or_this_one_cannot_have(name, rows, message):
    with pytest.raises(PassFailedException, match=message):
        apply_to_clone(AttentionSetSchedulePass(name, rows), Case().module)
