// RUN: xdsl-opt %s --split-input-file --verify-diagnostics -p stream-verify-deadlock | filecheck %s

// A row has four scores, and its maximum is there when all four were given: three slots are too few.
// CHECK: expected a graph that runs to its end, got a deadlock: `qk` waits for room in `qk->sub` (depth 3) from `sub`, `sub` waits for a token of `rowmax->sub` from `rowmax`, `rowmax` waits for a token of `qk->rowmax` from `qk`
func.func @too_shallow(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %r = stream.graph -> tensor<4x4xf32> {
    %s = stream.read %x {in_place} : tensor<4x4xf32> -> !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>
    %a, %b = stream.map (%s : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>):
      stream.yield %v, %v : tensor<1x1xf32>, tensor<1x1xf32>
    } {label = "qk"}
    %m = stream.reduce (%a : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) inits [0xFF800000 : f32] -> (!stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>) {
    ^bb0(%old: tensor<1x1xf32>, %v: tensor<1x1xf32>):
      %top = arith.maximumf %old, %v : tensor<1x1xf32>
      stream.yield %top : tensor<1x1xf32>
    } {label = "rowmax"}
    %c = stream.fifo %b depth 3 : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>
    %t = stream.map (%c, %m : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>, %top: tensor<1x1xf32>):
      %y = arith.subf %v, %top : tensor<1x1xf32>
      stream.yield %y : tensor<1x1xf32>
    } {label = "sub"}
    %w = stream.write %t : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>> -> tensor<4x4xf32>
    stream.yield %w : tensor<4x4xf32>
  }
  func.return %r : tensor<4x4xf32>
}

// -----

// Four slots are enough to go on.
// CHECK-LABEL: func.func @enough
// CHECK:         stream.fifo %{{.*}} depth 4
func.func @enough(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %r = stream.graph -> tensor<4x4xf32> {
    %s = stream.read %x {in_place} : tensor<4x4xf32> -> !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>
    %a, %b = stream.map (%s : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>):
      stream.yield %v, %v : tensor<1x1xf32>, tensor<1x1xf32>
    } {label = "qk"}
    %m = stream.reduce (%a : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) inits [0xFF800000 : f32] -> (!stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>) {
    ^bb0(%old: tensor<1x1xf32>, %v: tensor<1x1xf32>):
      %top = arith.maximumf %old, %v : tensor<1x1xf32>
      stream.yield %top : tensor<1x1xf32>
    } {label = "rowmax"}
    %c = stream.fifo %b depth 4 : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>
    %t = stream.map (%c, %m : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>, %top: tensor<1x1xf32>):
      %y = arith.subf %v, %top : tensor<1x1xf32>
      stream.yield %y : tensor<1x1xf32>
    } {label = "sub"}
    %w = stream.write %t : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>> -> tensor<4x4xf32>
    stream.yield %w : tensor<4x4xf32>
  }
  func.return %r : tensor<4x4xf32>
}

// -----

// The shortest rows go through three slots, the longest do not.
// CHECK: expected a graph that runs to its end, got a deadlock: `qk` waits for room
func.func @rows(%p: index, %x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %r = stream.graph bound affine_map<(d0)[s0] -> (s0 + 1)>(%p) -> tensor<4x4xf32> {
    %s = stream.read %x {in_place} : tensor<4x4xf32> -> !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>
    %a, %b = stream.map (%s : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>):
      stream.yield %v, %v : tensor<1x1xf32>, tensor<1x1xf32>
    } {label = "qk"}
    %m = stream.reduce (%a : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) inits [0xFF800000 : f32] -> (!stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>) {
    ^bb0(%old: tensor<1x1xf32>, %v: tensor<1x1xf32>):
      %top = arith.maximumf %old, %v : tensor<1x1xf32>
      stream.yield %top : tensor<1x1xf32>
    } {label = "rowmax"}
    %c = stream.fifo %b depth 3 : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>
    %t = stream.map (%c, %m : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>, %top: tensor<1x1xf32>):
      %y = arith.subf %v, %top : tensor<1x1xf32>
      stream.yield %y : tensor<1x1xf32>
    } {label = "sub"}
    %w = stream.write %t : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>> -> tensor<4x4xf32>
    stream.yield %w : tensor<4x4xf32>
  }
  func.return %r : tensor<4x4xf32>
}

// -----

// Without a graph there is nothing to check.
// CHECK-LABEL: func.func @nothing
// CHECK-NEXT:    func.return
func.func @nothing() {
  func.return
}
