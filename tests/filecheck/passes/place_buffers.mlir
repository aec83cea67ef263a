// RUN: xdsl-opt %s --split-input-file -p place-buffers | filecheck %s

// A value between two kernels stays on chip, where both units work on it in place. Arguments and
// results stay with the host, behind FIFOs of two tokens.
// CHECK-LABEL: func.func @between(%x: memref<4x16xf32, "ddr">) -> memref<4x16xf32, "ddr">
// CHECK-DAG:     [[Y:%[a-z0-9_]+]] = tier.alloc offset {{[0-9]+}} : memref<4x16xf32, "sram">
// CHECK-DAG:     [[Z:%[a-z0-9_]+]] = tier.alloc offset 0 : memref<4x16xf32, "ddr">
// CHECK:         accel.kernel "double" ins(%x : memref<4x16xf32, "ddr">) outs([[Y]] : memref<4x16xf32, "sram">)
// CHECK:           [[R:%[a-z0-9_]+]] = stream.read %{{.*}} : memref<4x16xf32, "ddr">
// CHECK-NEXT:      stream.fifo [[R]] depth 2 tier "sram" offset {{[0-9]+}}
// CHECK:           stream.write %{{.*}} to %{{.*}} {in_place}
// CHECK:         accel.kernel "square" ins([[Y]] : memref<4x16xf32, "sram">) outs([[Z]] : memref<4x16xf32, "ddr">)
// CHECK:           stream.read %{{.*}} {in_place}
// CHECK:           stream.fifo %{{.*}} depth 2 tier "sram" offset {{[0-9]+}}
// CHECK-NEXT:      stream.write %{{.*}} to %{{[^ ]*}} :
// CHECK:         func.return [[Z]]
#row = affine_map<(d0) -> (d0, 0)>
!row = !stream.stream<tensor<1x16xf32>, [4], #row>
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @between(%x: tensor<4x16xf32>) -> tensor<4x16xf32> {
    %y = accel.kernel "double" ins(%x : tensor<4x16xf32>) -> (tensor<4x16xf32>) {
    ^bb0(%x1: tensor<4x16xf32>):
      %g = stream.graph -> tensor<4x16xf32> {
        %s = stream.read %x1 : tensor<4x16xf32> -> !row
        %t = stream.map on "vector" (%s : !row) -> (!row) {
        ^bb1(%v: tensor<1x16xf32>):
          %u = arith.addf %v, %v : tensor<1x16xf32>
          stream.yield %u : tensor<1x16xf32>
        }
        %w = stream.write %t : !row -> tensor<4x16xf32>
        stream.yield %w : tensor<4x16xf32>
      }
      accel.yield %g : tensor<4x16xf32>
    }
    %z = accel.kernel "square" ins(%y : tensor<4x16xf32>) -> (tensor<4x16xf32>) {
    ^bb0(%x2: tensor<4x16xf32>):
      %g2 = stream.graph -> tensor<4x16xf32> {
        %s2 = stream.read %x2 : tensor<4x16xf32> -> !row
        %t2 = stream.map on "vector" (%s2 : !row) -> (!row) {
        ^bb1(%v2: tensor<1x16xf32>):
          %u2 = arith.mulf %v2, %v2 : tensor<1x16xf32>
          stream.yield %u2 : tensor<1x16xf32>
        }
        %w2 = stream.write %t2 : !row -> tensor<4x16xf32>
        stream.yield %w2 : tensor<4x16xf32>
      }
      accel.yield %g2 : tensor<4x16xf32>
    }
    func.return %z : tensor<4x16xf32>
  }
}

// -----

// A cache is updated in place. A called function takes a buffer for each result that is not in an
// argument of its own, and returns nothing.
// CHECK-LABEL: func.func private @append
// CHECK-SAME:      (%c: memref<1x2x8x4xf32, "ddr">, %n: memref<1x2x1x4xf32, "ddr">, %p: index, [[OUT:%[a-z0-9_]+]]: memref<1x1x1x4xf32, "ddr">)
// CHECK-NEXT:    [[PART:%[a-z0-9_]+]] = memref.subview %c[0, 0, %p, 0] [1, 2, 1, 4] [1, 1, 1, 1]
// CHECK:         tier.copy %n to [[PART]]
// CHECK:         tier.copy %{{.*}} to [[OUT]]
// CHECK:         func.return
// CHECK-LABEL: func.func @main
// CHECK-NEXT:    [[B:%[a-z0-9_]+]] = tier.alloc offset 0 : memref<1x1x1x4xf32, "ddr">
// CHECK-NEXT:    func.call @append(%c, %n, %p, [[B]])
// CHECK-NEXT:    func.return %c, [[B]]
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func private @append(%c: tensor<1x2x8x4xf32>, %n: tensor<1x2x1x4xf32>, %p: index) -> (tensor<1x2x8x4xf32>, tensor<1x1x1x4xf32>) {
    %d = attention.kv_write %c, %n at %p : tensor<1x2x8x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x8x4xf32>
    %m = tensor.extract_slice %n[0, 0, 0, 0] [1, 1, 1, 4] [1, 1, 1, 1] : tensor<1x2x1x4xf32> to tensor<1x1x1x4xf32>
    func.return %d, %m : tensor<1x2x8x4xf32>, tensor<1x1x1x4xf32>
  }
  func.func @main(%c: tensor<1x2x8x4xf32> {tf.aliasing_output = 0 : i32}, %n: tensor<1x2x1x4xf32>, %p: index) -> (tensor<1x2x8x4xf32>, tensor<1x1x1x4xf32>) {
    %d, %m = func.call @append(%c, %n, %p) : (tensor<1x2x8x4xf32>, tensor<1x2x1x4xf32>, index) -> (tensor<1x2x8x4xf32>, tensor<1x1x1x4xf32>)
    func.return %d, %m : tensor<1x2x8x4xf32>, tensor<1x1x1x4xf32>
  }
}

// -----

// @weights runs on the host and stays on tensors.
// CHECK-LABEL: func.func @weights(%w: tensor<4xf32>) -> tensor<4xf32>
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @weights(%w: tensor<4xf32>) -> tensor<4xf32> {
    func.return %w : tensor<4xf32>
  }
}

// -----

// A graph on a unit that holds it as a whole keeps its nodes and FIFOs, which are inside the unit; its
// ends stand in memory.
// CHECK-LABEL: func.func @held
// CHECK:         [[Y:%[a-z0-9_]+]] = tier.alloc offset 0 : memref<8x16xf32, "memory">
// CHECK-NEXT:    accel.kernel "double" ins(%x : memref<8x16xf32, "memory">) outs([[Y]] : memref<8x16xf32, "memory">)
// CHECK:           [[S:%[a-z0-9_]+]] = stream.read %{{.*}} : memref<8x16xf32, "memory">
// CHECK-NEXT:      [[F:%[a-z0-9_]+]] = stream.fifo [[S]] depth 3 :
// CHECK-NEXT:      [[T:%[a-z0-9_]+]] = stream.map on "fabric"([[F]] :
// CHECK:           stream.write [[T]] to %{{.*}} {label = "sums"}
!x = !stream.stream<tensor<2x16xf32>, [4], affine_map<(d0) -> (d0, 0)>>
builtin.module attributes {accel.target = "stream-abstract"} {
  func.func @held(%x: tensor<8x16xf32>) -> tensor<8x16xf32> {
    %y = accel.kernel "double" ins(%x : tensor<8x16xf32>) -> (tensor<8x16xf32>) {
    ^bb0(%x1: tensor<8x16xf32>):
      %g = stream.graph -> tensor<8x16xf32> {
        %s = stream.read %x1 : tensor<8x16xf32> -> !x
        %f = stream.fifo %s depth 3 : !x
        %t = stream.map on "fabric" (%f : !x) -> (!x) {
        ^bb1(%v: tensor<2x16xf32>):
          %a = arith.addf %v, %v : tensor<2x16xf32>
          stream.yield %a : tensor<2x16xf32>
        }
        %w = stream.write %t {label = "sums"} : !x -> tensor<8x16xf32>
        stream.yield %w : tensor<8x16xf32>
      }
      accel.yield %g : tensor<8x16xf32>
    }
    func.return %y : tensor<8x16xf32>
  }
}

// -----

// The kernel in a branch writes over what the branch gives without it. The function reads the flag.
// CHECK-LABEL: func.func @branch
// CHECK-DAG:     [[Y:%[a-z0-9_]+]] = tier.alloc offset 0 : memref<4x8xf32, "ddr">
// CHECK-DAG:     [[F:%[a-z0-9_]+]] = tier.alloc offset 128 : memref<1x1xi8, "ddr">
// CHECK:         accel.kernel "fast" ins(%x : {{.*}}) outs([[Y]], [[F]] :
// CHECK:         [[V:%[a-z0-9_]+]] = memref.load [[F]]
// CHECK:         [[C:%[a-z0-9_]+]] = arith.cmpi ne, [[V]],
// CHECK-NEXT:    scf.if [[C]] {
// CHECK-NEXT:      accel.kernel "slow" ins(%x : {{.*}}) outs([[Y]] :
// CHECK:         func.return [[Y]]
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @branch(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    %y, %flag = accel.kernel "fast" ins(%x : tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<1x1xi8>) {
    ^bb0(%x0: tensor<4x8xf32>):
      %y0, %f0 = stream.graph -> tensor<4x8xf32>, tensor<1x1xi8> {
        %s = stream.read %x0 : tensor<4x8xf32> -> !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>
        %t, %u = stream.map on "vector"(%s : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>) -> (!stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>, !stream.stream<tensor<1x1xi8>, [], affine_map<() -> (0, 0)>>) {
        ^bb1(%v: tensor<4x8xf32>):
          %w = arith.addf %v, %v : tensor<4x8xf32>
          %c = arith.constant dense<1> : tensor<1x1xi8>
          stream.yield %w, %c : tensor<4x8xf32>, tensor<1x1xi8>
        }
        %a = stream.write %t : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>> -> tensor<4x8xf32>
        %b = stream.write %u : !stream.stream<tensor<1x1xi8>, [], affine_map<() -> (0, 0)>> -> tensor<1x1xi8>
        stream.yield %a, %b : tensor<4x8xf32>, tensor<1x1xi8>
      }
      accel.yield %y0, %f0 : tensor<4x8xf32>, tensor<1x1xi8>
    }
    %0 = arith.constant 0 : index
    %1 = tensor.extract %flag[%0, %0] : tensor<1x1xi8>
    %2 = arith.constant 0 : i8
    %3 = arith.cmpi ne, %1, %2 : i8
    %4 = scf.if %3 -> (tensor<4x8xf32>) {
      %z = accel.kernel "slow" ins(%x : tensor<4x8xf32>) -> (tensor<4x8xf32>) {
      ^bb0(%x0: tensor<4x8xf32>):
        %y0 = stream.graph -> tensor<4x8xf32> {
          %s = stream.read %x0 : tensor<4x8xf32> -> !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>
          %t = stream.map on "vector"(%s : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>) -> (!stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>) {
          ^bb1(%v: tensor<4x8xf32>):
            %w = arith.mulf %v, %v : tensor<4x8xf32>
            stream.yield %w : tensor<4x8xf32>
          }
          %a = stream.write %t : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>> -> tensor<4x8xf32>
          stream.yield %a : tensor<4x8xf32>
        }
        accel.yield %y0 : tensor<4x8xf32>
      }
      scf.yield %z : tensor<4x8xf32>
    } else {
      scf.yield %y : tensor<4x8xf32>
    }
    func.return %4 : tensor<4x8xf32>
  }
}

// -----

// A collective goes from buffer to buffer, both with the host.
// CHECK-LABEL: func.func @exchanges
// CHECK-SAME:      %x: memref<2x8xbf16, "hbm">
// CHECK-DAG:     [[SUM:%[a-z0-9_]+]] = tier.alloc offset {{[0-9]+}} : memref<2x8xbf16, "hbm">
// CHECK-DAG:     [[ALL:%[a-z0-9_]+]] = tier.alloc offset {{[0-9]+}} : memref<2x64xbf16, "hbm">
// CHECK:         socket.exchange "all-reduce" %x to [[SUM]] {dfc.origin = "o:sum"} : memref<2x8xbf16, "hbm"> to memref<2x8xbf16, "hbm">
// CHECK-NEXT:    socket.exchange "all-gather" [[SUM]] to [[ALL]] dim 1
// CHECK-NEXT:    socket.exchange "reduce-scatter" [[ALL]] to [[PART:%[a-z0-9_]+]] dim 1
// CHECK-NEXT:    socket.exchange "send" [[PART]] to %{{[a-z0-9_]+}} sender 0 receiver 3
builtin.module attributes {accel.target = "sn40l-node"} {
  shard.grid @sockets(shape = 8)
  func.func @exchanges(%x: tensor<2x8xbf16>) -> tensor<2x8xbf16> {
    %sum = shard.all_reduce %x on @sockets {dfc.origin = "o:sum"} : tensor<2x8xbf16> -> tensor<2x8xbf16>
    %all = socket.all_gather %sum on @sockets dim 1 : tensor<2x8xbf16> -> tensor<2x64xbf16>
    %part = socket.reduce_scatter %all on @sockets dim 1 : tensor<2x64xbf16> -> tensor<2x8xbf16>
    %y = socket.send %part on @sockets from 0 to 3 : tensor<2x8xbf16> -> tensor<2x8xbf16>
    func.return %y : tensor<2x8xbf16>
  }
}
