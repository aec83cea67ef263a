"""Tests of the stream fabric: the firing of a node, with and without limits."""

import pytest
from machine_testing import body_of, cost

from dfc.dialects.attention import ScheduleAttr, SdpaOp
from dfc.runtime.machine import Access, Target, load_target
from dfc.runtime.machine.units.base import Firing

SCORE = """
%e = math.exp %a : tensor<1x480xf32>
%s = arith.addf %e, %a : tensor<1x480xf32>
"""
"""960 elementwise operations."""


def firing(target: Target, unit: str, ops: str = SCORE, tiles: int = 1) -> Firing:
    """A node's firing on a unit, its tokens being `1x480`."""
    body = body_of("%a: tensor<1x480xf32>", ops)
    access = Access(target, unit, ())
    return target.unit[unit].firing(body, access, tiles)


def test_without_limits_every_firing_takes_the_interval():
    target = load_target("stream-abstract")
    assert firing(target, "fabric") == Firing(latency=1, interval=1)
    slower = {"unit.fabric.latency_cycles": "6", "unit.fabric.interval_cycles": "3"}
    target = load_target("stream-abstract", slower)
    assert firing(target, "fabric") == Firing(latency=6, interval=3)


def test_lanes_stages_and_tiles_share_the_work_of_a_token():
    limits = {"unit.fabric.lanes": "8", "unit.fabric.stages": "6"}
    target = load_target("stream-abstract", limits)
    # 960 operations on 8 lanes x 6 stages
    assert firing(target, "fabric").interval == 20
    # on three tiles, 960 / 144 = 6.67, rounded up
    assert firing(target, "fabric", tiles=3).interval == 7
    # never below the interval
    assert firing(target, "fabric", tiles=10**6).interval == 1


def test_a_product_counts_its_multiply_accumulates():
    target = load_target("stream-abstract", {"unit.fabric.lanes": "8"})
    product = "%p = linalg.matmul ins(%a, %b : tensor<1x480xf32>, tensor<480x2xf32>) outs(%c : tensor<1x2xf32>) -> tensor<1x2xf32>"
    arguments = "%a: tensor<1x480xf32>, %b: tensor<480x2xf32>, %c: tensor<1x2xf32>"
    found = target.unit["fabric"].firing(
        body_of(arguments, product), Access(target, "fabric", ())
    )
    assert found.interval == 480 * 2 // 8


def test_ops_without_a_graph_are_one_firing():
    ops = body_of("%a: tensor<1x480xf32>", SCORE)
    assert cost(load_target("stream-abstract"), "fabric", ops).cycles == 1
    limited = load_target("stream-abstract", {"unit.fabric.lanes": "8"})
    assert cost(limited, "fabric", ops).cycles == 120


def test_other_kinds_fire_launch_after_launch():
    # 4 cycles overhead, exp at 4 and add at 1 tick for 480 elements on 64 lanes: 37.5
    found = firing(load_target("tiny-npu"), "vector")
    assert found == Firing(latency=42, interval=42)


def test_only_the_fabric_holds_graphs():
    assert load_target("stream-abstract").unit["fabric"].holds_graphs
    units = load_target("tiny-npu").unit.values()
    assert not any(unit.holds_graphs for unit in units)


def attention(options: str) -> SdpaOp:
    """Attention of two tokens with these options."""
    kind = "tensor<1x1x2x4xf32>"
    text = f"%y = attention.sdpa %q, %k, %v {{{options}}} : {kind}, {kind}, {kind} -> {kind}"
    (op,) = body_of(f"%q: {kind}, %k: {kind}, %v: {kind}", text)
    assert isinstance(op, SdpaOp)
    return op


@pytest.mark.parametrize(
    ("named", "options", "softmax", "order", "keys"),
    [
        ("reordered", "", "reordered", "forward", "reread"),
        ("reversed", "causal", "streaming", "reversed", "reread"),
        ("reversed", "", "streaming", "forward", "reread"),
        ("windowed", "causal, window = 2 : i64", "reordered", "forward", "held"),
        ("windowed", "causal", "streaming", "forward", "reread"),
    ],
)
def test_the_file_names_the_schedule_of_attention_without_one(
    named: str, options: str, softmax: str, order: str, keys: str
):
    target = load_target("stream-abstract", {"unit.fabric.schedule": named})
    found = target.unit["fabric"].schedule_of(attention(options))
    assert found == ScheduleAttr(softmax, order, keys)


def test_the_schedule_of_an_op_comes_first():
    own = attention("schedule = #attention.schedule<naive>")
    target = load_target("stream-abstract", {"unit.fabric.schedule": "streaming"})
    assert target.unit["fabric"].schedule_of(own) == own.schedule
