"""Every schedule's graph computes PyTorch's attention, and what a schedule cannot do is refused."""

from dataclasses import replace

import numpy as np
import pytest
from attention_testing import Case, levels, on_fabric, streamed
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pass_testing import apply_to_clone, check_values, ops_named
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import attention, stream
from dfc.passes.convert_attention_to_stream import ConvertAttentionToStreamPass
from dfc.runtime.interpreter import run

SCHEDULES = tuple(attention.SHORTHANDS)
TOLERANCE = {"f32": 1e-5, "f16": 2e-3, "bf16": 2e-2}


def error(
    case: Case,
    schedule: str | attention.ScheduleAttr,
    rows: int = 1,
    size: float = 1.0,
) -> float:
    """
    The largest difference to PyTorch's attention, in parts of the dtype's tolerance.

    Scores of hundreds are rounded to some 1e-5, and so are the logarithms of what is made of them.
    """
    inputs = case.inputs(size=size)
    (y,) = run(streamed(case.module, schedule, rows), "main", inputs)
    wanted = case.wanted(inputs)
    assert y.shape == wanted.shape
    assert y.dtype == inputs[0].dtype
    tolerance = TOLERANCE[case.dtype] + (3e-4 if size > 1 else 0)
    return float(np.abs(y.astype(np.float64) - wanted).max()) / tolerance


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Odd sizes, one token, windows larger than the sequence, grouped heads, caches."""
    groups = draw(st.integers(1, 2))
    rows, keys = draw(st.integers(1, 9)), draw(st.integers(1, 11))
    causal = draw(st.booleans())
    position = draw(st.none() | st.integers(0, max(0, keys - rows)))
    assume(position is None or rows <= keys)
    return Case(
        batch=draw(st.integers(1, 2)),
        heads=groups * draw(st.integers(1, 2)),
        groups=groups,
        rows=rows,
        keys=keys,
        depth=draw(st.sampled_from([1, 3, 4])),
        causal=causal,
        window=draw(st.none() | st.integers(1, 14)) if causal else None,
        position=position,
        mask=draw(st.booleans()),
        scale=draw(st.sampled_from([None, 0.25, -1.5])),
        softcap=draw(st.sampled_from([None, 2.0])),
        dtype=draw(st.sampled_from(["f32", "f16", "bf16"])),
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(case=cases(), rows=st.integers(1, 4), large=st.booleans())
def test_every_schedule_is_attention(schedule: str, case: Case, rows: int, large: bool):
    if schedule == "reversed":
        case = replace(case, causal=True)
    if schedule == "windowed":
        case = replace(
            case, causal=True, window=case.window or 3, position=None, mask=False,
            rows=min(case.rows, case.keys),
        )  # fmt: skip
        rows = 1
    # times 300, scores are up to some hundreds: their exponentials are not f32
    size = 300.0 if large and case.softcap is None else 1.0
    assert error(case, schedule, rows, size) < 1


COMBINATIONS = [
    attention.ScheduleAttr(softmax, order, keys, rows)
    for softmax in attention.SOFTMAXES
    for order, keys, rows in (("reversed", "reread", 3), ("forward", "held", 1))
    if order == "forward" or softmax in ("streaming", "unified_max")
]


@pytest.mark.parametrize("schedule", COMBINATIONS)
@pytest.mark.parametrize("size", [1.0, 300.0])
def test_schedules_without_a_name_are_attention_too(schedule, size: float):
    case = Case(heads=2, rows=7, keys=9, causal=True, window=4)
    assert error(case, schedule, size=size) < 1


@pytest.mark.parametrize("schedule", ["naive", "streaming", "unified_max"])
def test_a_row_whose_keys_are_all_hidden_gives_zeros(schedule: str):
    case = Case(mask=True)
    q, k, v, mask = case.inputs()
    mask[:, :, 2] = -np.inf
    (y,) = run(streamed(case.module, schedule), "main", [q, k, v, mask])
    assert not y[0, 0, 2].any()
    assert y[0, 0, 1].any()


def fell_back(case: Case, assumed_max: float, size: float) -> bool:
    """Whether the second kernel of `unified_max` ran."""
    module = streamed(case.module, "unified_max", assumed_max=assumed_max)
    (branch,) = ops_named(module, "scf.if")
    inputs = case.inputs(size=size)
    (wanted,) = run(module, "main", inputs)
    # another value in the second branch shows whether it is taken
    (kernel,) = [op for op in branch.true_region.block.ops if op.name == "accel.kernel"]
    branch.true_region.block.last_op.operands[0] = kernel.inputs[0]
    (y,) = run(module, "main", inputs)
    return not np.array_equal(y, wanted)


def test_unified_max_falls_back_where_a_score_is_above_the_assumed_maximum():
    case = Case(rows=6, keys=6)
    q, k, *_ = case.inputs()
    largest = float((q @ k.swapaxes(-1, -2)).max()) / 2
    assert not fell_back(case, largest + 0.01, 1)
    assert fell_back(case, largest - 0.01, 1)


def test_unified_max_falls_back_where_all_scores_are_far_below():
    case = Case(rows=6, keys=6)
    assert not fell_back(case, 60, 1)  # e^-60 = 2^-87
    assert fell_back(case, 80, 1)  # e^-80 = 2^-115


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_reversed_visits_no_key_behind_a_block(rows: int):
    module = streamed(Case(rows=7, keys=7, causal=True).module, "reversed", rows)
    (graph,) = ops_named(module, "stream.graph")
    blocks = -(-7 // rows)
    ends = [graph.bound.data.eval([0, 0, block], [])[0] for block in range(blocks)]
    assert ends == [rows * (blocks - block) for block in range(blocks)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_labels_are_the_papers_names(schedule: str):
    case = Case(causal=True, window=2)
    module = streamed(case.module, schedule)
    named = {
        "naive": "q k qk v rowmax sub exp rowsum div pv write",
        "reordered": "q k qk v rowmax sub exp rowsum pv div write",
        "streaming": "q k qk v scan sum pv div write",
        "reversed": "q k qk v scan sum pv div write",
        "windowed": "q k k_window qk v v_window rowmax sub exp rowsum pv div write",
        "unified_max": "q k qk v exp rowmax sum pv div flag write write_flag",
    }
    graph = ops_named(module, "stream.graph")[0]
    names = stream.node_names(graph)
    plain = ("stream.fork", "stream.repeat", "stream.yield")
    found = [names[op] for op in graph.body.block.ops if op.name not in plain]
    assert " ".join(found) == named[schedule]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_levels_below_compute_the_same_bits(schedule: str):
    case = Case(groups=2, heads=4, rows=5, keys=7, causal=True, window=3, dtype="f16")
    if schedule != "windowed":
        case = replace(case, position=1, mask=True)
    module = on_fabric(case, schedule, 2 if schedule in ("reversed", "naive") else 1)
    inputs = case.inputs()
    first, *others = [run(level, "main", inputs) for level in levels(module)]
    np.testing.assert_allclose(first[0], case.wanted(inputs), atol=2e-3)
    for other in others:
        np.testing.assert_array_equal(other[0], first[0])


def test_the_pass_keeps_values_for_the_value_check():
    case = Case(rows=3, keys=8, position=2, causal=True)
    check_values(case.module, ConvertAttentionToStreamPass())


def test_two_attentions_have_kernels_of_their_own_names():
    module = Case().module
    (op,) = ops_named(module, "attention.sdpa")
    again = op.clone()
    op.parent.insert_op_before(again, op)
    made = apply_to_clone(ConvertAttentionToStreamPass(), module)
    names = [kernel.sym.data for kernel in ops_named(made, "accel.kernel")]
    assert names == ["attention", "attention_2"]


@pytest.mark.parametrize(
    ("case", "rows", "message"),
    [
        (Case(causal=True, window=2, position=0), 1, "expected no position"),
        (Case(causal=True, window=2, mask=True), 1, "expected no mask"),
        (Case(causal=True, window=2), 2, "expected 1 query row for keys held, got 2"),
        (Case(causal=True, window=2, rows=5), 1, "a key for each of 5 .*, got 4"),
    ],
)
def test_what_held_keys_cannot_do_is_refused(case: Case, rows: int, message: str):
    with pytest.raises(PassFailedException, match=message):
        streamed(case.module, "windowed", rows)


def test_an_attention_without_keys_is_refused():
    with pytest.raises(PassFailedException, match="static sizes above 0"):
        streamed(Case(keys=0).module, "streaming")


def test_an_assumed_maximum_that_is_no_number_is_refused():
    with pytest.raises(PassFailedException, match="finite assumed maximum, got nan"):
        apply_to_clone(ConvertAttentionToStreamPass(float("nan")), Case().module)
