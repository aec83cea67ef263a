// RUN: xdsl-opt %s --split-input-file --verify-diagnostics | filecheck %s

// `!stream.stream` (C1): the sizes of a token are above 0
// CHECK: expected token sizes above 0, got tensor<?xf32>
%s = "test.op"() : () -> !stream.stream<tensor<?xf32>, [2], affine_map<(d0) -> (d0)>>

// -----

// `!stream.stream` (C2): trip counts are above 0
// CHECK: expected trip counts above 0, got [0]
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [0], affine_map<(d0) -> (d0)>>

// -----

// `!stream.stream` (C3): the map has no symbols
// CHECK: expected a map without symbols, got (d0)[s0] -> ((d0 + s0))
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0)[s0] -> (d0 + s0)>>

// -----

// `!stream.stream` (C4): the map has a dimension per trip count
// CHECK: expected a map of 1 trips, got 2
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0, d1) -> (d0)>>

// -----

// `!stream.stream` (C5): the map has a result per dimension of the token
// CHECK: expected a map to 1 tile coordinates, got 2
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0, 0)>>

// -----

// `!stream.stream` (C6): the map divides by numbers above 0
// CHECK: expected a map that divides by numbers above 0, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0 mod 0)>>

// -----

// `stream.graph` (C1): its block has no arguments
// CHECK: expected a graph without block arguments, got 1
"stream.graph"() ({
^bb0(%a: index):
}) : () -> ()

// -----

// `stream.graph` (C2): it yields its results
// CHECK: expected a yield of tensor<16xf32>, got tensor<8xf32>
%x = "test.op"() : () -> tensor<8xf32>
%r = stream.graph -> tensor<16xf32> {
  stream.yield %x : tensor<8xf32>
}

// -----

// `stream.graph` (C3): each stream has at most one use
// CHECK: expected one use of each stream of `stream.read`, got 2
%x = "test.op"() : () -> tensor<16xf32>
stream.graph {
  %s = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
  %y = stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<16xf32>
  %z = stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<16xf32>
}

// -----

// `stream.graph` (C4): there is an input: a node that takes no stream
// CHECK: expected a graph with an input, as a `stream.read`, got none
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y = stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<16xf32>
}

// -----

// `stream.graph` (C5): each label is there once
// CHECK: expected each label once, got "a" twice
%x = "test.op"() : () -> tensor<16xf32>
stream.graph {
  %s = stream.read %x {label = "a"} : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
  %y = stream.write %s {label = "a"} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<16xf32>
}

// -----

// `stream.graph` (C6): there is a value per symbol of `bound`
// CHECK: expected 1 symbols of the bound, got 0
stream.graph bound affine_map<(d0)[s0] -> (d0 + s0)> () {
  stream.yield
}

// -----

// `stream.graph` (C7): `bound` has one result
// CHECK: expected a bound of one result, got 2
stream.graph bound affine_map<(d0) -> (d0, d0)> () {
  stream.yield
}

// -----

// `stream.graph` (C8): `bound` divides by numbers above 0
// CHECK: expected a bound that divides by numbers above 0, got 0
stream.graph bound affine_map<(d0) -> (d0 floordiv 0)> () {
  stream.yield
}

// -----

// `stream.graph` (C9): with a `bound` no stream has more trips than its outer ones and one
// CHECK: expected at most 1 bounded trips, got 2
%x = "test.op"() : () -> tensor<2x4xf32>
stream.graph bound affine_map<() -> (3)> () {
  %s = stream.read %x : tensor<2x4xf32> -> !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>
}

// -----

// `stream.graph` (C10): with a `bound` the streams of all trips have the same trips
// CHECK: expected bounded streams of equal trips, got [[2, 3], [2, 4]]
%x = "test.op"() : () -> tensor<2x4xf32>
stream.graph bound affine_map<(d0) -> (d0 + 1)> () {
  %s = stream.read %x : tensor<2x4xf32> -> !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>
  %t = stream.read %x : tensor<2x4xf32> -> !stream.stream<tensor<1x1xf32>, [2, 3], affine_map<(d0, d1) -> (d0, d1)>>
}

// -----

// `stream.graph` (C11): no `stream.convert` of rows that a `bound` ends
// CHECK: expected no stream.convert of bounded rows, got one
%x = "test.op"() : () -> tensor<2x4xf32>
stream.graph bound affine_map<(d0) -> (d0 + 1)> () {
  %s = stream.read %x : tensor<2x4xf32> -> !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>
  %t = stream.convert %s : !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>> -> !stream.stream<tensor<1x4xf32>, [2], affine_map<(d0) -> (d0, 0)>>
}

// -----

// `stream.read` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%x = "test.op"() : () -> tensor<16xf32>
%s = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>

// -----

// `stream.read` (C2): a memref is in a tier
// CHECK: expected a memref in a tier, got memref<16xf32>
%x = "test.op"() : () -> memref<16xf32>
stream.graph {
  %s = stream.read %x : memref<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.read` (C3): a memref holds elements of whole bytes
// CHECK: expected a memref of whole-byte elements, got i1
%x = "test.op"() : () -> memref<16xi1, "ddr">
stream.graph {
  %s = stream.read %x : memref<16xi1, "ddr"> -> !stream.stream<tensor<8xi1>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.read` (C4): tokens have the element type of `source`
// CHECK: expected tokens of f32, got f16
%x = "test.op"() : () -> tensor<16xf32>
stream.graph {
  %s = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf16>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.read` (C5): tokens have the rank of `source`
// CHECK: expected tokens of rank 2, got rank 1
%x = "test.op"() : () -> tensor<4x16xf32>
stream.graph {
  %s = stream.read %x : tensor<4x16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.read` (C6): no token starts before `source`
// CHECK: expected tiles within 16, got a tile at -8
%x = "test.op"() : () -> tensor<16xf32>
stream.graph {
  %s = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0 - 1)>>
}

// -----

// `stream.read` (C7): no token starts behind `source`
// CHECK: expected tiles within 16, got a tile at 16
%x = "test.op"() : () -> tensor<16xf32>
stream.graph {
  %s = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [3], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.read` (C8): an `in_place` token of a memref does not stand over
// CHECK: expected views within 15, got a view that ends at 16
%x = "test.op"() : () -> memref<15xf32, "ddr">
stream.graph {
  %s = stream.read %x {in_place} : memref<15xf32, "ddr"> -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.read` (C9): `latency` is at least 0 cycles
// CHECK: expected `latency` of at least 0 cycles, got -1
%x = "test.op"() : () -> tensor<16xf32>
stream.graph {
  %s = stream.read %x {latency = -1 : i64} : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.read` (C10): `interval` is at least 1 cycle
// CHECK: expected `interval` of at least 1 cycle, got 0
%x = "test.op"() : () -> tensor<16xf32>
stream.graph {
  %s = stream.read %x {interval = 0 : i64} : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.write` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%y = stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<16xf32>

// -----

// `stream.write` (C2): there is a `target` or one result
// CHECK: expected a memref to write to or one result, got neither
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.write` (C3): a memref is in a tier
// CHECK: expected a memref in a tier, got memref<16xf32>
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%m = "test.op"() : () -> memref<16xf32>
stream.graph {
  stream.write %s to %m : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>, memref<16xf32>
}

// -----

// `stream.write` (C4): a memref holds elements of whole bytes
// CHECK: expected a memref of whole-byte elements, got !ternary.trit
%s = "test.op"() : () -> !stream.stream<tensor<8x!ternary.trit>, [2], affine_map<(d0) -> (d0)>>
%m = "test.op"() : () -> memref<16x!ternary.trit, "ddr">
stream.graph {
  stream.write %s to %m : !stream.stream<tensor<8x!ternary.trit>, [2], affine_map<(d0) -> (d0)>>, memref<16x!ternary.trit, "ddr">
}

// -----

// `stream.write` (C5): tokens have the element type of what is written
// CHECK: expected tokens of f16, got f32
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y = stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<16xf16>
}

// -----

// `stream.write` (C6): tokens have the rank of what is written
// CHECK: expected tokens of rank 2, got rank 1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y = stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<4x16xf32>
}

// -----

// `stream.write` (C7): no token starts before what is written
// CHECK: expected tiles within 16, got a tile at -8
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0 - 1)>>
stream.graph {
  %y = stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0 - 1)>> -> tensor<16xf32>
}

// -----

// `stream.write` (C8): no token starts behind what is written
// CHECK: expected tiles within 8, got a tile at 8
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y = stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<8xf32>
}

// -----

// `stream.write` (C9): the tokens are all tiles of a new tensor
// CHECK: expected tokens for all 3 tiles of the tensor, got 2
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y = stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<17xf32>
}

// -----

// `stream.write` (C10): `in_place` writes a memref
// CHECK: expected a memref for `in_place`, got tensor<16xf32>
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y = stream.write %s {in_place} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<16xf32>
}

// -----

// `stream.write` (C11): an `in_place` token does not stand over
// CHECK: expected views within 15, got a view that ends at 16
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%m = "test.op"() : () -> memref<15xf32, "ddr">
stream.graph {
  stream.write %s to %m {in_place} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>, memref<15xf32, "ddr">
}

// -----

// `stream.write` (C12): `latency` is at least 0 cycles
// CHECK: expected `latency` of at least 0 cycles, got -1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y = stream.write %s {latency = -1 : i64} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<16xf32>
}

// -----

// `stream.write` (C13): `interval` is at least 1 cycle
// CHECK: expected `interval` of at least 1 cycle, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y = stream.write %s {interval = 0 : i64} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> tensor<16xf32>
}

// -----

// `stream.map` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%t = stream.map (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
^bb0(%a: tensor<8xf32>):
  stream.yield %a : tensor<8xf32>
}

// -----

// `stream.map` (C2): the trips of every operand are a prefix of the node's, so that its edge balances
// CHECK: expected `test.op->map_0` to balance, with trips that are a prefix of [3, 2], got [2]
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%s1 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [3, 2], affine_map<(d0, d1) -> (d0)>>
stream.graph {
  %y0 = stream.map (%s0, %s1 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>, !stream.stream<tensor<8xf32>, [3, 2], affine_map<(d0, d1) -> (d0)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<8xf32>, %a1: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<8xf32>
    stream.yield %m0 : tensor<8xf32>
  }
}

// -----

// `stream.map` (C3): every result has the trips of the node
// CHECK: expected results of trips [2], got [3]
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y0 = stream.map (%s0 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) -> (!stream.stream<tensor<8xf32>, [3], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<8xf32>
    stream.yield %m0 : tensor<8xf32>
  }
}

// -----

// `stream.map` (C4): the body's arguments are a token of each operand, then an index per control
// CHECK: expected body arguments tensor<8xf32>, index, got tensor<8xf32>
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%p = "test.op"() : () -> index
stream.graph {
  %y0 = stream.map (%s0 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) control(%p) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<8xf32>
    stream.yield %m0 : tensor<8xf32>
  }
}

// -----

// `stream.map` (C5): the body ends in `stream.yield`
// CHECK: expected a body that ends in `stream.yield`, got none
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y0 = stream.map (%s0 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<8xf32>):
    "test.termop"() : () -> ()
  }
}

// -----

// `stream.map` (C6): the body yields a token of each result
// CHECK: expected a yield of tensor<8xf32>, got tensor<4xf32>
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %y0 = stream.map (%s0 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<4xf32>
    stream.yield %m0 : tensor<4xf32>
  }
}

// -----

// `stream.map` (C7): the body uses no value from outside
// CHECK: Operation using value defined out of its IsolatedFromAbove parent
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%k = "test.op"() : () -> tensor<8xf32>
stream.graph {
  %t = stream.map (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>):
    stream.yield %k : tensor<8xf32>
  }
}

// -----

// `stream.map` (C8): `latency` is at least 0 cycles
// CHECK: expected `latency` of at least 0 cycles, got -1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.map (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%v: tensor<8xf32>):
    stream.yield %v : tensor<8xf32>
  } {latency = -1 : i64}
}

// -----

// `stream.map` (C9): `interval` is at least 1 cycle
// CHECK: expected `interval` of at least 1 cycle, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.map (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%v: tensor<8xf32>):
    stream.yield %v : tensor<8xf32>
  } {interval = 0 : i64}
}

// -----

// `stream.reduce` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%t = stream.reduce (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.0 : f32] -> (!stream.stream<tensor<1xf32>, [], affine_map<() -> (0)>>) {
^bb0(%a: tensor<1xf32>, %v: tensor<8xf32>):
  stream.yield %a : tensor<1xf32>
}

// -----

// `stream.reduce` (C2): the trips of every operand are a prefix of the node's, so that its edge balances
// CHECK: expected `test.op->reduce_0` to balance, with trips that are a prefix of [2, 4], got [4]
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>
%s1 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [4], affine_map<(d0) -> (d0)>>
stream.graph {
  %y0 = stream.reduce (%s0, %s1 : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>, !stream.stream<tensor<8xf32>, [4], affine_map<(d0) -> (d0)>>) inits [0.0 : f32] -> (!stream.stream<tensor<1xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<1xf32>, %a1: tensor<8xf32>, %a2: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<1xf32>
    stream.yield %m0 : tensor<1xf32>
  }
}

// -----

// `stream.reduce` (C3): the trips of every result are a prefix of the node's
// CHECK: expected a result whose trips are a prefix of [2, 4], got [4]
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>
stream.graph {
  %y0 = stream.reduce (%s0 : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) inits [0.0 : f32] -> (!stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<1xf32>, %a1: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<1xf32>
    stream.yield %m0 : tensor<1xf32>
  }
}

// -----

// `stream.reduce` (C4): all results have the same trips
// CHECK: expected results of equal trips, got [[], [2]]
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>
stream.graph {
  %y0, %y1 = stream.reduce (%s0 : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) inits [0.0 : f32, 0.0 : f32] -> (!stream.stream<tensor<1xf32>, [2], affine_map<(d0) -> (d0)>>, !stream.stream<tensor<1xf32>, [], affine_map<() -> (0)>>) {
  ^bb0(%a0: tensor<1xf32>, %a1: tensor<1xf32>, %a2: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<1xf32>
    %m1 = "test.op"() : () -> tensor<1xf32>
    stream.yield %m0, %m1 : tensor<1xf32>, tensor<1xf32>
  }
}

// -----

// `stream.reduce` (C5): the results have fewer trips than the node
// CHECK: expected results of fewer than 2 trips, got 2
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>
stream.graph {
  %y0 = stream.reduce (%s0 : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) inits [0.0 : f32] -> (!stream.stream<tensor<1xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) {
  ^bb0(%a0: tensor<1xf32>, %a1: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<1xf32>
    stream.yield %m0 : tensor<1xf32>
  }
}

// -----

// `stream.reduce` (C6): there is an initial value per result
// CHECK: expected 1 initial values, got 0
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>
stream.graph {
  %y0 = stream.reduce (%s0 : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) inits [] -> (!stream.stream<tensor<1xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<1xf32>, %a1: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<1xf32>
    stream.yield %m0 : tensor<1xf32>
  }
}

// -----

// `stream.reduce` (C7): an initial value has the element type of its result
// CHECK: expected an initial value of f32, got i32
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>
stream.graph {
  %y0 = stream.reduce (%s0 : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) inits [0 : i32] -> (!stream.stream<tensor<1xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<1xf32>, %a1: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<1xf32>
    stream.yield %m0 : tensor<1xf32>
  }
}

// -----

// `stream.reduce` (C8): the body's arguments are an accumulator per result, a token per operand, an index per control
// CHECK: expected body arguments tensor<1xf32>, tensor<8xf32>, got tensor<8xf32>, tensor<1xf32>
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>
stream.graph {
  %y0 = stream.reduce (%s0 : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) inits [0.0 : f32] -> (!stream.stream<tensor<1xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<8xf32>, %a1: tensor<1xf32>):
    %m0 = "test.op"() : () -> tensor<1xf32>
    stream.yield %m0 : tensor<1xf32>
  }
}

// -----

// `stream.reduce` (C9): the body ends in `stream.yield`
// CHECK: expected a body that ends in `stream.yield`, got none
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>
stream.graph {
  %y0 = stream.reduce (%s0 : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) inits [0.0 : f32] -> (!stream.stream<tensor<1xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<1xf32>, %a1: tensor<8xf32>):
    "test.termop"() : () -> ()
  }
}

// -----

// `stream.reduce` (C10): the body yields an accumulator per result
// CHECK: expected a yield of tensor<1xf32>, got tensor<8xf32>
%s0 = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>
stream.graph {
  %y0 = stream.reduce (%s0 : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) inits [0.0 : f32] -> (!stream.stream<tensor<1xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a0: tensor<1xf32>, %a1: tensor<8xf32>):
    %m0 = "test.op"() : () -> tensor<8xf32>
    stream.yield %m0 : tensor<8xf32>
  }
}

// -----

// `stream.reduce` (C11): the body uses no value from outside
// CHECK: Operation using value defined out of its IsolatedFromAbove parent
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>
%k = "test.op"() : () -> tensor<1xf32>
stream.graph {
  %t = stream.reduce (%s : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) inits [0.0 : f32] -> (!stream.stream<tensor<1xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<1xf32>, %v: tensor<8xf32>):
    stream.yield %k : tensor<1xf32>
  }
}

// -----

// `stream.reduce` (C12): `latency` is at least 0 cycles
// CHECK: expected `latency` of at least 0 cycles, got -1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.reduce (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] -> (!stream.stream<tensor<8xf32>, [], affine_map<() -> (0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    stream.yield %a : tensor<8xf32>
  } {latency = -1 : i64}
}

// -----

// `stream.reduce` (C13): `interval` is at least 1 cycle
// CHECK: expected `interval` of at least 1 cycle, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.reduce (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] -> (!stream.stream<tensor<8xf32>, [], affine_map<() -> (0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    stream.yield %a : tensor<8xf32>
  } {interval = 0 : i64}
}

// -----

// `stream.scan` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
  stream.yield %a, %v : tensor<8xf32>, tensor<8xf32>
}

// -----

// `stream.scan` (C2): the trips of every operand are a prefix of the node's, so that its edge balances
// CHECK: expected `test.op->scan_0` in the order of trips [2, 4], got [4, 2]; insert stream.convert
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%u, %w = "test.op"() : () -> (!stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>, !stream.stream<tensor<8xf32>, [4, 2], affine_map<(d0, d1) -> (d0)>>)
stream.graph {
  %t = stream.scan (%u, %w : !stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>, !stream.stream<tensor<8xf32>, [4, 2], affine_map<(d0, d1) -> (d0)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [2, 4], affine_map<(d0, d1) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>, %b: tensor<8xf32>):
    stream.yield %a, %v : tensor<8xf32>, tensor<8xf32>
  }
}

// -----

// `stream.scan` (C3): every result has the trips of the node
// CHECK: expected results of trips [2], got [3]
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [3], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    stream.yield %a, %v : tensor<8xf32>, tensor<8xf32>
  }
}

// -----

// `stream.scan` (C4): `over` is from 1 to the number of trips
// CHECK: expected `over` from 1 to 1, got 2
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] over 2 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    stream.yield %a, %v : tensor<8xf32>, tensor<8xf32>
  }
}

// -----

// `stream.scan` (C5): there is a state per initial value
// CHECK: expected 3 states, got 2
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32, 0.000000e+00 : f32, 0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    stream.yield %a, %v : tensor<8xf32>, tensor<8xf32>
  }
}

// -----

// `stream.scan` (C6): a state is a tensor
// CHECK: expected states that are tensors, got f32
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: f32, %v: tensor<8xf32>):
    stream.yield %a, %v : f32, tensor<8xf32>
  }
}

// -----

// `stream.scan` (C7): an initial value has the element type of its state
// CHECK: expected an initial value of f32, got i32
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0 : i32] over 1 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    stream.yield %a, %v : tensor<8xf32>, tensor<8xf32>
  }
}

// -----

// `stream.scan` (C8): the body's arguments are the states, a token per operand, an index per control
// CHECK: expected body arguments tensor<8xf32>, tensor<8xf32>, got tensor<8xf32>, tensor<8xf16>
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf16>):
    stream.yield %a, %a : tensor<8xf32>, tensor<8xf32>
  }
}

// -----

// `stream.scan` (C9): the body ends in `stream.yield`
// CHECK: expected a body that ends in `stream.yield`, got none
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    "test.termop"() : () -> ()
  }
}

// -----

// `stream.scan` (C10): the body yields the states, then a token of each result
// CHECK: expected a yield of tensor<8xf32>, tensor<8xf32>, got tensor<8xf32>
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    stream.yield %a : tensor<8xf32>
  }
}

// -----

// `stream.scan` (C11): the body uses no value from outside
// CHECK: Operation using value defined out of its IsolatedFromAbove parent
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%w = "test.op"() : () -> tensor<8xf32>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    stream.yield %a, %w : tensor<8xf32>, tensor<8xf32>
  }
}

// -----

// `stream.scan` (C12): `latency` is at least 0 cycles
// CHECK: expected `latency` of at least 0 cycles, got -1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    stream.yield %a, %v : tensor<8xf32>, tensor<8xf32>
  } {latency = -1 : i64}
}

// -----

// `stream.scan` (C13): `interval` is at least 1 cycle
// CHECK: expected `interval` of at least 1 cycle, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.scan (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>, %v: tensor<8xf32>):
    stream.yield %a, %v : tensor<8xf32>, tensor<8xf32>
  } {interval = 0 : i64}
}

// -----

// `stream.repeat` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%t = stream.repeat %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0)>>

// -----

// `stream.repeat` (C2): `out` has the tokens of `tokens`
// CHECK: expected tokens tensor<8xf32>, got tensor<8xf16>
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.repeat %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf16>, [2, 3], affine_map<(d0, d1) -> (d0)>>
}

// -----

// `stream.repeat` (C3): the trips of `out` are those of `tokens` and further ones
// CHECK: expected trips that extend [2], got [3, 2]
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.repeat %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [3, 2], affine_map<(d0, d1) -> (d0)>>
}

// -----

// `stream.repeat` (C4): the map of `out` is that of `tokens`, whatever the further trips
// CHECK: expected a result of the map (d0, d1) -> (d0), got (d0, d1) -> (d1)
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.repeat %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d1)>>
}

// -----

// `stream.repeat` (C5): `latency` is at least 0 cycles
// CHECK: expected `latency` of at least 0 cycles, got -1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.repeat %s {latency = -1 : i64} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0)>>
}

// -----

// `stream.repeat` (C6): `interval` is at least 1 cycle
// CHECK: expected `interval` of at least 1 cycle, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.repeat %s {interval = 0 : i64} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0)>>
}

// -----

// `stream.window` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%t = stream.window %s size 3 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0 + d1 - 2)>>

// -----

// `stream.window` (C2): `size` is above 0
// CHECK: expected `size` above 0, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.window %s size 0 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0 + d1 - 2)>>
}

// -----

// `stream.window` (C3): `tokens` has a trip to slide over
// CHECK: expected a stream of at least one trip, got none
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [], affine_map<() -> (0)>>
stream.graph {
  %t = stream.window %s size 3 : !stream.stream<tensor<8xf32>, [], affine_map<() -> (0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0 + d1 - 2)>>
}

// -----

// `stream.window` (C4): `out` has the tokens of `tokens`
// CHECK: expected tokens tensor<8xf32>, got tensor<8xf16>
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.window %s size 3 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf16>, [2, 3], affine_map<(d0, d1) -> (d0 + d1 - 2)>>
}

// -----

// `stream.window` (C5): the trips of `out` are those of `tokens`, then `size`
// CHECK: expected trips [2, 4], got [2, 3]
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.window %s size 4 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0 + d1 - 2)>>
}

// -----

// `stream.window` (C6): the map of `out` is that of `tokens` at i + j - (size - 1)
// CHECK: expected a result of the map (d0, d1) -> (((d0 + d1) + -2)), got (d0, d1) -> (d0)
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.window %s size 3 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0)>>
}

// -----

// `stream.window` (C7): `fill` has the element type of `tokens`
// CHECK: expected a fill of f32, got i32
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.window %s size 3 fill 0 : i32 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0 + d1 - 2)>>
}

// -----

// `stream.window` (C8): `latency` is at least 0 cycles
// CHECK: expected `latency` of at least 0 cycles, got -1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.window %s size 3 {latency = -1 : i64} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0 + d1 - 2)>>
}

// -----

// `stream.window` (C9): `interval` is at least 1 cycle
// CHECK: expected `interval` of at least 1 cycle, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.window %s size 3 {interval = 0 : i64} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<8xf32>, [2, 3], affine_map<(d0, d1) -> (d0 + d1 - 2)>>
}

// -----

// `stream.convert` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%t = stream.convert %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<4xf32>, [4], affine_map<(d0) -> (d0)>>

// -----

// `stream.convert` (C2): `out` has the element type of `tokens`
// CHECK: expected tokens of f32, got f16
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.convert %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<4xf16>, [4], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.convert` (C3): `out` has the rank of `tokens`
// CHECK: expected tokens of rank 1, got rank 2
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.convert %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<4x1xf32>, [4], affine_map<(d0) -> (d0, 0)>>
}

// -----

// `stream.convert` (C4): no tile of `tokens` stands before the tensor
// CHECK: expected tiles from 0 on, got a tile at -1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0 - 1)>>
stream.graph {
  %t = stream.convert %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0 - 1)>> -> !stream.stream<tensor<4xf32>, [4], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.convert` (C5): every element of a result is one of `tokens`, or stands behind the last of them
// CHECK: expected results made of the operand's tokens, got elements that none of them has
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0 * 2)>>
stream.graph {
  %t = stream.convert %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0 * 2)>> -> !stream.stream<tensor<4xf32>, [4], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.convert` (C6): `latency` is at least 0 cycles
// CHECK: expected `latency` of at least 0 cycles, got -1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.convert %s {latency = -1 : i64} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<4xf32>, [4], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.convert` (C7): `interval` is at least 1 cycle
// CHECK: expected `interval` of at least 1 cycle, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.convert %s {interval = 0 : i64} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<4xf32>, [4], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.fork` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%t = stream.fork %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>)

// -----

// `stream.fork` (C2): every copy has the type of `tokens`
// CHECK: expected `copies` of type !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>, got !stream.stream<tensor<4xf32>, [2], affine_map<(d0) -> (d0)>>
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.fork %s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> (!stream.stream<tensor<4xf32>, [2], affine_map<(d0) -> (d0)>>)
}

// -----

// `stream.fork` (C3): `latency` is at least 0 cycles
// CHECK: expected `latency` of at least 0 cycles, got -1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t, %u = stream.fork %s {latency = -1 : i64} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>, !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>)
}

// -----

// `stream.fork` (C4): `interval` is at least 1 cycle
// CHECK: expected `interval` of at least 1 cycle, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t, %u = stream.fork %s {interval = 0 : i64} : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>> -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>, !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>)
}

// -----

// `stream.fifo` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%t = stream.fifo %s depth 2 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>

// -----

// `stream.fifo` (C2): `out` has the type of `tokens`
// CHECK: attribute {{.*}} expected from variable 'T', but got
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = "stream.fifo"(%s) <{depth = 2 : i64}> : (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) -> !stream.stream<tensor<4xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.fifo` (C3): `depth` is above 0
// CHECK: expected `depth` above 0, got 0
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.fifo %s depth 0 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.fifo` (C4): `offset_bytes` stands beside a `tier`
// CHECK: expected a `tier` beside `offset`, got none
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.fifo %s depth 2 offset 0 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.fifo` (C5): `offset_bytes` is at least 0
// CHECK: expected `offset` of at least 0, got -8
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.fifo %s depth 2 tier "sram" offset -8 : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.fifo` (C6): there are at most `depth` initial tokens
// CHECK: expected at most 1 initial tokens, got 2
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.fifo %s depth 1 initial [0.000000e+00 : f32, 0.000000e+00 : f32] : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.fifo` (C7): initial tokens have the element type of `tokens`
// CHECK: expected initial tokens of f32, got i32
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.fifo %s depth 1 initial [0 : i32] : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
}

// -----

// `stream.index` (C1): it stands in the body of a `stream.map`, `stream.reduce` or `stream.scan`
// CHECK: expected to stand in the body of a stream.map, stream.reduce or stream.scan, got none
%i = stream.index 0

// -----

// `stream.index` (C2): `dim` is one of the node's trips
// CHECK: expected `dim` of at least 0 and below 1, got 1
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
stream.graph {
  %t = stream.map (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
  ^bb0(%a: tensor<8xf32>):
    %i = stream.index 1
    stream.yield %a : tensor<8xf32>
  }
}

// -----

// `stream.yield` (C1): it stands directly in a `stream.graph`, `stream.map`, `stream.reduce` or `stream.scan`
// CHECK: 'stream.yield' expects parent op to be one of 'stream.graph', 'stream.map', 'stream.reduce'
"test.op"() ({
  stream.yield
}) : () -> ()
