// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC

// The sockets of a node, and the collective that `shard` has.
// CHECK:         shard.grid @sockets(shape = 8)
// CHECK-LABEL:   func.func @values
// CHECK-NEXT:      %r = shard.all_reduce %x on @sockets : tensor<2x64xf32> -> tensor<2x64xf32>
// CHECK-NEXT:      %y = socket.all_gather %x on @sockets dim 1 : tensor<2x64xf32> -> tensor<2x512xf32>
// CHECK-NEXT:      %z = socket.reduce_scatter %w on @sockets dim 1 : tensor<2x512xf32> -> tensor<2x64xf32>
// CHECK-NEXT:      %s = socket.send %x on @sockets from 0 to 3 : tensor<2x64xf32> -> tensor<2x64xf32>
// GENERIC:         "socket.all_gather"(%x) <{grid = @sockets, dim = 1 : i64}> : (tensor<2x64xf32>) -> tensor<2x512xf32>
// GENERIC-NEXT:    "socket.reduce_scatter"(%w) <{grid = @sockets, dim = 1 : i64}> : (tensor<2x512xf32>) -> tensor<2x64xf32>
// GENERIC-NEXT:    "socket.send"(%x) <{grid = @sockets, source = 0 : i64, goal = 3 : i64}> : (tensor<2x64xf32>) -> tensor<2x64xf32>
shard.grid @sockets(shape = 8)
func.func @values(%x: tensor<2x64xf32>, %w: tensor<2x512xf32>) {
  %r = shard.all_reduce %x on @sockets : tensor<2x64xf32> -> tensor<2x64xf32>
  %y = socket.all_gather %x on @sockets dim 1 : tensor<2x64xf32> -> tensor<2x512xf32>
  %z = socket.reduce_scatter %w on @sockets dim 1 : tensor<2x512xf32> -> tensor<2x64xf32>
  %s = socket.send %x on @sockets from 0 to 3 : tensor<2x64xf32> -> tensor<2x64xf32>
  func.return
}

// On buffers a collective is one op with events, like a copy.
// CHECK-LABEL:   func.func @buffers
// CHECK-NEXT:      %done = socket.exchange "all-reduce" %x to %y after(%old) : memref<2x64xf32, "hbm"> to memref<2x64xf32, "hbm">
// CHECK-NEXT:      %g = socket.exchange "all-gather" %x to %w dim 1 : memref<2x64xf32, "hbm"> to memref<2x512xf32, "hbm">
// CHECK-NEXT:      %r = socket.exchange "reduce-scatter" %w to %x dim 1 after(%g) {dfc.origin = "l:o"} : memref<2x512xf32, "hbm"> to memref<2x64xf32, "hbm">
// CHECK-NEXT:      %s = socket.exchange "send" %x to %y sender 0 receiver 3 after(%g, %r) : memref<2x64xf32, "hbm"> to memref<2x64xf32, "hbm">
func.func @buffers(%x: memref<2x64xf32, "hbm">, %y: memref<2x64xf32, "hbm">, %w: memref<2x512xf32, "hbm">, %old: !accel.event) {
  %done = socket.exchange "all-reduce" %x to %y after(%old) : memref<2x64xf32, "hbm"> to memref<2x64xf32, "hbm">
  %g = socket.exchange "all-gather" %x to %w dim 1 : memref<2x64xf32, "hbm"> to memref<2x512xf32, "hbm">
  %r = socket.exchange "reduce-scatter" %w to %x dim 1 after(%g) {dfc.origin = "l:o"} : memref<2x512xf32, "hbm"> to memref<2x64xf32, "hbm">
  %s = socket.exchange "send" %x to %y sender 0 receiver 3 after(%g, %r) : memref<2x64xf32, "hbm"> to memref<2x64xf32, "hbm">
  func.return
}
