"""Timing is written from the unit's model, and values stay."""

import pytest
from pass_testing import FILECHECK, apply_to_clone, check_values, ops_named, parse
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects import stream
from dfc.passes.attach_target import AttachTargetPass
from dfc.passes.stream_set_timing import StreamSetTimingPass

GRAPHS = (FILECHECK / "stream_fold_nodes.mlir").read_text()
"""Every kind of node but a window and a converter."""


def test_every_node_takes_its_timing_and_values_stay():
    target = AttachTargetPass("stream-abstract", ("unit.fabric.latency_cycles=4",))
    after = check_values(parse(GRAPHS), target, StreamSetTimingPass())
    nodes = [op for op in after.walk() if isinstance(op, stream.NodeOp)]
    assert {(op.latency_cycles, op.interval_cycles) for op in nodes} == {(4, 1)}


def test_nodes_without_a_unit_need_one_that_holds_graphs():
    module = apply_to_clone(AttachTargetPass("tiny-npu"), parse(GRAPHS))
    with pytest.raises(
        PassFailedException, match=r"expected a unit on `stream[.]read`"
    ):
        apply_to_clone(StreamSetTimingPass(), module)


def test_a_unit_the_target_does_not_have():
    text = GRAPHS.replace("stream.map (%s", 'stream.map on "array" (%s', 1)
    module = apply_to_clone(AttachTargetPass("stream-abstract"), parse(text))
    with pytest.raises(PassFailedException, match=r"of fabric on .*, got `array`"):
        apply_to_clone(StreamSetTimingPass(), module)


def test_nodes_of_a_graph_that_is_timed_again_change():
    target = AttachTargetPass("stream-abstract", ("unit.fabric.interval_cycles=2",))
    once = apply_to_clone(AttachTargetPass("stream-abstract"), parse(GRAPHS))
    once = apply_to_clone(StreamSetTimingPass(), once)
    again = apply_to_clone(StreamSetTimingPass(), apply_to_clone(target, once))
    (first, *_) = ops_named(again, "stream.map")
    assert isinstance(first, stream.MapOp)
    assert first.interval_cycles == 2
