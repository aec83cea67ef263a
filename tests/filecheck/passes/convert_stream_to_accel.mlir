// RUN: xdsl-opt %s --split-input-file -p convert-stream-to-accel | filecheck %s

// A FIFO of depth 2 is two slots: the copy of tile i waits for the launch of tile i - 2, whose event
// has rotated through the loop, and the launch for the copy.
// CHECK-LABEL: func.func @main
// CHECK-NEXT:    [[RAN:%[a-z0-9_]+]] = func.call @double(%x, %y)
// CHECK-NEXT:    accel.wait [[RAN]]
// CHECK-NEXT:    func.return
// CHECK-LABEL: func.func private @double
// CHECK-SAME:      attributes {accel.kernel = "double"}
// CHECK:         [[START:%[a-z0-9_]+]] = accel.start
// CHECK:         [[SLOTS:%[a-z0-9_]+]] = tier.alloc offset 0 : memref<2x2x16xf32, "sram">
// CHECK:         [[OLD:%[a-z0-9_]+]], [[LAST:%[a-z0-9_]+]] = scf.for [[I:%[a-z0-9_]+]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args([[A:%[a-z0-9_]+]] = [[START]], [[B:%[a-z0-9_]+]] = [[START]]) -> (!accel.event, !accel.event) {
// CHECK:           [[N:%[a-z0-9_]+]] = arith.remui [[I]], %{{.*}} : index
// CHECK:           [[SLOT:%[a-z0-9_]+]] = memref.subview [[SLOTS]][[[N]], 0, 0] [1, 2, 16] [1, 1, 1]
// CHECK:           [[THERE:%[a-z0-9_]+]] = tier.copy %{{.*}} to [[SLOT]] after([[A]])
// CHECK-NEXT:      [[RAN:%[a-z0-9_]+]] = accel.launch on "vector" after([[THERE]]) ins([[SLOT]] :
// CHECK:             arith.addf %{{.*}} : tensor<2x16xf32>
// CHECK:           scf.yield [[B]], [[RAN]]
// CHECK:         func.return [[LAST]]
!row = !stream.stream<tensor<2x16xf32>, [4], affine_map<(d0) -> (d0, 0)>>
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @main(%x: memref<8x16xf32, "ddr">, %y: memref<8x16xf32, "sram">) {
    accel.kernel "double" ins(%x : memref<8x16xf32, "ddr">) outs(%y : memref<8x16xf32, "sram">) {
    ^bb0(%x1: memref<8x16xf32, "ddr">, %y1: memref<8x16xf32, "sram">):
      stream.graph {
        %s = stream.read %x1 : memref<8x16xf32, "ddr"> -> !row
        %f = stream.fifo %s depth 2 tier "sram" offset 0 : !row
        %t = stream.map on "vector" (%f : !row) -> (!row) {
        ^bb1(%v: tensor<2x16xf32>):
          %u = arith.addf %v, %v : tensor<2x16xf32>
          stream.yield %u : tensor<2x16xf32>
        }
        stream.write %t to %y1 {in_place} : !row, memref<8x16xf32, "sram">
      }
    }
    func.return
  }
}

// -----

// A sum starts anew in the first of its inner trips: the old content of its slot is not used there.
// CHECK-LABEL: func.func private @sum
// CHECK:         scf.for [[K:%[a-z0-9_]+]] = %{{.*}} to
// CHECK:           accel.launch on "array"{{.*}} ins(%{{.*}}, %{{.*}}, [[K]] :
// CHECK-NEXT:      ^bb0(%{{.*}}: tensor<1x32xi8>, %{{.*}}: tensor<1x256xi8>, [[AT:%[a-z0-9_]+]]: index, [[OUT:%[a-z0-9_]+]]: tensor<1x32xi32>):
// CHECK-NEXT:        [[ZERO:%[a-z0-9_]+]] = arith.constant 0 : index
// CHECK-NEXT:        [[FIRST:%[a-z0-9_]+]] = arith.cmpi eq, [[AT]], [[ZERO]] : index
// CHECK-NEXT:        [[ZEROS:%[a-z0-9_]+]] = arith.constant dense<0> : tensor<1x32xi32>
// CHECK-NEXT:        [[ACC:%[a-z0-9_]+]] = arith.select [[FIRST]], [[ZEROS]], [[OUT]] : tensor<1x32xi32>
// CHECK:             ternary.matmul %{{.*}}, %{{.*}} acc [[ACC]]
!q = !stream.stream<tensor<1x32xi8>, [4], affine_map<(d0) -> (0, d0)>>
!w = !stream.stream<tensor<1x256xi8>, [4], affine_map<(d0) -> (d0, 0)>>
!a = !stream.stream<tensor<1x32xi32>, [], affine_map<() -> (0, 0)>>
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @main(%q: memref<1x128xi8, "sram">, %w: memref<4x256xi8, "sram">, %y: memref<1x32xi32, "sram">) {
    accel.kernel "sum" ins(%q, %w : memref<1x128xi8, "sram">, memref<4x256xi8, "sram">) outs(%y : memref<1x32xi32, "sram">) {
    ^bb0(%q1: memref<1x128xi8, "sram">, %w1: memref<4x256xi8, "sram">, %y1: memref<1x32xi32, "sram">):
      stream.graph {
        %s = stream.read %q1 {in_place} : memref<1x128xi8, "sram"> -> !q
        %p = stream.read %w1 {in_place} : memref<4x256xi8, "sram"> -> !w
        %t = stream.reduce on "array" (%s, %p : !q, !w) inits [0 : i32] -> (!a) {
        ^bb1(%acc: tensor<1x32xi32>, %v: tensor<1x32xi8>, %b: tensor<1x256xi8>):
          %u = ternary.unpack %b {packing = #ternary.packing<trits1in2, order = rows>} : tensor<1x256xi8> -> tensor<32x32x!ternary.trit>
          %r = ternary.matmul %v, %u acc %acc : (tensor<1x32xi8>, tensor<32x32x!ternary.trit>, tensor<1x32xi32>) -> tensor<1x32xi32>
          stream.yield %r : tensor<1x32xi32>
        }
        stream.write %t to %y1 {in_place} : !a, memref<1x32xi32, "sram">
      }
    }
    func.return
  }
}

// -----

// Nothing to convert: a function without kernels stays.
// CHECK-LABEL: func.func @copy
// CHECK-NEXT:    func.return %x
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @copy(%x: memref<4xf32, "ddr">) -> memref<4xf32, "ddr"> {
    func.return %x : memref<4xf32, "ddr">
  }
}

// -----

// A graph on a unit that holds it as a whole is one launch, in which it stands on values again.
// CHECK-LABEL: func.func private @double
// CHECK-NEXT:    [[RAN:%[a-z0-9_]+]] = accel.launch on "fabric" ins(%{{.*}} : memref<8x16xf32, "memory">) outs(%{{.*}} : memref<8x16xf32, "memory">)
// CHECK-NEXT:    ^bb0([[X:%[a-z0-9_]+]]: tensor<8x16xf32>, %{{.*}}: tensor<8x16xf32>):
// CHECK-NEXT:      [[G:%[a-z0-9_]+]] = stream.graph -> tensor<8x16xf32> {
// CHECK-NEXT:        stream.read [[X]] {in_place} : tensor<8x16xf32>
// CHECK:             stream.write %{{.*}} -> tensor<8x16xf32>
// CHECK:           accel.yield [[G]] : tensor<8x16xf32>
// CHECK:         func.return [[RAN]] : !accel.event
!x = !stream.stream<tensor<2x16xf32>, [4], affine_map<(d0) -> (d0, 0)>>
builtin.module attributes {accel.target = "stream-abstract"} {
  func.func @main(%x: memref<8x16xf32, "memory">, %y: memref<8x16xf32, "memory">) {
    accel.kernel "double" ins(%x : memref<8x16xf32, "memory">) outs(%y : memref<8x16xf32, "memory">) {
    ^bb0(%x1: memref<8x16xf32, "memory">, %y1: memref<8x16xf32, "memory">):
      stream.graph {
        %s = stream.read %x1 {in_place} : memref<8x16xf32, "memory"> -> !x
        %t = stream.map on "fabric" (%s : !x) -> (!x) {
        ^bb1(%v: tensor<2x16xf32>):
          %a = arith.addf %v, %v : tensor<2x16xf32>
          stream.yield %a : tensor<2x16xf32>
        }
        stream.write %t to %y1 : !x, memref<8x16xf32, "memory">
      }
    }
    func.return
  }
}

// -----

// The function waits for the flag before it reads it. A branch gives the events of its kernel; where
// that does not run, those of what it would have started after have happened.
// CHECK-LABEL: func.func @branch
// CHECK:         [[A:%[a-z0-9_]+]], [[B:%[a-z0-9_]+]], [[C:%[a-z0-9_]+]] = func.call @fast(%x,
// CHECK:         accel.wait [[C]]
// CHECK-NEXT:    [[V:%[a-z0-9_]+]] = memref.load
// CHECK:         [[T:%[a-z0-9_]+]] = arith.cmpi ne, [[V]],
// CHECK-NEXT:    [[D:%[a-z0-9_]+]], [[E:%[a-z0-9_]+]] = scf.if [[T]] -> (!accel.event, !accel.event) {
// CHECK-NEXT:      [[G:%[a-z0-9_]+]], [[H:%[a-z0-9_]+]] = func.call @slow(%x, %{{.*}}, [[A]], [[B]])
// CHECK-NEXT:      scf.yield [[G]], [[H]]
// CHECK-NEXT:    } else {
// CHECK-NEXT:      accel.wait [[A]], [[B]]
// CHECK-NEXT:      [[S:%[a-z0-9_]+]] = accel.start
// CHECK-NEXT:      scf.yield [[S]], [[S]]
// CHECK:         accel.wait [[E]], [[D]]
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @branch(%x: memref<4x8xf32, "ddr">) -> memref<4x8xf32, "ddr"> {
    %y = tier.alloc offset 0 : memref<4x8xf32, "ddr">
    %flag = tier.alloc offset 128 : memref<1x1xi8, "ddr">
    accel.kernel "fast" ins(%x : memref<4x8xf32, "ddr">) outs(%y, %flag : memref<4x8xf32, "ddr">, memref<1x1xi8, "ddr">) {
    ^bb0(%x0: memref<4x8xf32, "ddr">, %y_1: memref<4x8xf32, "ddr">, %flag_1: memref<1x1xi8, "ddr">):
      stream.graph {
        %0 = stream.read %x0 : memref<4x8xf32, "ddr"> -> !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>
        %1 = stream.fifo %0 depth 1 tier "sram" offset 0 : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>
        %2, %3 = stream.map on "vector"(%1 : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>) -> (!stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>, !stream.stream<tensor<1x1xi8>, [], affine_map<() -> (0, 0)>>) {
        ^bb0(%v: tensor<4x8xf32>):
          %w = arith.addf %v, %v : tensor<4x8xf32>
          %c = arith.constant dense<1> : tensor<1x1xi8>
          stream.yield %w, %c : tensor<4x8xf32>, tensor<1x1xi8>
        }
        %4 = stream.fifo %2 depth 1 tier "sram" offset 128 : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>
        %5 = stream.fifo %3 depth 1 tier "sram" offset 256 : !stream.stream<tensor<1x1xi8>, [], affine_map<() -> (0, 0)>>
        stream.write %4 to %y_1 : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>, memref<4x8xf32, "ddr">
        stream.write %5 to %flag_1 : !stream.stream<tensor<1x1xi8>, [], affine_map<() -> (0, 0)>>, memref<1x1xi8, "ddr">
      }
    }
    %0 = arith.constant 0 : index
    %1 = memref.load %flag[%0, %0] : memref<1x1xi8, "ddr">
    %2 = arith.constant 0 : i8
    %3 = arith.cmpi ne, %1, %2 : i8
    scf.if %3 {
      accel.kernel "slow" ins(%x : memref<4x8xf32, "ddr">) outs(%y : memref<4x8xf32, "ddr">) {
      ^bb0(%x0: memref<4x8xf32, "ddr">, %z: memref<4x8xf32, "ddr">):
        stream.graph {
          %4 = stream.read %x0 : memref<4x8xf32, "ddr"> -> !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>
          %5 = stream.fifo %4 depth 1 tier "sram" offset 0 : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>
          %6 = stream.map on "vector"(%5 : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>) -> (!stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>) {
          ^bb0(%v: tensor<4x8xf32>):
            %w = arith.mulf %v, %v : tensor<4x8xf32>
            stream.yield %w : tensor<4x8xf32>
          }
          %7 = stream.fifo %6 depth 1 tier "sram" offset 128 : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>
          stream.write %7 to %z : !stream.stream<tensor<4x8xf32>, [], affine_map<() -> (0, 0)>>, memref<4x8xf32, "ddr">
        }
      }
    } else {
    }
    func.return %y : memref<4x8xf32, "ddr">
  }
}

// -----

// A collective starts after what it reads is there, like a copy.
// CHECK-LABEL: func.func @exchanges
// CHECK-NEXT:    [[A:%[a-z0-9_]+]] = tier.alloc
// CHECK-NEXT:    [[B:%[a-z0-9_]+]] = tier.alloc
// CHECK-NEXT:    [[SUM:%[a-z0-9_]+]] = socket.exchange "all-reduce" %x to [[A]] {dfc.origin = "o:sum"}
// CHECK-NEXT:    [[ALL:%[a-z0-9_]+]] = socket.exchange "all-gather" [[A]] to [[B]] dim 1 after([[SUM]])
// CHECK-NEXT:    accel.wait [[ALL]]
builtin.module attributes {accel.target = "sn40l-node"} {
  shard.grid @sockets(shape = 8)
  func.func @exchanges(%x: memref<2x8xbf16, "hbm">) -> memref<2x64xbf16, "hbm"> {
    %a = tier.alloc offset 0 : memref<2x8xbf16, "hbm">
    %b = tier.alloc offset 64 : memref<2x64xbf16, "hbm">
    %s = socket.exchange "all-reduce" %x to %a {dfc.origin = "o:sum"} : memref<2x8xbf16, "hbm"> to memref<2x8xbf16, "hbm">
    %t = socket.exchange "all-gather" %a to %b dim 1 : memref<2x8xbf16, "hbm"> to memref<2x64xbf16, "hbm">
    func.return %b : memref<2x64xbf16, "hbm">
  }
}
