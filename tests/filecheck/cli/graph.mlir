// RUN: dfc graph %s | filecheck %s
// RUN: dfc graph %s --json --kernel softmax | filecheck %s --check-prefix=JSON

// Rows of 4 exponentials divided by their sum. A row waits for its sum, so the FIFO beside the sum
// holds a row and two tokens; `div` starts at cycle 5 and ends 12 firings later, `write` a cycle after.

// CHECK:      softmax: 18 cycles, busiest node exp
// CHECK:      rowsum
// CHECK:      long
// JSON:       "name": "softmax"
// JSON-NEXT:  "cycles": 18
// JSON:       "bottleneck": "exp"
// 2 + 6 + 2 + 2 floats in FIFOs; a sum in the making and one held
// JSON-NEXT:  "fifo_bytes": 48
// JSON-NEXT:  "state_bytes": 8
// JSON:       "name": "long"
// JSON-NEXT:  "depth": 6
// JSON-NEXT:  "peak_occupancy": 6
#rows = affine_map<(i) -> (i, 0)>
#elements = affine_map<(i, j) -> (i, j)>
func.func @main(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %y = accel.kernel "softmax" ins(%x : tensor<3x4xf32>) -> (tensor<3x4xf32>) {
  ^bb0(%in: tensor<3x4xf32>):
    %out = stream.graph -> tensor<3x4xf32> {
      %s = stream.read %in {in_place} : tensor<3x4xf32> -> !stream.stream<tensor<1x1xf32>, [3, 4], #elements>
      %a, %b = stream.map (%s : !stream.stream<tensor<1x1xf32>, [3, 4], #elements>) -> (!stream.stream<tensor<1x1xf32>, [3, 4], #elements>, !stream.stream<tensor<1x1xf32>, [3, 4], #elements>) {
      ^bb1(%t: tensor<1x1xf32>):
        %e = math.exp %t : tensor<1x1xf32>
        stream.yield %e, %e : tensor<1x1xf32>, tensor<1x1xf32>
      } {label = "exp"}
      %sum = stream.reduce (%a : !stream.stream<tensor<1x1xf32>, [3, 4], #elements>) inits [0.0 : f32] -> (!stream.stream<tensor<1x1xf32>, [3], #rows>) {
      ^bb2(%old: tensor<1x1xf32>, %t: tensor<1x1xf32>):
        %new = arith.addf %old, %t : tensor<1x1xf32>
        stream.yield %new : tensor<1x1xf32>
      } {label = "rowsum"}
      %long = stream.fifo %b depth 6 {label = "long"} : !stream.stream<tensor<1x1xf32>, [3, 4], #elements>
      %q = stream.map (%long, %sum : !stream.stream<tensor<1x1xf32>, [3, 4], #elements>, !stream.stream<tensor<1x1xf32>, [3], #rows>) -> (!stream.stream<tensor<1x1xf32>, [3, 4], #elements>) {
      ^bb3(%t: tensor<1x1xf32>, %z: tensor<1x1xf32>):
        %d = arith.divf %t, %z : tensor<1x1xf32>
        stream.yield %d : tensor<1x1xf32>
      } {label = "div"}
      %w = stream.write %q {label = "write"} : !stream.stream<tensor<1x1xf32>, [3, 4], #elements> -> tensor<3x4xf32>
      stream.yield %w : tensor<3x4xf32>
    }
    accel.yield %out : tensor<3x4xf32>
  }
  func.return %y : tensor<3x4xf32>
}
