"""Whole streams, firing by firing and token by token: one graph gives the same values in all three ways."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_testing import cell, parse, results, row_of
from xdsl.dialects import math
from xdsl.ir.affine import AffineExpr, AffineMap

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import run
from dfc.runtime.interpreter.dtypes import BFLOAT16
from dfc.runtime.interpreter.elementwise import UNARY
from dfc.runtime.interpreter.trips import Firings, Rows

rng = np.random.default_rng(0)
quick = settings(deadline=None, max_examples=40, derandomize=True)


def vector(trips: str, map: str, size: int = 1, kind: str = "f32") -> str:
    """A stream of 1-d tokens."""
    return f"!stream.stream<tensor<{size}x{kind}>, {trips}, affine_map<{map}>>"


def scanned(rows: int, columns: int, over: int, head: str = "stream.graph") -> str:
    """Sums so far, and the whole sums of the rows."""
    s, r, e = cell(rows, columns), row_of(rows), "tensor<1x1xf32>"
    x = f"tensor<{rows}x{columns}xf32>"
    return f"""
func.func @f(%x: {x}, %n: index) -> ({x}, tensor<{rows}x1xf32>) {{
  %0, %1 = {head} -> {x}, tensor<{rows}x1xf32> {{
    %s = stream.read %x {{in_place}} : {x} -> {s}
    %a, %b = stream.fork %s : {s} -> ({s}, {s})
    %t = stream.scan (%a : {s}) inits [0.0 : f32] over {over} -> ({s}) {{
    ^bb0(%sum: {e}, %v: {e}):
      %more = arith.addf %sum, %v : {e}
      stream.yield %more, %more : {e}, {e}
    }}
    %u = stream.reduce (%b : {s}) inits [0.0 : f32] -> ({r}) {{
    ^bb0(%sum: {e}, %v: {e}):
      %more = arith.addf %sum, %v : {e}
      stream.yield %more : {e}
    }}
    %y = stream.write %t : {s} -> {x}
    %z = stream.write %u : {r} -> tensor<{rows}x1xf32>
    stream.yield %y, %z : {x}, tensor<{rows}x1xf32>
  }}
  func.return %0, %1 : {x}, tensor<{rows}x1xf32>
}}
"""


@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (1, 1), (4, 1), (1, 7)])
def test_a_scan_starts_anew_with_each_row(rows: int, columns: int):
    x = rng.integers(-9, 9, (rows, columns)).astype(np.float32)
    y, z = results(parse(scanned(rows, columns, 1)), [x, 0])
    np.testing.assert_array_equal(y, x.cumsum(1))
    np.testing.assert_array_equal(z, x.sum(1, keepdims=True))


def test_a_scan_over_two_trips_goes_on_behind_a_row():
    x = rng.integers(-9, 9, (3, 5)).astype(np.float32)
    y, _ = results(parse(scanned(3, 5, 2)), [x, 0])
    np.testing.assert_array_equal(y, x.cumsum().reshape(3, 5))


@pytest.mark.parametrize("position", [-9, 0, 1, 2, 7])
def test_rows_end_at_the_bound(position: int):
    # row i has i + position + 1 tokens, at least 1 and at most 5
    head = "stream.graph bound affine_map<(d0)[s0] -> (d0 + s0 + 1)> (%n)"
    x = rng.integers(-9, 9, (3, 5)).astype(np.float32)
    y, z = results(parse(scanned(3, 5, 1, head)), [x, position])
    lengths = np.clip(np.arange(3) + position + 1, 1, 5)
    inside = np.arange(5) < lengths[:, None]
    np.testing.assert_array_equal(y, np.where(inside, x.cumsum(1), 0))
    np.testing.assert_array_equal(z, np.where(inside, x, 0).sum(1, keepdims=True))


def between(x: str, source: str, made: str, node: str, y: str) -> str:
    """A graph of one node between a read and a write."""
    return f"""
func.func @f(%x: {x}) -> {y} {{
  %r = stream.graph -> {y} {{
    %s = stream.read %x : {x} -> {source}
    {node}
    %y = stream.write %t : {made} -> {y}
    stream.yield %y : {y}
  }}
  func.return %r : {y}
}}
"""


def test_a_fifo_with_tokens_delays():
    s = cell(2, 3)
    node = f"%t = stream.fifo %s depth 3 initial [7.0 : f32, 8.0 : f32] : {s}"
    text = between("tensor<2x3xf32>", s, s, node, "tensor<2x3xf32>")
    x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    (y,) = results(parse(text), [x])
    np.testing.assert_array_equal(y, [[7, 8, 1], [2, 3, 4]])


def test_more_initial_tokens_than_trips():
    s = vector("[1]", "(d0) -> (d0)")
    node = f"%t = stream.fifo %s depth 2 initial [7.0 : f32, 8.0 : f32] : {s}"
    text = between("tensor<1xf32>", s, s, node, "tensor<1xf32>")
    (y,) = results(parse(text), [np.array([1], np.float32)])
    np.testing.assert_array_equal(y, [7])


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_a_window_starts_anew_with_each_row(size: int):
    s = cell(2, 4)
    made = f"!stream.stream<tensor<1x1xf32>, [2, 4, {size}], affine_map<(i, j, k) -> (i, j + k - {size - 1})>>"
    out = f"!stream.stream<tensor<1x1xf32>, [2, 4, {size}], affine_map<(i, j, k) -> (i, j * {size} + k)>>"
    node = f"""%w = stream.window %s size {size} fill -1.0 : f32 : {s} -> {made}
    %t = stream.map (%w : {made}) -> ({out}) {{
    ^bb0(%v: tensor<1x1xf32>):
      stream.yield %v : tensor<1x1xf32>
    }}"""
    text = between("tensor<2x4xf32>", s, out, node, f"tensor<2x{4 * size}xf32>")
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    (y,) = results(parse(text), [x])
    want = [
        [x[i, j + k - size + 1] if j + k >= size - 1 else -1 for j in range(4) for k in range(size)]
        for i in range(2)
    ]  # fmt: skip
    np.testing.assert_array_equal(y, want)


def test_a_repeat_holds_its_token():
    s = vector("[3]", "(d0) -> (d0)")
    made = vector("[3, 2]", "(d0, d1) -> (d0)")
    out = vector("[3, 2]", "(d0, d1) -> (d1 * 3 + d0)")
    node = f"""%w = stream.repeat %s : {s} -> {made}
    %t = stream.map (%w : {made}) -> ({out}) {{
    ^bb0(%v: tensor<1xf32>):
      %j = stream.index 1
      %k = arith.index_cast %j : index to i32
      %f = arith.sitofp %k : i32 to f32
      %g = tensor.splat %f : tensor<1xf32>
      %y = arith.addf %v, %g : tensor<1xf32>
      stream.yield %y : tensor<1xf32>
    }}"""
    text = between("tensor<3xf32>", s, out, node, "tensor<6xf32>")
    (y,) = results(parse(text), [np.array([1, 2, 3], np.float32)])
    np.testing.assert_array_equal(y, [1, 2, 3, 2, 3, 4])


@quick
@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 3), st.integers(1, 3), st.booleans(),
)  # fmt: skip
def test_a_convert_changes_no_value(
    rows: int, columns: int, a: int, b: int, c: int, d: int, turned: bool
):
    def tiles(m: int, n: int, turned: bool) -> str:
        grid = [-(-rows // m), -(-columns // n)]
        tile = "(j, i)" if turned else "(i, j)"
        trips = grid[::-1] if turned else grid
        return f"!stream.stream<tensor<{m}x{n}xf32>, {trips}, affine_map<(i, j) -> {tile}>>"

    source, made = tiles(a, b, False), tiles(c, d, turned)
    x = f"tensor<{rows}x{columns}xf32>"
    text = between(x, source, made, f"%t = stream.convert %s : {source} -> {made}", x)
    value = np.arange(1, rows * columns + 1, dtype=np.float32).reshape(rows, columns)
    (y,) = results(parse(text), [value])
    np.testing.assert_array_equal(y, value)


PLACES: dict[str, Callable[[int, int], tuple[int, int]]] = {
    "(d0 floordiv 2, d1)": lambda i, j: (i // 2, j),
    "(d0 floordiv 2, 1 - d1)": lambda i, j: (i // 2, 1 - j),
    "(1 - d0 mod 2, d1)": lambda i, j: (1 - i % 2, j),
    "(1 - d1, d1)": lambda i, j: (1 - j, j),
    "(1, 1)": lambda i, j: (1, 1),
}
"""Maps of streams, and what they say."""


@pytest.mark.parametrize("tile", PLACES)
def test_a_read_takes_the_tiles_of_its_map(tile: str):
    dims = "(d0, d1, d2)"
    source = f"!stream.stream<tensor<2x3xf32>, [4, 2, 3], affine_map<{dims} -> {tile}>>"
    made = f"!stream.stream<tensor<2x3xf32>, [4, 2, 3], affine_map<{dims} -> (d0, d1 * 3 + d2)>>"
    node = f"""%t = stream.map (%s : {source}) -> ({made}) {{
    ^bb0(%v: tensor<2x3xf32>):
      stream.yield %v : tensor<2x3xf32>
    }}"""
    # the second tile of each dimension stands over
    text = between("tensor<3x5xf32>", source, made, node, "tensor<8x18xf32>")
    x = rng.standard_normal((3, 5)).astype(np.float32)
    (y,) = results(parse(text), [x])
    padded = np.pad(x, ((0, 1), (0, 1)))
    for i, j, k in np.ndindex(4, 2, 3):
        a, b = PLACES[tile](i, j)
        part = y[2 * i :, 9 * j + 3 * k :][:2, :3]
        want = padded[2 * a : 2 * a + 2, 3 * b : 3 * b + 3]
        np.testing.assert_array_equal(part, want)


def test_a_cycle_runs_token_by_token():
    s = vector("[5]", "(d0) -> (d0)")
    node = f"""%t, %n = stream.map (%s, %back : {s}, {s}) -> ({s}, {s}) {{
    ^bb0(%v: tensor<1xf32>, %sum: tensor<1xf32>):
      %more = arith.addf %sum, %v : tensor<1xf32>
      stream.yield %more, %more : tensor<1xf32>, tensor<1xf32>
    }}
    %back = stream.fifo %n depth 2 initial [0.0 : f32] : {s}"""
    text = between("tensor<5xf32>", s, s, node, "tensor<5xf32>")
    x = np.arange(5, dtype=np.float32)
    (y,) = results(parse(text), [x])
    np.testing.assert_array_equal(y, x.cumsum())
    # a slot is free only after the firing that takes from it: one slot is not enough
    with pytest.raises(ExecutionError, match=r"deadlock: .*waits for room in"):
        run(parse(text.replace("depth 2", "depth 1")), "f", [x])


BODIES = {
    "select by a scalar": """
      %i = stream.index 1
      %c = arith.constant 2 : index
      %b = arith.cmpi slt, %i, %c : index
      %y = arith.select %b, %v, %w : T""",
    "select by element": """
      %b = arith.cmpf olt, %v, %w : T
      %y = arith.select %b, %v, %w : T""",
    "a scalar of each firing": """
      %z = arith.constant 0 : index
      %s = tensor.extract %v[%z, %z] : T
      %e = math.exp %s : f32
      %y = tensor.splat %e : T""",
    "elements": """
      %z = arith.constant 0 : index
      %s = tensor.extract %v[%z, %z] : T
      %k = arith.constant 2.0 : f32
      %y = tensor.from_elements %s, %k, %s : T""",
    "a place that differs": """
      %z = arith.constant 0 : index
      %i = stream.index 0
      %s = tensor.extract %v[%z, %i] : T
      %y = tensor.splat %s : T""",
    "a sum over the token": """
      %z = arith.constant dense<0.5> : tensor<1xf32>
      %l = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%v : T) outs(%z : tensor<1xf32>) {
      ^bb1(%a: f32, %old: f32):
        %n = arith.addf %a, %old : f32
        linalg.yield %n : f32
      } -> tensor<1xf32>
      %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%l : tensor<1xf32>) outs(%w : T) {
      ^bb1(%a: f32, %old: f32):
        %j = linalg.index 1 : index
        %k = arith.index_cast %j : index to i32
        %f = arith.sitofp %k : i32 to f32
        %d = arith.divf %old, %a : f32
        %n = arith.addf %d, %f : f32
        linalg.yield %n : f32
      } -> T""",
    "a body that captures": """
      %z = arith.constant 0 : index
      %s = tensor.extract %v[%z, %z] : T
      %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} outs(%v : T) {
      ^bb1(%old: f32):
        %n = arith.mulf %old, %s : f32
        linalg.yield %n : f32
      } -> T""",
    "shapes": """
      %c = tensor.collapse_shape %v [[0, 1]] : T into tensor<3xf32>
      %p = tensor.extract_slice %c[1] [2] [1] : tensor<3xf32> to tensor<2xf32>
      %q = tensor.insert_slice %p into %c[0] [2] [1] : tensor<2xf32> into tensor<3xf32>
      %y = tensor.expand_shape %q [[0, 1]] output_shape [1, 3] : tensor<3xf32> into T""",
    "a fill": """
      %z = arith.constant 0 : index
      %s = tensor.extract %v[%z, %z] : T
      %e = tensor.empty() : T
      %f = linalg.fill ins(%s : f32) outs(%e : T) -> T
      %y = arith.addf %f, %w : T""",
    "a branch": """
      %i = stream.index 0
      %c = arith.constant 1 : index
      %b = arith.cmpi eq, %i, %c : index
      %y = scf.if %b -> (T) {
        %n = arith.negf %v : T
        scf.yield %n : T
      } else {
        scf.yield %w : T
      }""",
    "the same for all": """
      %y = arith.constant dense<3.0> : T""",
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_body_in_many_firings_is_that_of_each(name: str):
    s = "!stream.stream<tensor<1x3xf32>, [3, 4], affine_map<(i, j) -> (i, j)>>"
    held = "!stream.stream<tensor<1x3xf32>, [], affine_map<() -> (0, 0)>>"
    text = f"""
func.func @f(%x: tensor<3x12xf32>, %x2: tensor<1x3xf32>) -> tensor<3x12xf32> {{
  %r = stream.graph -> tensor<3x12xf32> {{
    %in = stream.read %x : tensor<3x12xf32> -> {s}
    %h = stream.read %x2 : tensor<1x3xf32> -> {held}
    %t = stream.map (%in, %h : {s}, {held}) -> ({s}) {{
    ^bb0(%v: T, %w: T):{BODIES[name]}
      stream.yield %y : T
    }}
    %y = stream.write %t : {s} -> tensor<3x12xf32>
    stream.yield %y : tensor<3x12xf32>
  }}
  func.return %r : tensor<3x12xf32>
}}
""".replace(" T", " tensor<1x3xf32>").replace("(T)", "(tensor<1x3xf32>)")
    x = rng.standard_normal((3, 12)).astype(np.float32)
    z = rng.standard_normal((1, 3)).astype(np.float32)
    (y,) = results(parse(text), [x, z])
    assert np.isfinite(y).all()


def test_a_tile_that_comes_twice_keeps_the_later_token():
    s = vector("[4]", "(d0) -> (d0)")
    made = vector("[4]", "(d0) -> (d0 floordiv 2)")
    node = f"""%t = stream.map (%s : {s}) -> ({made}) {{
    ^bb0(%v: tensor<1xf32>):
      stream.yield %v : tensor<1xf32>
    }}"""
    text = between("tensor<4xf32>", s, made, node, "tensor<2xf32>")
    (y,) = results(parse(text), [np.array([1, 2, 3, 4], np.float32)])
    np.testing.assert_array_equal(y, [2, 4])


CHAIN = """
  stream.graph BOUND RESULT {{
    %s0 = stream.read %x : {x} -> {s}
    %s = stream.fifo %s0 depth 2{a} : {s}
    %t0 = stream.scan (%s : {s}) inits [0.0 : f32] over 1 -> ({s}) {{
    ^bb1(%sum: tensor<1x1xf32>, %v: tensor<1x1xf32>):
      %more = arith.addf %sum, %v : tensor<1x1xf32>
      stream.yield %more, %more : tensor<1x1xf32>, tensor<1x1xf32>
    }} {{label = "sums"}}
    %t = stream.fifo %t0 depth 3 initial [9.0 : f32]{b} : {s}
    %u = stream.window %t size 2 : {s} -> {w}
    %m0 = stream.reduce (%u : {w}) inits [0.0 : f32] -> ({s}) {{
    ^bb1(%sum: tensor<1x1xf32>, %v: tensor<1x1xf32>):
      %more = arith.addf %sum, %v : tensor<1x1xf32>
      stream.yield %more : tensor<1x1xf32>
    }}
    %m = stream.fifo %m0 depth 1{c} : {s}
    %n = stream.convert %m : {s} -> {v}
    %y = stream.write %n TO
  }}
"""


def test_new_nodes_on_buffers_are_those_on_tensors():
    s, w = (
        cell(3, 4),
        "!stream.stream<tensor<1x1xf32>, [3, 4, 2], affine_map<(i, j, k) -> (i, j + k - 1)>>",
    )
    v = "!stream.stream<tensor<2x2xf32>, [2, 2], affine_map<(i, j) -> (i, j)>>"
    tensor, buffer = "tensor<3x4xf32>", 'memref<3x4xf32, "ddr">'
    on_tensors = CHAIN.format(x=tensor, s=s, w=w, v=v, a="", b="", c="")
    on_tensors = on_tensors.replace("BOUND RESULT", f"-> {tensor}").replace(
        "TO", f": {v} -> {tensor}\n    stream.yield %y : {tensor}"
    )
    places = [f' tier "sram" offset {at}' for at in (0, 8, 20)]
    on_buffers = CHAIN.format(
        x=buffer, s=s, w=w, v=v, a=places[0], b=places[1], c=places[2]
    )
    on_buffers = (
        on_buffers.replace("BOUND RESULT ", "")
        .replace("%y = ", "")
        .replace("TO", f"to %b : {v}, {buffer}")
    )
    x = rng.integers(-9, 9, (3, 4)).astype(np.float32)
    (want,) = results(
        parse(f"""
func.func @f(%x: {tensor}) -> {tensor} {{
  %r = {on_tensors.strip()}
  func.return %r : {tensor}
}}"""),
        [x],
    )
    (y,) = run(
        parse(f"""
builtin.module attributes {{accel.target = "tiny-npu"}} {{
func.func @f(%x: {buffer}) -> {buffer} {{
  %b = tier.alloc offset 64 : {buffer}
  {on_buffers.strip()}
  func.return %b : {buffer}
}}
}}"""),
        "f",
        [x],
    )
    np.testing.assert_array_equal(y, want)
    late = np.concatenate([[9], x.cumsum(1).reshape(-1)[:-1]]).reshape(3, 4)
    late[:, 1:] += late[:, :-1].copy()
    np.testing.assert_array_equal(y, late)


def test_a_convert_takes_the_first_of_a_tile_that_comes_twice():
    s, made = vector("[4]", "(d0) -> (d0)"), vector("[2]", "(d0) -> (d0)")
    twice = vector("[4]", "(d0) -> (d0 floordiv 2)")
    node = f"""%u = stream.map (%s : {s}) -> ({twice}) {{
    ^bb0(%v: tensor<1xf32>):
      stream.yield %v : tensor<1xf32>
    }}
    %t = stream.convert %u : {twice} -> {made}"""
    text = between("tensor<4xf32>", s, made, node, "tensor<2xf32>")
    (y,) = results(parse(text), [np.array([1, 2, 3, 4], np.float32)])
    np.testing.assert_array_equal(y, [1, 3])


def test_lengths_of_rows():
    d, s = AffineExpr.dimension(0), AffineExpr.symbol(0)
    rows = Rows(AffineMap(1, 1, (d * 2 + s,)), (-1,))
    np.testing.assert_array_equal(rows.lengths((4, 3)), [1, 1, 3, 3])
    happen = Firings((4, 3), rows)
    np.testing.assert_array_equal(happen.numbers, [0, 3, 6, 7, 8, 9, 10, 11])
    np.testing.assert_array_equal(
        happen.runs(1), [[0, -1, -1], [3, -1, -1], [6, 7, 8], [9, 10, 11]]
    )
    np.testing.assert_array_equal(happen.runs(0), [[0, 3, 6, 7, 8, 9, 10, 11]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, BFLOAT16])
def test_functions_of_many_numbers_are_those_of_each(dtype: np.dtype[Any]):
    # what lets a body run for many firings at once; numpy has other code for long arrays
    values = (rng.standard_normal(131) * 4).astype(dtype)
    with np.errstate(all="ignore"):
        for op, function in UNARY.items():
            if op in (math.CtPopOp, math.AbsIOp):
                continue
            many = np.asarray(function(values)).astype(np.float64)
            each = [function(values[i : i + 1]).astype(np.float64) for i in range(131)]
            np.testing.assert_array_equal(many, np.concatenate(each), op.name)


def test_sums_of_f64_are_those_of_each_firing():
    r = "!stream.stream<tensor<1xf64>, [64], affine_map<(i) -> (i)>>"
    row = "!stream.stream<tensor<1x37xf64>, [64], affine_map<(i) -> (i, 0)>>"
    node = f"""%t = stream.map (%s : {row}) -> ({r}) {{
    ^bb0(%v: tensor<1x37xf64>):
      %z = arith.constant dense<0.0> : tensor<1xf64>
      %y = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}} ins(%v : tensor<1x37xf64>) outs(%z : tensor<1xf64>) {{
      ^bb1(%a: f64, %old: f64):
        %p = arith.mulf %a, %a : f64
        %n = arith.addf %old, %p : f64
        linalg.yield %n : f64
      }} -> tensor<1xf64>
      stream.yield %y : tensor<1xf64>
    }}"""
    text = between("tensor<64x37xf64>", row, r, node, "tensor<64xf64>")
    x = rng.standard_normal((64, 37))
    (y,) = results(parse(text), [x])
    np.testing.assert_allclose(y, (x * x).sum(1), rtol=1e-12)
