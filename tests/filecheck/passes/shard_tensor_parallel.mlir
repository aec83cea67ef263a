// RUN: xdsl-opt %s --split-input-file -p shard-tensor-parallel | filecheck %s

// Columns of the first weight, rows of the second; one sum over the eight sockets of the target.
// CHECK-LABEL: builtin.module attributes {accel.target = "sn40l-node"}
// CHECK:         shard.grid @sockets(shape = 8)
// CHECK:         func.func @mlp
// CHECK-SAME:      %x: tensor<1x64xf32>, %u: tensor<64x16xf32> {dfc.weight = "up", socket.dim = 1 : i64}, %d: tensor<16x64xf32> {dfc.weight = "down", socket.dim = 0 : i64}) -> tensor<1x64xf32>
// CHECK:         [[H:%[a-z0-9_]+]] = linalg.matmul {dfc.origin = "up:mm"} ins(%x, %u : tensor<1x64xf32>, tensor<64x16xf32>) outs(%{{.*}} : tensor<1x16xf32>)
// CHECK:         [[G:%[a-z0-9_]+]] = linalg.generic {{.*}} ins([[H]] : tensor<1x16xf32>)
// CHECK:         [[P:%[a-z0-9_]+]] = linalg.matmul {dfc.origin = "down:mm"} ins([[G]], %d : tensor<1x16xf32>, tensor<16x64xf32>) outs(%{{.*}} : tensor<1x64xf32>) -> tensor<1x64xf32>
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]] = shard.all_reduce [[P]] on @sockets {dfc.origin = "down:mm#all_reduce"} : tensor<1x64xf32> -> tensor<1x64xf32>
// CHECK-NEXT:    func.return [[Y]]
#id = affine_map<(i, j) -> (i, j)>
builtin.module attributes {accel.target = "sn40l-node"} {
  func.func @mlp(%x: tensor<1x64xf32>, %u: tensor<64x128xf32> {dfc.weight = "up"}, %d: tensor<128x64xf32> {dfc.weight = "down"}) -> tensor<1x64xf32> {
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<1x128xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x128xf32>) -> tensor<1x128xf32>
    %h = linalg.matmul {dfc.origin = "up:mm"} ins(%x, %u : tensor<1x64xf32>, tensor<64x128xf32>) outs(%f : tensor<1x128xf32>) -> tensor<1x128xf32>
    %g = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%h : tensor<1x128xf32>) outs(%e : tensor<1x128xf32>) {
    ^bb0(%a: f32, %b: f32):
      %c = math.exp %a : f32
      linalg.yield %c : f32
    } -> tensor<1x128xf32>
    %e2 = tensor.empty() : tensor<1x64xf32>
    %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<1x64xf32>) -> tensor<1x64xf32>
    %y = linalg.matmul {dfc.origin = "down:mm"} ins(%g, %d : tensor<1x128xf32>, tensor<128x64xf32>) outs(%f2 : tensor<1x64xf32>) -> tensor<1x64xf32>
    func.return %y : tensor<1x64xf32>
  }
}

// -----

// Through calls; heads and caches go by groups, and a state stays split. What the rest of the program
// sees of the logits is whole.
// CHECK-LABEL: func.func @decode
// CHECK-SAME:      %c0: tensor<1x1x16x8xf32> {tf.aliasing_output = 1 : i32, socket.dim = 1 : i64}
// CHECK-SAME:      %k: tensor<64x8xf32> {dfc.weight = "k", socket.dim = 1 : i64}) -> (tensor<1x64xf32>, tensor<1x1x16x8xf32> {socket.dim = 1 : i64})
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]], [[C:%[a-z0-9_]+]] = func.call @layer({{.*}}) : (tensor<1x64xf32>, tensor<1x1x16x8xf32>, index, tensor<64x8xf32>) -> (tensor<1x64xf32>, tensor<1x1x16x8xf32>)
// CHECK-LABEL: func.func private @layer
// CHECK-SAME:      %c: tensor<1x1x16x8xf32>
// CHECK:         tensor.expand_shape %{{.*}} {{.*}} output_shape [1, 1, 1, 8] : tensor<1x8xf32> into tensor<1x1x1x8xf32>
// CHECK-NEXT:    attention.kv_write %c, %{{.*}} at %p : tensor<1x1x16x8xf32>, tensor<1x1x1x8xf32> -> tensor<1x1x16x8xf32>
// CHECK:         attention.sdpa %{{.*}} : tensor<1x1x1x8xf32>, tensor<1x1x16x8xf32>, tensor<1x1x16x8xf32> -> tensor<1x1x1x8xf32>
// CHECK:         socket.all_gather %{{.*}} on @sockets dim 1 : tensor<1x8xf32> -> tensor<1x64xf32>
builtin.module attributes {accel.target = "h100"} {
  func.func @decode(%x: tensor<1x64xf32>, %c0: tensor<1x8x16x8xf32> {tf.aliasing_output = 1 : i32}, %p: index, %k: tensor<64x64xf32> {dfc.weight = "k"}) -> (tensor<1x64xf32>, tensor<1x8x16x8xf32>) {
    %y, %c = func.call @layer(%x, %c0, %p, %k) : (tensor<1x64xf32>, tensor<1x8x16x8xf32>, index, tensor<64x64xf32>) -> (tensor<1x64xf32>, tensor<1x8x16x8xf32>)
    func.return %y, %c : tensor<1x64xf32>, tensor<1x8x16x8xf32>
  }
  func.func private @layer(%x: tensor<1x64xf32>, %c: tensor<1x8x16x8xf32>, %p: index, %k: tensor<64x64xf32>) -> (tensor<1x64xf32>, tensor<1x8x16x8xf32>) {
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<1x64xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x64xf32>) -> tensor<1x64xf32>
    %h = linalg.matmul ins(%x, %k : tensor<1x64xf32>, tensor<64x64xf32>) outs(%f : tensor<1x64xf32>) -> tensor<1x64xf32>
    %n = tensor.expand_shape %h [[0], [1, 2, 3]] output_shape [1, 8, 1, 8] : tensor<1x64xf32> into tensor<1x8x1x8xf32>
    %new = attention.kv_write %c, %n at %p : tensor<1x8x16x8xf32>, tensor<1x8x1x8xf32> -> tensor<1x8x16x8xf32>
    %a = attention.sdpa %n, %new, %new at %p : tensor<1x8x1x8xf32>, tensor<1x8x16x8xf32>, tensor<1x8x16x8xf32> -> tensor<1x8x1x8xf32>
    %y = tensor.collapse_shape %a [[0], [1, 2, 3]] : tensor<1x8x1x8xf32> into tensor<1x64xf32>
    func.return %y, %new : tensor<1x64xf32>, tensor<1x8x16x8xf32>
  }
}

// -----

// Nothing is split where eight sockets do not divide the columns.
// CHECK-LABEL: builtin.module attributes {accel.target = "sn40l-node"}
// CHECK-NEXT:    func.func @odd
// CHECK-SAME:      %w: tensor<64x12xf32> {dfc.weight = "w"}
// CHECK:         linalg.matmul {{.*}} -> tensor<1x12xf32>
builtin.module attributes {accel.target = "sn40l-node"} {
  func.func @odd(%x: tensor<1x64xf32>, %w: tensor<64x12xf32> {dfc.weight = "w"}) -> tensor<1x12xf32> {
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<1x12xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x12xf32>) -> tensor<1x12xf32>
    %y = linalg.matmul ins(%x, %w : tensor<1x64xf32>, tensor<64x12xf32>) outs(%f : tensor<1x12xf32>) -> tensor<1x12xf32>
    func.return %y : tensor<1x12xf32>
  }
}

// -----

// A machine of one socket keeps its program as it is.
// CHECK-LABEL: builtin.module attributes {accel.target = "tiny-npu"}
// CHECK-NEXT:    func.func @alone
// CHECK-SAME:      %w: tensor<64x16xf32> {dfc.weight = "w"}
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @alone(%x: tensor<1x64xf32>, %w: tensor<64x16xf32> {dfc.weight = "w"}) -> tensor<1x16xf32> {
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<1x16xf32>
    %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x16xf32>) -> tensor<1x16xf32>
    %y = linalg.matmul ins(%x, %w : tensor<1x64xf32>, tensor<64x16xf32>) outs(%f : tensor<1x16xf32>) -> tensor<1x16xf32>
    func.return %y : tensor<1x16xf32>
  }
}
