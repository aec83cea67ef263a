// RUN: xdsl-opt %s -p canonicalize,cse | filecheck %s

shard.grid @sockets(shape = 2)

// Equal collectives on values are one; one that nothing uses is dropped.
// CHECK-LABEL: func.func @values
// CHECK-NEXT:    [[Y:%.*]] = socket.all_gather %x on @sockets dim 0
// CHECK-NEXT:    func.return [[Y]], [[Y]]
func.func @values(%x: tensor<4xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %a = socket.all_gather %x on @sockets dim 0 : tensor<4xf32> -> tensor<8xf32>
  %b = socket.all_gather %x on @sockets dim 0 : tensor<4xf32> -> tensor<8xf32>
  %c = socket.send %x on @sockets from 0 to 1 : tensor<4xf32> -> tensor<4xf32>
  func.return %a, %b : tensor<8xf32>, tensor<8xf32>
}

// An exchange starts after nothing that has happened, once after one event, and stays.
// CHECK-LABEL: func.func @events
// CHECK-NEXT:    socket.exchange "all-gather" %x to %y dim 0 after(%e) {dfc.origin = "l:x"} : memref
// CHECK-NEXT:    socket.exchange "send" %x to %x sender 0 receiver 1 : memref
func.func @events(%x: memref<4xf32, "hbm">, %y: memref<8xf32, "hbm">, %e: !accel.event) {
  %start = accel.start
  %a = socket.exchange "all-gather" %x to %y dim 0 after(%e, %start, %e) {dfc.origin = "l:x"} : memref<4xf32, "hbm"> to memref<8xf32, "hbm">
  %b = socket.exchange "send" %x to %x sender 0 receiver 1 after(%start) : memref<4xf32, "hbm"> to memref<4xf32, "hbm">
  func.return
}
