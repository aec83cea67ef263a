"""Graphs that a unit holds as a whole compute the same on tensors, on buffers and in a launch."""

from pathlib import Path

import numpy as np
import pytest
from lowering import random_values, same, values
from pass_testing import apply_to_clone, ops_named, parse
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from dfc.passes.convert_stream_to_accel import ConvertStreamToAccelPass
from dfc.passes.place_buffers import PlaceBuffersPass
from dfc.passes.verify_placement import VerifyPlacementPass

HELD = """
#same = affine_map<(i, j) -> (i, j)>
!x = !stream.stream<tensor<2x16xf32>, [4], affine_map<(d0) -> (d0, 0)>>
!b = !stream.stream<tensor<2x16xi1>, [4], affine_map<(d0) -> (d0, 0)>>
builtin.module attributes {accel.target = "stream-abstract"} {
  func.func @main(%x: tensor<8x16xf32>, %z: tensor<8x16xf32>) -> (tensor<8x16xf32>, tensor<8x16xi1>) {
    %y, %m = accel.kernel "compare" ins(%x, %z : tensor<8x16xf32>, tensor<8x16xf32>) -> (tensor<8x16xf32>, tensor<8x16xi1>) {
    ^bb0(%x1: tensor<8x16xf32>, %z1: tensor<8x16xf32>):
      %g:2 = stream.graph -> tensor<8x16xi1>, tensor<8x16xf32> {
        %s = stream.read %x1 : tensor<8x16xf32> -> !x
        %f = stream.fifo %s depth 3 : !x
        %r = stream.read %z1 {in_place} : tensor<8x16xf32> -> !x
        %t, %u = stream.map on "fabric" (%f, %r : !x, !x) -> (!x, !b) {
        ^bb1(%v: tensor<2x16xf32>, %w: tensor<2x16xf32>):
          %a = arith.addf %v, %w : tensor<2x16xf32>
          %e = tensor.empty() : tensor<2x16xi1>
          %c = linalg.generic {indexing_maps = [#same, #same, #same], iterator_types = ["parallel", "parallel"]} ins(%v, %w : tensor<2x16xf32>, tensor<2x16xf32>) outs(%e : tensor<2x16xi1>) {
          ^bb2(%i: f32, %j: f32, %o: i1):
            %k = arith.cmpf ogt, %i, %j : f32
            linalg.yield %k : i1
          } -> tensor<2x16xi1>
          stream.yield %a, %c : tensor<2x16xf32>, tensor<2x16xi1>
        } {label = "compare"}
        %p = stream.write %t {label = "sums"} : !x -> tensor<8x16xf32>
        %q = stream.write %u : !b -> tensor<8x16xi1>
        stream.yield %q, %p : tensor<8x16xi1>, tensor<8x16xf32>
      }
      accel.yield %g#1, %g#0 : tensor<8x16xf32>, tensor<8x16xi1>
    }
    func.return %y, %m : tensor<8x16xf32>, tensor<8x16xi1>
  }
}
"""


def placed(module: ModuleOp) -> ModuleOp:
    """A tiled module at placed."""
    return apply_to_clone(
        VerifyPlacementPass(), apply_to_clone(PlaceBuffersPass(), module)
    )


def test_a_held_graph_computes_the_same_at_every_level():
    module = parse(HELD)
    given = random_values(module)
    sums, larger = values(module, given)
    assert np.array_equal(sums, given[0][0] + given[0][1])
    assert np.array_equal(larger, given[0][0] > given[0][1])
    buffers = placed(module)
    assert same((sums, larger), values(buffers, given))
    program = apply_to_clone(ConvertStreamToAccelPass(), buffers)
    assert same((sums, larger), values(program, given))


def test_a_held_graph_is_one_launch_and_keeps_its_nodes_and_depths():
    program = apply_to_clone(ConvertStreamToAccelPass(), placed(parse(HELD)))
    (launch,) = ops_named(program, "accel.launch")
    assert [op.name for op in launch.regions[0].block.ops] == [
        "stream.graph",
        "accel.yield",
    ]
    nodes = [op.name for op in launch.regions[0].block.first_op.regions[0].block.ops]
    assert nodes == [
        *("stream.read", "stream.fifo", "stream.read", "stream.map"),
        *("stream.write", "stream.write", "stream.yield"),
    ]
    labels = {str(op.properties.get("label")) for op in program.walk()}
    assert labels >= {'"sums"', '"compare"'}
    assert not ops_named(program, "tier.copy")


TWO_TIERS = """
name = "two-tiers"
description = "a fabric that works in another memory than the host's"
source = "invented"
clock_mhz = 1000
host_tier = "memory"

[control]
launch_cycles = 0
copy_cycles = 0

[unit.fabric]
kind = "stream-fabric"
data_tier = "fast"
STREAMS

[tier.fast]
capacity_kib = 64

[tier.memory]
capacity_mib = 64
"""


def on_two_tiers(path: Path, streams: str) -> ModuleOp:
    """The held graph for a fabric that reaches the host's memory by `streams` only."""
    file = path / "two-tiers.toml"
    file.write_text(TWO_TIERS.replace("STREAMS", streams))
    return parse(HELD.replace('"stream-abstract"', f'"{file}"'))


def test_a_fabric_reaches_its_own_tier_and_those_it_streams_from(tmp_path: Path):
    module = on_two_tiers(tmp_path, 'streams = ["memory"]')
    given = random_values(module)
    assert same(values(module, given), values(placed(module), given))


def test_an_operand_out_of_reach_is_an_error(tmp_path: Path):
    with pytest.raises(PassFailedException, match="reaches fast, got an operand in"):
        placed(on_two_tiers(tmp_path, ""))


def test_a_graph_is_on_one_fabric_or_on_none(tmp_path: Path):
    other = """
        %t2 = stream.map on "vector" (%t : !x) -> (!x) {
        ^bb3(%o: tensor<2x16xf32>):
          stream.yield %o : tensor<2x16xf32>
        }
        %p = stream.write %t2"""
    file = tmp_path / "two-units.toml"
    text = TWO_TIERS.replace("two-tiers", "two-units").replace("STREAMS", "") + VECTOR
    file.write_text(text)
    mixed = HELD.replace("%p = stream.write %t", other)
    with pytest.raises(PassFailedException, match="got one on `vector`"):
        placed(parse(mixed.replace('"stream-abstract"', f'"{file}"')))


VECTOR = """
[unit.vector]
kind = "vector"
data_tier = "fast"
lanes = 8

[unit.vector.dtype.f32]
cycles_per_element = { default = 1 }
"""


def test_a_graph_has_no_more_tiles_than_its_unit():
    limits = '"stream-abstract", accel.target_set = {"unit.fabric.tiles" = 4 : i64}'
    text = HELD.replace('"stream-abstract"', limits)
    placed(parse(text))
    many = text.replace('{label = "compare"}', "{accel.tiles = 5 : i64}")
    with pytest.raises(
        PassFailedException, match="at most 4 tiles on unit `fabric`, got 5"
    ):
        placed(parse(many))


ALL = """
!b = !stream.stream<tensor<1xi1>, [3, 4], affine_map<(d0, d1) -> (d0 * 4 + d1)>>
!r = !stream.stream<tensor<1xi1>, [3], affine_map<(d0) -> (d0)>>
builtin.module attributes {accel.target = "stream-abstract"} {
  func.func @main(%x: tensor<12xi1>) -> tensor<3xi1> {
    %y = accel.kernel "all" ins(%x : tensor<12xi1>) -> (tensor<3xi1>) {
    ^bb0(%x1: tensor<12xi1>):
      %g = stream.graph -> tensor<3xi1> {
        %s = stream.read %x1 : tensor<12xi1> -> !b
        %t = stream.reduce on "fabric" (%s : !b) inits [true] -> (!r) {
        ^bb1(%old: tensor<1xi1>, %v: tensor<1xi1>):
          %a = arith.andi %old, %v : tensor<1xi1>
          stream.yield %a : tensor<1xi1>
        }
        %p = stream.write %t : !r -> tensor<3xi1>
        stream.yield %p : tensor<3xi1>
      }
      accel.yield %g : tensor<3xi1>
    }
    func.return %y : tensor<3xi1>
  }
}
"""


def test_a_reduction_of_bits_starts_from_a_bit():
    module = parse(ALL)
    bits = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 0]], bool)
    given = ([bits.reshape(12)], {})
    for level in (module, placed(module)):
        (found,) = values(level, given)
        assert found.astype(bool).tolist() == [True, False, False]
