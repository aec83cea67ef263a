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

// `stream.read` (C8): an `in_place` token does not stand over
// CHECK: expected views within 15, got a view that ends at 16
%x = "test.op"() : () -> memref<15xf32, "ddr">
stream.graph {
  %s = stream.read %x {in_place} : memref<15xf32, "ddr"> -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
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

// `stream.map` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%t = stream.map (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) {
^bb0(%a: tensor<8xf32>):
  stream.yield %a : tensor<8xf32>
}

// -----

// `stream.map` (C2): the trips of every operand are a prefix of the node's
// CHECK: expected an operand whose trips are a prefix of [3, 2], got [2]
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

// `stream.reduce` (C1): it stands in a `stream.graph`
// CHECK: expects parent op 'stream.graph'
%s = "test.op"() : () -> !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>
%t = stream.reduce (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(d0) -> (d0)>>) inits [0.0 : f32] -> (!stream.stream<tensor<1xf32>, [], affine_map<() -> (0)>>) {
^bb0(%a: tensor<1xf32>, %v: tensor<8xf32>):
  stream.yield %a : tensor<1xf32>
}

// -----

// `stream.reduce` (C2): the trips of every operand are a prefix of the node's
// CHECK: expected an operand whose trips are a prefix of [2, 4], got [4]
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
