// RUN: xdsl-opt %s --split-input-file --verify-diagnostics | filecheck %s

// `socket.all_gather` (C1): `dim` is a dimension of `x`
// CHECK: expected `dim` of 0 to 1, got 2
%x = "test.op"() : () -> tensor<2x64xf32>
%y = socket.all_gather %x on @sockets dim 2 : tensor<2x64xf32> -> tensor<2x128xf32>

// -----

// `socket.all_gather` (C2): along `dim`, `y` is two or more times as long as `x`
// CHECK: expected `y` with two or more times the 64 elements along `dim`, got 100
%x = "test.op"() : () -> tensor<2x64xf32>
%y = socket.all_gather %x on @sockets dim 1 : tensor<2x64xf32> -> tensor<2x100xf32>

// -----

// `socket.all_gather` (C3): in the other dimensions `y` has the shape of `x`
// CHECK: expected `y` of shape 2x128, got shape 3x128
%x = "test.op"() : () -> tensor<2x64xf32>
%y = socket.all_gather %x on @sockets dim 1 : tensor<2x64xf32> -> tensor<3x128xf32>

// -----

// `socket.all_gather` (C4): `y` has the element type of `x`
// CHECK: expected `y` of f32, got f16
%x = "test.op"() : () -> tensor<2x64xf32>
%y = socket.all_gather %x on @sockets dim 1 : tensor<2x64xf32> -> tensor<2x128xf16>

// -----

// `socket.reduce_scatter` (C1): `dim` is a dimension of `y`
// CHECK: expected `dim` of 0 to 1, got -1
%x = "test.op"() : () -> tensor<2x128xf32>
%y = socket.reduce_scatter %x on @sockets dim -1 : tensor<2x128xf32> -> tensor<2x64xf32>

// -----

// `socket.reduce_scatter` (C2): along `dim`, `x` is two or more times as long as `y`
// CHECK: expected `x` with two or more times the 64 elements along `dim`, got 64
%x = "test.op"() : () -> tensor<2x64xf32>
%y = socket.reduce_scatter %x on @sockets dim 1 : tensor<2x64xf32> -> tensor<2x64xf32>

// -----

// `socket.reduce_scatter` (C3): in the other dimensions `x` has the shape of `y`
// CHECK: expected `x` of shape 2x128, got shape 3x128
%x = "test.op"() : () -> tensor<3x128xf32>
%y = socket.reduce_scatter %x on @sockets dim 1 : tensor<3x128xf32> -> tensor<2x64xf32>

// -----

// `socket.reduce_scatter` (C4): `x` has the element type of `y`
// CHECK: expected `x` of f16, got f32
%x = "test.op"() : () -> tensor<2x128xf32>
%y = socket.reduce_scatter %x on @sockets dim 1 : tensor<2x128xf32> -> tensor<2x64xf16>

// -----

// `socket.send` (C1): `source` and `goal` are at least 0
// CHECK: expected sockets of at least 0, got -1 and 3
%x = "test.op"() : () -> tensor<4xf32>
%y = socket.send %x on @sockets from -1 to 3 : tensor<4xf32> -> tensor<4xf32>

// -----

// `socket.send` (C2): `source` and `goal` are two sockets
// CHECK: expected two sockets, got 3 twice
%x = "test.op"() : () -> tensor<4xf32>
%y = socket.send %x on @sockets from 3 to 3 : tensor<4xf32> -> tensor<4xf32>

// -----

// `socket.send` (C3): `y` has the type of `x`
// CHECK: expected `y` of type tensor<4xf32>, got tensor<8xf32>
%x = "test.op"() : () -> tensor<4xf32>
%y = socket.send %x on @sockets from 0 to 3 : tensor<4xf32> -> tensor<8xf32>

// -----

// `socket.exchange` (C1): `kind` is one of all-reduce, all-gather, reduce-scatter, send
// CHECK: expected a kind of all-reduce, all-gather, reduce-scatter, send, got `gather`
%x, %y = "test.op"() : () -> (memref<4xf32, "hbm">, memref<4xf32, "hbm">)
%e = socket.exchange "gather" %x to %y : memref<4xf32, "hbm"> to memref<4xf32, "hbm">

// -----

// `socket.exchange` (C2): `source` and `target` are in a tier
// CHECK: expected a memref in a tier, got memref<4xf32>
%x, %y = "test.op"() : () -> (memref<4xf32, "hbm">, memref<4xf32>)
%e = socket.exchange "all-reduce" %x to %y : memref<4xf32, "hbm"> to memref<4xf32>

// -----

// `socket.exchange` (C3): the elements of both are whole bytes
// CHECK: expected a memref of whole-byte elements, got i1
%x, %y = "test.op"() : () -> (memref<4xi1, "hbm">, memref<4xi1, "hbm">)
%e = socket.exchange "all-reduce" %x to %y : memref<4xi1, "hbm"> to memref<4xi1, "hbm">

// -----

// `socket.exchange` (C4): both have a static shape
// CHECK: expected `source` of static shape, got memref<?xf32, "hbm">
%x, %y = "test.op"() : () -> (memref<?xf32, "hbm">, memref<4xf32, "hbm">)
%e = socket.exchange "all-reduce" %x to %y : memref<?xf32, "hbm"> to memref<4xf32, "hbm">

// -----

// `socket.exchange` (C5): an all-gather and a reduce-scatter have `dim`, the others have none
// CHECK: expected `dim` for parts only, got all-gather
%x, %y = "test.op"() : () -> (memref<4xf32, "hbm">, memref<8xf32, "hbm">)
%e = socket.exchange "all-gather" %x to %y : memref<4xf32, "hbm"> to memref<8xf32, "hbm">

// -----

// `socket.exchange` (C6): a send has `sender` and `receiver`, the others have neither
// CHECK: expected `sender` and `receiver` for a send only, got send
%x, %y = "test.op"() : () -> (memref<4xf32, "hbm">, memref<4xf32, "hbm">)
%e = socket.exchange "send" %x to %y sender 0 : memref<4xf32, "hbm"> to memref<4xf32, "hbm">

// -----

// `socket.exchange` (C7): along `dim` the whole is two or more times as long as the part
// CHECK: expected `source` with two or more times the 4 elements along `dim`, got 4
%x, %y = "test.op"() : () -> (memref<4xf32, "hbm">, memref<4xf32, "hbm">)
%e = socket.exchange "reduce-scatter" %x to %y dim 0 : memref<4xf32, "hbm"> to memref<4xf32, "hbm">

// -----

// `socket.exchange` (C8): without `dim`, `target` has the shape of `source`
// CHECK: expected `target` of shape 4, got shape 8
%x, %y = "test.op"() : () -> (memref<4xf32, "hbm">, memref<8xf32, "hbm">)
%e = socket.exchange "all-reduce" %x to %y : memref<4xf32, "hbm"> to memref<8xf32, "hbm">

// -----

// `socket.exchange` (C9): `target` has the element type of `source`
// CHECK: expected `target` of f32, got f16
%x, %y = "test.op"() : () -> (memref<4xf32, "hbm">, memref<4xf16, "hbm">)
%e = socket.exchange "all-reduce" %x to %y : memref<4xf32, "hbm"> to memref<4xf16, "hbm">

// -----

// `socket.exchange` (C10): `sender` and `receiver` are two sockets of at least 0
// CHECK: expected two sockets, got 1 twice
%x, %y = "test.op"() : () -> (memref<4xf32, "hbm">, memref<4xf32, "hbm">)
%e = socket.exchange "send" %x to %y sender 1 receiver 1 : memref<4xf32, "hbm"> to memref<4xf32, "hbm">
