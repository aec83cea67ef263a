"""Tests of the dimension classes: what is tiled together, scaled, reduced or never cut."""

import pytest
from pass_testing import function, parse
from xdsl.ir import SSAValue

from dfc.passes.analysis.dimension_classes import Classes, analyse

LINEAR = """
func.func @f(%q: tensor<8x64xi8>, %w: tensor<32x64x!ternary.trit>, %s: tensor<8xf32>, %c: tensor<f32>) {
  %a = ternary.matmul %q, %w : (tensor<8x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<8x32xi32>
  %y = ternary.dequantize %a, %s, %c : (tensor<8x32xi32>, tensor<8xf32>, tensor<f32>) -> tensor<8x32xf32>
  %h = tensor.expand_shape %y [[0], [1, 2]] output_shape [8, 4, 8] : tensor<8x32xf32> into tensor<8x4x8xf32>
  %e = tensor.empty() : tensor<4x8x8xf32>
  %t = linalg.transpose ins(%h:tensor<8x4x8xf32>) outs(%e:tensor<4x8x8xf32>) permutation = [1, 0, 2]
  func.return
}
"""

NORM = """
#row = affine_map<(m, d) -> (m, d)>
#sum = affine_map<(m, d) -> (m)>
func.func @f(%x: tensor<8x64xf32>, %init: tensor<8xf32>, %out: tensor<8x64xf32>) {
  %n = linalg.generic {indexing_maps = [#row, #sum], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<8x64xf32>) outs(%init : tensor<8xf32>) {
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#row, #sum, #row], iterator_types = ["parallel", "parallel"]} ins(%x, %n : tensor<8x64xf32>, tensor<8xf32>) outs(%out : tensor<8x64xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %r = arith.mulf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x64xf32>
  func.return
}
"""


def classes(text: str) -> tuple[Classes, dict[str, SSAValue]]:
    """The classes of the ops of @f, and its values by name."""
    func = function(parse(text), "f")
    ops = [op for op in func.body.block.ops if op.name != "func.return"]
    values = [*func.args, *(result for op in ops for result in op.results)]
    return analyse(ops), {value.name_hint: value for value in values if value.name_hint}


def kinds(found: Classes, value: SSAValue) -> list[tuple[str, int, int]]:
    """Kind, size and scale of each dimension of a value."""
    return [(c.kind, c.size, scale) for c, scale in found.dims(value)]


def test_matmul_has_two_parallel_classes_and_a_reduction():
    found, v = classes(LINEAR)
    assert kinds(found, v["q"]) == [("parallel", 8, 1), ("reduction", 64, 1)]
    assert found.class_of(v["q"], 1) == found.class_of(v["w"], 1)
    assert found.class_of(v["q"], 0) == found.class_of(v["s"], 0)
    assert found.class_of(v["w"], 0) != found.class_of(v["q"], 0)


def test_reshape_scales_the_outermost_dimension_and_keeps_the_inner_whole():
    found, v = classes(LINEAR)
    assert kinds(found, v["h"]) == [
        ("parallel", 8, 1),
        ("parallel", 4, 1),
        ("whole", 1, 8),
    ]
    assert kinds(found, v["w"])[0] == ("parallel", 4, 8)
    assert found.class_of(v["h"], 1)[0] == found.class_of(v["a"], 1)[0]


def test_transpose_moves_classes_with_its_dimensions():
    found, v = classes(LINEAR)
    assert found.class_of(v["t"], 0) == found.class_of(v["h"], 1)
    assert found.class_of(v["t"], 1) == found.class_of(v["h"], 0)


def test_tile_shape_scales_with_the_class():
    found, v = classes(LINEAR)
    heads, _ = found.class_of(v["h"], 1)
    assert found.tile_shape(v["y"], {heads: 2}) == (8, 16)
    assert found.tile_shape(v["t"], {heads: 2}) == (2, 8, 8)
    assert found.tile_shape(v["w"], {heads: 9}) == (32, 64)


def test_reduced_dimension_that_is_used_again_is_whole():
    found, v = classes(NORM)
    assert kinds(found, v["x"]) == [("parallel", 8, 1), ("whole", 1, 64)]
    (whole,) = (c for c, _ in found.dims(v["x"]) if c.kind == "whole")
    assert whole.reason == "used again after `linalg.generic`"


def test_reduction_alone_is_accumulated():
    found, v = classes(NORM.replace("ins(%x, %n :", "ins(%out, %n :"))
    assert kinds(found, v["x"]) == [("parallel", 8, 1), ("reduction", 64, 1)]


def test_slices_and_concatenations_are_whole_where_they_cut():
    found, v = classes("""
    func.func @f(%x: tensor<8x64xf32>) {
      %a = tensor.extract_slice %x[0, 0] [8, 32] [1, 1] : tensor<8x64xf32> to tensor<8x32xf32>
      %y = tensor.concat dim(1) %a, %a : (tensor<8x32xf32>, tensor<8x32xf32>) -> tensor<8x64xf32>
      func.return
    }""")
    assert kinds(found, v["y"]) == [("parallel", 8, 1), ("whole", 1, 64)]
    assert kinds(found, v["a"]) == [("parallel", 8, 1), ("whole", 1, 32)]


def test_grouped_attention_walks_several_query_heads_per_key_head():
    found, v = classes("""
    func.func @f(%q: tensor<1x8x4x16xf32>, %k: tensor<1x2x32x16xf32>) {
      %y = attention.sdpa %q, %k, %k {causal} : tensor<1x8x4x16xf32>, tensor<1x2x32x16xf32>, tensor<1x2x32x16xf32> -> tensor<1x8x4x16xf32>
      func.return
    }""")
    assert kinds(found, v["q"])[1:] == [
        ("parallel", 2, 4),
        ("parallel", 4, 1),
        ("whole", 1, 16),
    ]
    assert kinds(found, v["k"])[1:] == [
        ("parallel", 2, 1),
        ("whole", 1, 32),
        ("whole", 1, 16),
    ]


@pytest.mark.parametrize(
    ("first", "second", "size", "scale"),
    [([4, 8], [8, 4], 4, 8), ([2, 16], [2, 16], 2, 16)],
)
def test_two_reshapes_of_one_dimension_meet_in_common_tiles(
    first: list[int], second: list[int], size: int, scale: int
):
    found, v = classes(f"""
    func.func @f(%x: tensor<32xf32>) {{
      %a = tensor.expand_shape %x [[0, 1]] output_shape {first} : tensor<32xf32> into tensor<{first[0]}x{first[1]}xf32>
      %b = tensor.expand_shape %x [[0, 1]] output_shape {second} : tensor<32xf32> into tensor<{second[0]}x{second[1]}xf32>
      func.return
    }}""")
    assert kinds(found, v["x"]) == [("parallel", size, scale)]
    assert kinds(found, v["b"])[0] == ("parallel", size, second[0] // size)


def test_dimension_indexed_in_the_body_and_gathered_tables_are_whole():
    found, v = classes("""
    func.func @f(%ids: tensor<8xi64>, %table: tensor<32x16xf32>, %out: tensor<8x16xf32>) {
      %y = linalg.generic {indexing_maps = [affine_map<(m, d) -> (m)>, affine_map<(m, d) -> (m, d)>], iterator_types = ["parallel", "parallel"]} ins(%ids : tensor<8xi64>) outs(%out : tensor<8x16xf32>) {
      ^bb0(%id: i64, %o: f32):
        %i = arith.index_cast %id : i64 to index
        %j = linalg.index 1 : index
        %r = tensor.extract %table[%i, %j] : tensor<32x16xf32>
        linalg.yield %r : f32
      } -> tensor<8x16xf32>
      func.return
    }""")
    assert kinds(found, v["y"]) == [("parallel", 8, 1), ("whole", 1, 16)]
    assert kinds(found, v["table"]) == [("whole", 1, 32), ("whole", 1, 16)]


def test_a_dimension_walked_along_twice_is_whole():
    found, v = classes("""
    func.func @f(%x: tensor<8x8xf32>) {
      %t = linalg.transpose ins(%x:tensor<8x8xf32>) outs(%x:tensor<8x8xf32>) permutation = [1, 0]
      func.return
    }""")
    assert kinds(found, v["t"]) == [("whole", 1, 8), ("whole", 1, 8)]
