"""One ternary product at every level, its edge tiles standing over, gives the same integers."""

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.universe import Universe

from dfc.dialects.ternary import PackingAttr
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import KernelCall, KernelHook, run
from dfc.runtime.interpreter.packing import pack

rng = np.random.default_rng(0)


def parse(text: str) -> ModuleOp:
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


ROWS = 6
K, N = 64, 24
BYTES = 256  # a tile of 16 x 64 trits at 2 bits

FUSED = """
func.func @f(%q: tensor<6x64xi8>, %w: tensor<24x64x!ternary.trit>) -> tensor<6x24xi32> {
  %y = accel.kernel "k" ins(%q, %w : tensor<6x64xi8>, tensor<24x64x!ternary.trit>) -> (tensor<6x24xi32>) {
  ^bb0(%a: tensor<6x64xi8>, %b: tensor<24x64x!ternary.trit>):
    %r = ternary.matmul %a, %b {accel.unit = "array"} : (tensor<6x64xi8>, tensor<24x64x!ternary.trit>) -> tensor<6x24xi32>
    accel.yield %r : tensor<6x24xi32>
  } {operand_values = ["l:q", ""], result_values = ["l:matmul"]}
  func.return %y : tensor<6x24xi32>
}
"""

W = "!stream.stream<tensor<1x256xi8>, [2], affine_map<(n) -> (n, 0)>>"
Q = "!stream.stream<tensor<4x64xi8>, [2, 2], affine_map<(n, m) -> (m, 0)>>"
Y = "!stream.stream<tensor<4x16xi32>, [2, 2], affine_map<(n, m) -> (m, n)>>"
TILED = f"""
func.func @f(%q: tensor<6x64xi8>, %p: tensor<2x256xi8>) -> tensor<6x24xi32> {{
  %y = accel.kernel "k" ins(%q, %p : tensor<6x64xi8>, tensor<2x256xi8>) -> (tensor<6x24xi32>) {{
  ^bb0(%a: tensor<6x64xi8>, %b: tensor<2x256xi8>):
    %r = stream.graph -> tensor<6x24xi32> {{
      %t = stream.read %b : tensor<2x256xi8> -> {W}
      %s = stream.read %a : tensor<6x64xi8> -> {Q}
      %u = stream.map on "array" (%t, %s : {W}, {Q}) -> ({Y}) {{
      ^bb1(%bv: tensor<1x256xi8>, %qv: tensor<4x64xi8>):
        %wv = ternary.unpack %bv {{packing = #ternary.packing<trits1in2>}} : tensor<1x256xi8> -> tensor<16x64x!ternary.trit>
        %av = ternary.matmul %qv, %wv : (tensor<4x64xi8>, tensor<16x64x!ternary.trit>) -> tensor<4x16xi32>
        stream.yield %av : tensor<4x16xi32>
      }}
      %z = stream.write %u : {Y} -> tensor<6x24xi32>
      stream.yield %z : tensor<6x24xi32>
    }}
    accel.yield %r : tensor<6x24xi32>
  }} {{operand_values = ["l:q", ""], result_values = ["l:matmul"]}}
  func.return %y : tensor<6x24xi32>
}}
"""

PLACED = f"""
builtin.module attributes {{accel.target = "tiny-npu"}} {{
func.func @f(%q: memref<6x64xi8, "ddr">, %p: memref<2x256xi8, "ddr">) -> memref<6x24xi32, "ddr"> {{
  %y = tier.alloc offset 128 : memref<6x24xi32, "ddr">
  accel.kernel "k" ins(%q, %p : memref<6x64xi8, "ddr">, memref<2x256xi8, "ddr">) outs(%y : memref<6x24xi32, "ddr">) {{
  ^bb0(%a: memref<6x64xi8, "ddr">, %b: memref<2x256xi8, "ddr">, %c: memref<6x24xi32, "ddr">):
    stream.graph {{
      %t0 = stream.read %b : memref<2x256xi8, "ddr"> -> {W}
      %t = stream.fifo %t0 depth 2 tier "sram" offset 0 : {W}
      %s0 = stream.read %a : memref<6x64xi8, "ddr"> -> {Q}
      %s = stream.fifo %s0 depth 1 tier "sram" offset 512 : {Q}
      %u0 = stream.map on "array" (%t, %s : {W}, {Q}) -> ({Y}) {{
      ^bb1(%bv: tensor<1x256xi8>, %qv: tensor<4x64xi8>):
        %wv = ternary.unpack %bv {{packing = #ternary.packing<trits1in2>}} : tensor<1x256xi8> -> tensor<16x64x!ternary.trit>
        %av = ternary.matmul %qv, %wv : (tensor<4x64xi8>, tensor<16x64x!ternary.trit>) -> tensor<4x16xi32>
        stream.yield %av : tensor<4x16xi32>
      }}
      %u = stream.fifo %u0 depth 2 tier "sram" offset 768 : {Y}
      stream.write %u to %c : {Y}, memref<6x24xi32, "ddr">
    }}
  }} {{operand_values = ["l:q", ""], result_values = ["l:matmul"]}}
  func.return %y : memref<6x24xi32, "ddr">
}}
}}
"""

IN_PLACE = (
    PLACED.replace("%s0 = stream.read %a :", "%s = stream.read %a {in_place} :")
    .replace(f'      %s = stream.fifo %s0 depth 1 tier "sram" offset 512 : {Q}\n', "")
    .replace("%u0 = stream.map", "%u = stream.map")
    .replace(f'      %u = stream.fifo %u0 depth 2 tier "sram" offset 768 : {Y}\n', "")
    .replace("stream.write %u to %c :", "stream.write %u to %c {in_place} :")
    # what is touched in place cannot stand over the edge
    .replace("<6x64", "<8x64")
    .replace("<6x24", "<8x32")
)

# two weight slots, whole activations, one launch per tile; the result's columns 24 to 32 are dropped
PROGRAM = """
builtin.module attributes {accel.target = "tiny-npu"} {
func.func @f(%q: memref<6x64xi8, "ddr">, %p: memref<2x256xi8, "ddr">) -> memref<6x24xi32, "ddr"> {
  %y = tier.alloc offset 128 : memref<6x24xi32, "ddr">
  %start = accel.start
  %done = func.call @k(%q, %p, %y, %start) : (memref<6x64xi8, "ddr">, memref<2x256xi8, "ddr">, memref<6x24xi32, "ddr">, !accel.event) -> !accel.event
  accel.wait %done
  func.return %y : memref<6x24xi32, "ddr">
}
func.func private @k(%q: memref<6x64xi8, "ddr"> {dfc.value = "l:q"}, %p: memref<2x256xi8, "ddr">, %y: memref<6x24xi32, "ddr"> {dfc.value = "l:matmul"}, %before: !accel.event) -> !accel.event attributes {accel.kernel = "k"} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c12 = arith.constant 12 : index
  %slots = tier.alloc offset 0 : memref<2x256xi8, "sram">
  %x = tier.alloc offset 512 : memref<6x64xi8, "sram">
  %out = tier.alloc offset 1024 : memref<6x16xi32, "sram">
  %have = tier.copy %q to %x after(%before) : memref<6x64xi8, "ddr"> to memref<6x64xi8, "sram">
  %e, %f = scf.for %i = %c0 to %c2 step %c1 iter_args(%old = %before, %left = %before) -> (!accel.event, !accel.event) {
    %from = memref.subview %p[%i, 0] [1, 256] [1, 1] : memref<2x256xi8, "ddr"> to memref<256xi8, strided<[1], offset: ?>, "ddr">
    %slot = memref.subview %slots[%i, 0] [1, 256] [1, 1] : memref<2x256xi8, "sram"> to memref<256xi8, strided<[1], offset: ?>, "sram">
    %there = tier.copy %from to %slot after(%old) : memref<256xi8, strided<[1], offset: ?>, "ddr"> to memref<256xi8, strided<[1], offset: ?>, "sram">
    %ran = accel.launch on "array" after(%there, %have, %left) ins(%x, %slot : memref<6x64xi8, "sram">, memref<256xi8, strided<[1], offset: ?>, "sram">) outs(%out : memref<6x16xi32, "sram">) {
    ^bb0(%qv: tensor<6x64xi8>, %b: tensor<256xi8>, %old_y: tensor<6x16xi32>):
      %w = ternary.unpack %b {packing = #ternary.packing<trits1in2>} : tensor<256xi8> -> tensor<16x64x!ternary.trit>
      %r = ternary.matmul %qv, %w : (tensor<6x64xi8>, tensor<16x64x!ternary.trit>) -> tensor<6x16xi32>
      accel.yield %r : tensor<6x16xi32>
    }
    %n = arith.muli %i, %c12 : index
    %half = memref.subview %out[0, 0] [6, 12] [1, 1] : memref<6x16xi32, "sram"> to memref<6x12xi32, strided<[16, 1]>, "sram">
    %yi = memref.subview %y[0, %n] [6, 12] [1, 1] : memref<6x24xi32, "ddr"> to memref<6x12xi32, strided<[24, 1], offset: ?>, "ddr">
    %back = tier.copy %half to %yi after(%ran) : memref<6x12xi32, strided<[16, 1]>, "sram"> to memref<6x12xi32, strided<[24, 1], offset: ?>, "ddr">
    scf.yield %ran, %back : !accel.event, !accel.event
  }
  func.return %f : !accel.event
}
}
"""


def operands(level: str = ""):
    rows, columns = (8, 32) if level == "in place" else (ROWS, N)
    q = rng.integers(-128, 128, (rows, K), np.int8)
    w = rng.integers(-1, 2, (columns, K), np.int8)
    return q, w, pack(w, PackingAttr("trits1in2"), (16, K)), q.astype(np.int32) @ w.T


LEVELS = {"fused": FUSED, "tiled": TILED, "placed": PLACED, "in place": IN_PLACE}


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_gives_the_same_integers(level):
    q, w, packed, want = operands(level)
    (y,) = run(parse(LEVELS[level]), "f", (q, w if level == "fused" else packed))
    assert np.array_equal(y, want)


def test_program_gives_the_same_integers():
    # tiles of 12 rows, padded to 16
    q, w, _, want = operands()
    rows = np.zeros((2, 16, K), np.int8)
    rows[:, :12] = w.reshape(2, 12, K)
    packed = pack(rows.reshape(32, K), PackingAttr("trits1in2"), (16, K))
    (y,) = run(parse(PROGRAM), "f", (q, packed))
    assert np.array_equal(y, want)


class Swap(KernelHook):
    """Gives a kernel other operands, notes its results and hands out others."""

    def __init__(self, q, result):
        self.q, self.result, self.calls = q, result, []

    def operands(self, call, values):
        self.calls.append((call, *values))
        return [self.q, None]

    def results(self, call, values):
        self.calls.append((call, *values))
        return [self.result]


@pytest.mark.parametrize("level", [*LEVELS, "program"])
def test_hook_sees_and_replaces_what_enters_and_leaves_a_kernel(level):
    q, w, packed, want = operands(level)
    other = rng.integers(-128, 128, q.shape, np.int8)
    result = rng.integers(-9, 9, want.shape, np.int32)
    hook = Swap(other, result)
    second = w if level == "fused" else packed
    text = {**LEVELS, "program": PROGRAM}[level]
    (y,) = run(parse(text), "f", (q, second), hook=hook)
    assert np.array_equal(y, result)
    (call, seen_q, seen_w), (_, made) = hook.calls
    assert call == KernelCall("k", (), ("l:q", ""), ("l:matmul",))
    assert np.array_equal(seen_q, q)
    assert np.array_equal(seen_w, second)
    want = other.astype(np.int32) @ w.T
    columns = 12 if level == "program" else len(w)  # the program's tiles are of 12 rows
    assert np.array_equal(made[:, :columns], want[:, :columns])


def test_reduce_holds_accumulators_over_the_inner_trips():
    a = "!stream.stream<tensor<4x8xf32>, [2, 3], affine_map<(m, k) -> (m, k)>>"
    b = "!stream.stream<tensor<4x1xf32>, [2], affine_map<(m) -> (m, 0)>>"
    text = f"""
    func.func @f(%x: tensor<7x20xf32>, %n: index) -> tensor<7x1xf32> {{
      %r = stream.graph -> tensor<7x1xf32> {{
        %s = stream.read %x : tensor<7x20xf32> -> {a}
        %t = stream.reduce on "vector" (%s : {a}) control(%n) inits [1.000000e+00 : f32] -> ({b}) {{
        ^bb1(%acc: tensor<4x1xf32>, %v: tensor<4x8xf32>, %c: index):
          %k = stream.index 1
          %i = arith.addi %k, %c : index
          %j = arith.index_cast %i : index to i32
          %g = arith.sitofp %j : i32 to f32
          %e = linalg.generic {{indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m, 0)>], iterator_types = ["parallel", "reduction"]}} ins(%v : tensor<4x8xf32>) outs(%acc : tensor<4x1xf32>) {{
          ^bb2(%p: f32, %q: f32):
            %u = arith.mulf %p, %g : f32
            %w = arith.addf %q, %u : f32
            linalg.yield %w : f32
          }} -> tensor<4x1xf32>
          stream.yield %e : tensor<4x1xf32>
        }}
        %w = stream.write %t : {b} -> tensor<7x1xf32>
        stream.yield %w : tensor<7x1xf32>
      }}
      func.return %r : tensor<7x1xf32>
    }}"""
    x = rng.standard_normal((7, 20)).astype(np.float32)
    (y,) = run(parse(text), "f", (x, 5))
    weights = np.repeat([5, 6, 7], [8, 8, 4])
    np.testing.assert_allclose(y[:, 0], 1 + x @ weights, rtol=1e-5)


def test_deadlock_names_what_starves():
    s = "!stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>"
    r = "!stream.stream<tensor<1xf32>, [], affine_map<() -> (0)>>"
    text = f"""
    func.func @f(%x: memref<4xf32, "ddr">) -> memref<1xf32, "ddr"> {{
      %y = tier.alloc offset 0 : memref<1xf32, "ddr">
      stream.graph {{
        %a = stream.read %x : memref<4xf32, "ddr"> -> {s}
        %a0 = stream.fifo %a depth 1 tier "sram" offset 64 : {s}
        %b, %c = stream.fork %a0 : {s} -> ({s}, {s})
        %b0 = stream.fifo %b depth 2 tier "sram" offset 0 : {s}
        %t = stream.reduce on "vector" (%c : {s}) inits [0.000000e+00 : f32] -> ({r}) {{
        ^bb1(%acc: tensor<1xf32>, %v: tensor<1xf32>):
          %e = arith.addf %acc, %v : tensor<1xf32>
          stream.yield %e : tensor<1xf32>
        }}
        %t0 = stream.fifo %t depth 1 tier "sram" offset 128 : {r}
        %m = stream.reduce on "vector" (%t0, %b0 : {r}, {s}) inits [0.000000e+00 : f32] -> ({r}) {{
        ^bb1(%acc: tensor<1xf32>, %mean: tensor<1xf32>, %v: tensor<1xf32>):
          %e = arith.addf %acc, %mean : tensor<1xf32>
          stream.yield %e : tensor<1xf32>
        }}
        stream.write %m to %y {{in_place}} : {r}, memref<1xf32, "ddr">
      }}
      func.return %y : memref<1xf32, "ddr">
    }}"""
    x = np.arange(4, dtype=np.float32)
    with pytest.raises(
        ExecutionError, match=r"deadlock: .*waits for room in `stream.fifo`"
    ):
        run(parse(text), "f", (x,))
    (y,) = run(parse(text.replace("%b depth 2", "%b depth 4")), "f", (x,))
    assert y.tolist() == [24]


class Poison(KernelHook):
    """Overwrites the caller's arrays once they are loaded."""

    def __init__(self, *arrays):
        self.arrays = arrays

    def operands(self, call, values):
        for array in self.arrays:
            array[...] = 1


@pytest.mark.parametrize("level", ["placed", "in place", "program"])
def test_operands_are_read_from_modelled_memory_only(level):
    q, _, packed, _ = operands(level)
    text = {**LEVELS, "program": PROGRAM}[level]
    (want,) = run(parse(text), "f", (q.copy(), packed.copy()))
    (y,) = run(parse(text), "f", (q, packed), hook=Poison(q, packed))
    assert (q == 1).all()
    assert np.array_equal(y, want)


def test_one_flipped_trit_in_memory_changes_one_column():
    q, _, packed, want = operands()
    packed[1, 3] ^= 0b01 if packed[1, 3] & 0b11 != 0b10 else 0b10
    (y,) = run(parse(PLACED), "f", (q, packed))
    assert (y != want).any(0).sum() == 1
