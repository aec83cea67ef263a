// RUN: xdsl-opt %s --split-input-file -p stream-set-timing | filecheck %s

// A fabric without limits: every node takes its latency and its interval, those without a body too.
// CHECK-LABEL: func.func @fabric
// CHECK:         stream.read %x {latency = 6 : i64, interval = 3 : i64}
// CHECK:         stream.map on "fabric"
// CHECK:         } {latency = 6 : i64, interval = 3 : i64}
// CHECK-NEXT:    stream.fifo %{{.*}} depth 4 :
// CHECK-NEXT:    stream.write %{{.*}} {latency = 6 : i64, interval = 3 : i64}
builtin.module attributes {accel.target = "stream-abstract", accel.target_set = {"unit.fabric.latency_cycles" = 6 : i64, "unit.fabric.interval_cycles" = 3 : i64}} {
  func.func @fabric(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
    %r = stream.graph -> tensor<4x6xf32> {
      %s = stream.read %x : tensor<4x6xf32> -> !stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>>
      %t = stream.map on "fabric" (%s : !stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>>) -> (!stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>>) {
      ^bb0(%v: tensor<1x6xf32>):
        %y = arith.addf %v, %v : tensor<1x6xf32>
        stream.yield %y : tensor<1x6xf32>
      }
      %f = stream.fifo %t depth 4 : !stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>>
      %w = stream.write %f : !stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>> -> tensor<4x6xf32>
      stream.yield %w : tensor<4x6xf32>
    }
    func.return %r : tensor<4x6xf32>
  }
}

// -----

// Two lanes of one stage: the sums of six numbers take three cycles on one tile, one cycle on three.
// Nodes that name no unit are on the one that holds graphs.
// CHECK-LABEL: func.func @lanes
// CHECK:         stream.map on "fabric"(
// CHECK:         } {latency = 1 : i64, interval = 3 : i64}
// CHECK:         stream.map on "fabric"(
// CHECK:         } {accel.tiles = 3 : i64, latency = 1 : i64, interval = 1 : i64}
builtin.module attributes {accel.target = "stream-abstract", accel.target_set = {"unit.fabric.lanes" = 2 : i64}} {
  func.func @lanes(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
    %r = stream.graph -> tensor<4x6xf32> {
      %s = stream.read %x : tensor<4x6xf32> -> !stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>>
      %t = stream.map (%s : !stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>>) -> (!stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>>) {
      ^bb0(%v: tensor<1x6xf32>):
        %y = arith.addf %v, %v : tensor<1x6xf32>
        stream.yield %y : tensor<1x6xf32>
      }
      %u = stream.map (%t : !stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>>) -> (!stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>>) {
      ^bb0(%v: tensor<1x6xf32>):
        %y = arith.addf %v, %v : tensor<1x6xf32>
        stream.yield %y : tensor<1x6xf32>
      } {accel.tiles = 3 : i64}
      %w = stream.write %u : !stream.stream<tensor<1x6xf32>, [4], affine_map<(i) -> (i, 0)>> -> tensor<4x6xf32>
      stream.yield %w : tensor<4x6xf32>
    }
    func.return %r : tensor<4x6xf32>
  }
}

// -----

// No graph, no timing.
// CHECK-LABEL: func.func @nothing
// CHECK-NEXT:    arith.addf %x, %x : tensor<4x6xf32>
builtin.module attributes {accel.target = "stream-abstract"} {
  func.func @nothing(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
    %y = arith.addf %x, %x : tensor<4x6xf32>
    func.return %y : tensor<4x6xf32>
  }
}
