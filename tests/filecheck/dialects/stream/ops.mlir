// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC

// Every node of a graph over tensors: one stream read, copied, buffered, mapped, folded, written.
// CHECK-LABEL:   func.func @tiled
// CHECK-NEXT:      %r = stream.graph -> tensor<16x64xf32> {
// CHECK-NEXT:        %s = stream.read %x : tensor<16x64xf32> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
// CHECK-NEXT:        %t = stream.map(%s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>) -> (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>) {
// CHECK-NEXT:        ^bb0(%v: tensor<8x64xf32>):
// CHECK-NEXT:          %y = arith.addf %v, %v : tensor<8x64xf32>
// CHECK-NEXT:          stream.yield %y : tensor<8x64xf32>
// CHECK-NEXT:        }
// CHECK-NEXT:        %w = stream.write %t : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x64xf32>
// CHECK-NEXT:        stream.yield %w : tensor<16x64xf32>
// CHECK-NEXT:      }
// GENERIC:         %r = "stream.graph"() ({
// GENERIC-NEXT:      %s = "stream.read"(%x) : (tensor<16x64xf32>) -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
// GENERIC-NEXT:      %t = "stream.map"(%s) <{operandSegmentSizes = array<i32: 1, 0>}> ({
// GENERIC:             "stream.yield"(%y) : (tensor<8x64xf32>) -> ()
// GENERIC-NEXT:      }) : (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>) -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
// GENERIC-NEXT:      %w = "stream.write"(%t) : (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>) -> tensor<16x64xf32>
func.func @tiled(%x: tensor<16x64xf32>) -> tensor<16x64xf32> {
  %r = stream.graph -> tensor<16x64xf32> {
    %s = stream.read %x : tensor<16x64xf32> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    %t = stream.map (%s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>) -> (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>) {
    ^bb0(%v: tensor<8x64xf32>):
      %y = arith.addf %v, %v : tensor<8x64xf32>
      stream.yield %y : tensor<8x64xf32>
    }
    %w = stream.write %t : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x64xf32>
    stream.yield %w : tensor<16x64xf32>
  }
  func.return %r : tensor<16x64xf32>
}

// Placed: memrefs at both ends, FIFOs with a tier and an offset, a token that is a view of its buffer.
// CHECK-LABEL:   func.func @placed
// CHECK-NEXT:      stream.graph {
// CHECK-NEXT:        %r = stream.read %x {in_place} : memref<16x64xf32, "ddr"> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
// CHECK-NEXT:        %s, %u = stream.fork %r : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>)
// CHECK-NEXT:        %t = stream.fifo %s depth 2 tier "sram" offset 4096 : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
// CHECK-NEXT:        stream.write %t to %m : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, memref<16x64xf32, "ddr">
// CHECK-NEXT:        %v = stream.fifo %u depth 3 : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
// CHECK-NEXT:        stream.write %v to %n {in_place} : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, memref<16x64xf32, "sram">
// CHECK-NEXT:      }
// GENERIC:         "stream.graph"() ({
// GENERIC-NEXT:      %r = "stream.read"(%x) <{in_place}> : (memref<16x64xf32, "ddr">) -> !stream.stream
// GENERIC-NEXT:      %s, %u = "stream.fork"(%r) : (!stream.stream
// GENERIC-NEXT:      %t = "stream.fifo"(%s) <{depth = 2 : i64, tier = "sram", offset_bytes = 4096 : i64}> : (!stream.stream
// GENERIC-NEXT:      "stream.write"(%t, %m) : (!stream.stream
// GENERIC-NEXT:      %v = "stream.fifo"(%u) <{depth = 3 : i64}>
// GENERIC-NEXT:      "stream.write"(%v, %n) <{in_place}> : (!stream.stream
func.func @placed(%x: memref<16x64xf32, "ddr">, %m: memref<16x64xf32, "ddr">, %n: memref<16x64xf32, "sram">) {
  stream.graph {
    %r = stream.read %x {in_place} : memref<16x64xf32, "ddr"> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    %s, %u = stream.fork %r : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>)
    %t = stream.fifo %s depth 2 tier "sram" offset 4096 : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    stream.write %t to %m : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, memref<16x64xf32, "ddr">
    %v = stream.fifo %u depth 3 : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    stream.write %v to %n {in_place} : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, memref<16x64xf32, "sram">
  }
  func.return
}

// The first operand has no trips, so its one token is held; `control` brings an index in.
// CHECK-LABEL:   func.func @held
// CHECK:             stream.map on "vector"(%s, %t : {{.*}}) control(%p) -> ({{.*}}) {
// CHECK-NEXT:        ^bb0(%v: tensor<4xf32>, %w: tensor<1x4xf32>, %position: index):
// CHECK-NEXT:          %i = stream.index 0
// CHECK-NEXT:          %at = arith.addi %position, %i : index
// GENERIC:           "stream.map"(%s, %t, %p) <{unit = "vector", operandSegmentSizes = array<i32: 2, 1>}> ({
// GENERIC:             %i = "stream.index"() <{dim = 0 : i64}> : () -> index
func.func @held(%x: tensor<4xf32>, %z: tensor<8x4xf32>, %p: index) -> tensor<8x4xf32> {
  %r = stream.graph -> tensor<8x4xf32> {
    %s = stream.read %x : tensor<4xf32> -> !stream.stream<tensor<4xf32>, [], affine_map<() -> (0)>>
    %t = stream.read %z : tensor<8x4xf32> -> !stream.stream<tensor<1x4xf32>, [8], affine_map<(i) -> (i, 0)>>
    %u = stream.map on "vector" (%s, %t : !stream.stream<tensor<4xf32>, [], affine_map<() -> (0)>>, !stream.stream<tensor<1x4xf32>, [8], affine_map<(i) -> (i, 0)>>) control(%p) -> (!stream.stream<tensor<1x4xf32>, [8], affine_map<(i) -> (i, 0)>>) {
    ^bb0(%v: tensor<4xf32>, %w: tensor<1x4xf32>, %position: index):
      %i = stream.index 0
      %at = arith.addi %position, %i : index
      %y = "test.op"(%v, %w, %at) : (tensor<4xf32>, tensor<1x4xf32>, index) -> tensor<1x4xf32>
      stream.yield %y : tensor<1x4xf32>
    }
    %w = stream.write %u : !stream.stream<tensor<1x4xf32>, [8], affine_map<(i) -> (i, 0)>> -> tensor<8x4xf32>
    stream.yield %w : tensor<8x4xf32>
  }
  func.return %r : tensor<8x4xf32>
}

// Two accumulators over the inner trips.
// CHECK-LABEL:   func.func @reduce
// CHECK:             %t = stream.reduce(%s : {{.*}}) inits [0.000000e+00 : f32] -> (!stream.stream<tensor<8x1xf32>, [2], affine_map<(d0) -> (d0, 0)>>) {
// CHECK-NEXT:        ^bb0(%acc: tensor<8x1xf32>, %v: tensor<8x64xf32>):
// CHECK:             %n, %m = stream.reduce on "vector"(%u : {{.*}}) control(%p) inits [0 : i32, 0xff800000 : f32] ->
// CHECK-NEXT:        ^bb0(%acc: tensor<8x1xi32>, %top: tensor<8x1xf32>, %v: tensor<8x64xf32>, %position: index):
// GENERIC:           "stream.reduce"(%s) <{inits = [0.000000e+00 : f32], operandSegmentSizes = array<i32: 1, 0>}> ({
// GENERIC:           "stream.reduce"(%u, %p) <{unit = "vector", inits = [0 : i32, 0xff800000 : f32], operandSegmentSizes = array<i32: 1, 1>}> ({
func.func @reduce(%x: tensor<16x256xf32>, %p: index) -> (tensor<16x1xf32>, tensor<16x1xi32>, tensor<16x1xf32>) {
  %0, %1, %2 = stream.graph -> tensor<16x1xf32>, tensor<16x1xi32>, tensor<16x1xf32> {
    %s = stream.read %x : tensor<16x256xf32> -> !stream.stream<tensor<8x64xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>
    %t = stream.reduce (%s : !stream.stream<tensor<8x64xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>) inits [0.000000e+00 : f32] -> (!stream.stream<tensor<8x1xf32>, [2], affine_map<(d0) -> (d0, 0)>>) {
    ^bb0(%acc: tensor<8x1xf32>, %v: tensor<8x64xf32>):
      %y = "test.op"(%acc, %v) : (tensor<8x1xf32>, tensor<8x64xf32>) -> tensor<8x1xf32>
      stream.yield %y : tensor<8x1xf32>
    }
    %u = stream.read %x : tensor<16x256xf32> -> !stream.stream<tensor<8x64xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>
    %n, %m = stream.reduce on "vector" (%u : !stream.stream<tensor<8x64xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>) control(%p) inits [0 : i32, 0xFF800000 : f32] -> (!stream.stream<tensor<8x1xi32>, [2], affine_map<(d0) -> (d0, 0)>>, !stream.stream<tensor<8x1xf32>, [2], affine_map<(d0) -> (d0, 0)>>) {
    ^bb0(%acc: tensor<8x1xi32>, %top: tensor<8x1xf32>, %v: tensor<8x64xf32>, %position: index):
      stream.yield %acc, %top : tensor<8x1xi32>, tensor<8x1xf32>
    }
    %a = stream.write %t : !stream.stream<tensor<8x1xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x1xf32>
    %b = stream.write %n : !stream.stream<tensor<8x1xi32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x1xi32>
    %c = stream.write %m : !stream.stream<tensor<8x1xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x1xf32>
    stream.yield %a, %b, %c : tensor<16x1xf32>, tensor<16x1xi32>, tensor<16x1xf32>
  }
  func.return %0, %1, %2 : tensor<16x1xf32>, tensor<16x1xi32>, tensor<16x1xf32>
}

// Maps that are no permutation: flat loops, a tile read again, tiles in reversed order, tiles that stand over.
// CHECK-LABEL:   func.func @maps
// CHECK:             !stream.stream<tensor<4x8xf32>, [12], affine_map<(d0) -> ((d0 floordiv 4), (d0 mod 4))>>
// CHECK:             !stream.stream<tensor<4x8xf32>, [5, 3, 4], affine_map<(d0, d1, d2) -> (d1, d2)>>
// CHECK:             !stream.stream<tensor<5x32xf32>, [3], affine_map<(d0) -> (((d0 * -1) + 2), 0)>>
func.func @maps(%x: tensor<12x32xf32>) -> tensor<12x32xf32> {
  %r = stream.graph -> tensor<12x32xf32> {
    %a = stream.read %x : tensor<12x32xf32> -> !stream.stream<tensor<4x8xf32>, [12], affine_map<(d0) -> (d0 floordiv 4, d0 mod 4)>>
    %b = stream.read %x : tensor<12x32xf32> -> !stream.stream<tensor<4x8xf32>, [5, 3, 4], affine_map<(d0, d1, d2) -> (d1, d2)>>
    %c = stream.read %x : tensor<12x32xf32> -> !stream.stream<tensor<5x32xf32>, [3], affine_map<(d0) -> (2 - d0, 0)>>
    %w = stream.write %a : !stream.stream<tensor<4x8xf32>, [12], affine_map<(d0) -> (d0 floordiv 4, d0 mod 4)>> -> tensor<12x32xf32>
    %v = stream.write %b : !stream.stream<tensor<4x8xf32>, [5, 3, 4], affine_map<(d0, d1, d2) -> (d1, d2)>> -> tensor<12x32xf32>
    %u = stream.write %c : !stream.stream<tensor<5x32xf32>, [3], affine_map<(d0) -> (2 - d0, 0)>> -> tensor<12x32xf32>
    stream.yield %w : tensor<12x32xf32>
  }
  func.return %r : tensor<12x32xf32>
}

// CHECK-LABEL:   func.func @write
// CHECK:             %y = stream.write %s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x64xf32>
// CHECK:             stream.write %{{.*}} to %m : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, memref<16x64xf32, "ddr">
func.func @write(%x: tensor<16x64xf32>, %m: memref<16x64xf32, "ddr">) -> tensor<16x64xf32> {
  %r = stream.graph -> tensor<16x64xf32> {
    %s = stream.read %x : tensor<16x64xf32> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    %y = stream.write %s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x64xf32>
    stream.yield %y : tensor<16x64xf32>
  }
  stream.graph {
    %s = stream.read %r : tensor<16x64xf32> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    stream.write %s to %m : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, memref<16x64xf32, "ddr">
  }
  func.return %r : tensor<16x64xf32>
}

// CHECK-LABEL:   func.func @fork
// CHECK:             %a, %b = stream.fork %s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>)
func.func @fork(%x: tensor<16x64xf32>) -> (tensor<16x64xf32>, tensor<16x64xf32>) {
  %0, %1 = stream.graph -> tensor<16x64xf32>, tensor<16x64xf32> {
    %s = stream.read %x : tensor<16x64xf32> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    %a, %b = stream.fork %s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> (!stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>)
    %y = stream.write %a : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x64xf32>
    %z = stream.write %b : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> tensor<16x64xf32>
    stream.yield %y, %z : tensor<16x64xf32>, tensor<16x64xf32>
  }
  func.return %0, %1 : tensor<16x64xf32>, tensor<16x64xf32>
}

// A state that starts anew with each row, and two results a firing; timing and names in the dictionary.
// CHECK-LABEL:   func.func @scan
// CHECK:             %t = stream.scan(%s : {{.*}}) inits [0.000000e+00 : f32] over 1 -> ({{.*}}) {
// CHECK-NEXT:        ^bb0(%sum: tensor<1x1xf32>, %v: tensor<1x1xf32>):
// CHECK:             %n, %m = stream.scan on "vector"(%u : {{.*}}) control(%p) inits [0.000000e+00 : f32, 0 : i32] over 2 -> ({{.*}}, {{.*}}) {
// CHECK:             } {latency = 3 : i64, interval = 2 : i64, label = "both"}
// GENERIC:           "stream.scan"(%u, %p) <{unit = "vector", inits = [0.000000e+00 : f32, 0 : i32], over = 2 : i64, latency = 3 : i64, interval = 2 : i64, label = "both", operandSegmentSizes = array<i32: 1, 1>}> ({
func.func @scan(%x: tensor<2x4xf32>, %p: index) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xi32>) {
  %0, %1, %2 = stream.graph -> tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xi32> {
    %s = stream.read %x : tensor<2x4xf32> -> !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>
    %t = stream.scan (%s : !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>) inits [0.000000e+00 : f32] over 1 -> (!stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>) {
    ^bb0(%sum: tensor<1x1xf32>, %v: tensor<1x1xf32>):
      %more = arith.addf %sum, %v : tensor<1x1xf32>
      stream.yield %more, %more : tensor<1x1xf32>, tensor<1x1xf32>
    }
    %u = stream.read %x {in_place} : tensor<2x4xf32> -> !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>
    %n, %m = stream.scan on "vector" (%u : !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>) control(%p) inits [0.000000e+00 : f32, 0 : i32] over 2 -> (!stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>, !stream.stream<tensor<1x1xi32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>) {
    ^bb0(%top: tensor<1x1xf32>, %count: tensor<1x1xi32>, %v: tensor<1x1xf32>, %position: index):
      %higher = arith.maximumf %top, %v : tensor<1x1xf32>
      stream.yield %higher, %count, %v, %count : tensor<1x1xf32>, tensor<1x1xi32>, tensor<1x1xf32>, tensor<1x1xi32>
    } {latency = 3 : i64, interval = 2 : i64, label = "both"}
    %a = stream.write %t : !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>> -> tensor<2x4xf32>
    %b = stream.write %n : !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>> -> tensor<2x4xf32>
    %c = stream.write %m : !stream.stream<tensor<1x1xi32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>> -> tensor<2x4xi32>
    stream.yield %a, %b, %c : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xi32>
  }
  func.return %0, %1, %2 : tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xi32>
}

// CHECK-LABEL:   func.func @repeat
// CHECK:             %t = stream.repeat %s : {{.*}} -> !stream.stream<tensor<8x64xf32>, [2, 3], affine_map<(d0, d1) -> (d0, 0)>>
func.func @repeat(%x: tensor<16x64xf32>) -> tensor<16x64xf32> {
  %r = stream.graph -> tensor<16x64xf32> {
    %s = stream.read %x : tensor<16x64xf32> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
    %t = stream.repeat %s : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>> -> !stream.stream<tensor<8x64xf32>, [2, 3], affine_map<(d0, d1) -> (d0, 0)>>
    %y = stream.write %t : !stream.stream<tensor<8x64xf32>, [2, 3], affine_map<(d0, d1) -> (d0, 0)>> -> tensor<16x64xf32>
    stream.yield %y : tensor<16x64xf32>
  }
  func.return %r : tensor<16x64xf32>
}

// CHECK-LABEL:   func.func @window
// CHECK:             %t = stream.window %s size 3 : {{.*}} -> !stream.stream<tensor<1x64xf32>, [8, 3], affine_map<(d0, d1) -> (((d0 + d1) + -2), 0)>>
// CHECK:             %u = stream.window %{{.*}} size 2 fill 1.000000e+00 : f32 : {{.*}} -> !stream.stream<tensor<1x1xf32>, [3, 4, 2], affine_map<(d0, d1, d2) -> (d0, ((d1 + d2) + -1))>>
func.func @window(%x: tensor<8x64xf32>, %z: tensor<3x4xf32>) {
  stream.graph {
    %s = stream.read %x : tensor<8x64xf32> -> !stream.stream<tensor<1x64xf32>, [8], affine_map<(d0) -> (d0, 0)>>
    %t = stream.window %s size 3 : !stream.stream<tensor<1x64xf32>, [8], affine_map<(d0) -> (d0, 0)>> -> !stream.stream<tensor<1x64xf32>, [8, 3], affine_map<(d0, d1) -> (d0 + d1 + -2, 0)>>
    %v = stream.read %z : tensor<3x4xf32> -> !stream.stream<tensor<1x1xf32>, [3, 4], affine_map<(d0, d1) -> (d0, d1)>>
    %u = stream.window %v size 2 fill 1.000000e+00 : f32 : !stream.stream<tensor<1x1xf32>, [3, 4], affine_map<(d0, d1) -> (d0, d1)>> -> !stream.stream<tensor<1x1xf32>, [3, 4, 2], affine_map<(d0, d1, d2) -> (d0, d1 + d2 - 1)>>
  }
  func.return
}

// CHECK-LABEL:   func.func @convert
// CHECK:             %t = stream.convert %s : !stream.stream<tensor<2xf32>, [6], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<3xf32>, [4], affine_map<(d0) -> (d0)>>
func.func @convert(%x: tensor<12xf32>) -> tensor<12xf32> {
  %r = stream.graph -> tensor<12xf32> {
    %s = stream.read %x : tensor<12xf32> -> !stream.stream<tensor<2xf32>, [6], affine_map<(d0) -> (d0)>>
    %t = stream.convert %s : !stream.stream<tensor<2xf32>, [6], affine_map<(d0) -> (d0)>> -> !stream.stream<tensor<3xf32>, [4], affine_map<(d0) -> (d0)>>
    %y = stream.write %t : !stream.stream<tensor<3xf32>, [4], affine_map<(d0) -> (d0)>> -> tensor<12xf32>
    stream.yield %y : tensor<12xf32>
  }
  func.return %r : tensor<12xf32>
}

// The sum of all tokens so far goes round through a FIFO with a token in it.
// CHECK-LABEL:   func.func @feedback
// CHECK:             stream.map(%s, %back :
// CHECK:             %back = stream.fifo %n depth 2 initial [0.000000e+00 : f32] {label = "back"} :
func.func @feedback(%x: tensor<4xf32>) -> tensor<4xf32> {
  %r = stream.graph -> tensor<4xf32> {
    %s = stream.read %x : tensor<4xf32> -> !stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>>
    %t, %n = stream.map (%s, %back : !stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>>, !stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>>) -> (!stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>>, !stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>>) {
    ^bb0(%v: tensor<1xf32>, %sum: tensor<1xf32>):
      %more = arith.addf %sum, %v : tensor<1xf32>
      stream.yield %more, %more : tensor<1xf32>, tensor<1xf32>
    }
    %back = stream.fifo %n depth 2 initial [0.000000e+00 : f32] {label = "back"} : !stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>>
    %y = stream.write %t : !stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>> -> tensor<4xf32>
    stream.yield %y : tensor<4xf32>
  }
  func.return %r : tensor<4xf32>
}

// Row d0 has its first %n + d0 + 1 of four trips: a causal triangle.
// CHECK-LABEL:   func.func @bound
// CHECK-NEXT:      %r = stream.graph bound affine_map<(d0)[s0] -> (((d0 + s0) + 1))>(%n) -> tensor<2x4xf32> {
// GENERIC:         %r = "stream.graph"(%n) <{bound = affine_map<(d0)[s0] -> (((d0 + s0) + 1))>}> ({
func.func @bound(%x: tensor<2x4xf32>, %n: index) -> tensor<2x4xf32> {
  %r = stream.graph bound affine_map<(d0)[s0] -> (d0 + s0 + 1)> (%n) -> tensor<2x4xf32> {
    %s = stream.read %x : tensor<2x4xf32> -> !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>>
    %y = stream.write %s : !stream.stream<tensor<1x1xf32>, [2, 4], affine_map<(d0, d1) -> (d0, d1)>> -> tensor<2x4xf32>
    stream.yield %y : tensor<2x4xf32>
  }
  func.return %r : tensor<2x4xf32>
}
