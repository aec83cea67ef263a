// RUN: xdsl-opt %s -p stream-size-fifos | filecheck %s
// RUN: xdsl-opt %s -p 'stream-size-fifos{least=1}' | filecheck %s --check-prefix=LEAST

// The scores wait for their row's maximum: four of a row, and two that come while the first is taken. A
// maximum waits for nothing, so that one slot is enough for it.
// CHECK-LABEL: func.func @softmax
// CHECK:         [[A:%.*]], [[B:%.*]] = stream.map
// CHECK:         [[M:%.*]] = stream.reduce([[A]] :
// CHECK:         [[F:%.*]] = stream.fifo [[B]] depth 6 {dfc.sizing = "a depth of 5 takes 3 cycles more"}
// CHECK-NEXT:    [[T:%.*]] = stream.map([[F]], [[M]] :
// CHECK:         stream.write [[T]] :
// CHECK:       } {dfc.sizing = "22 cycles, as with unbounded FIFOs; 1 of 4 FIFOs is deeper than 2"}
// LEAST-LABEL: func.func @softmax
// LEAST:         stream.fifo %{{.*}} depth 2 {dfc.sizing = "a depth of 1 takes 15 cycles more"}
// LEAST:         stream.fifo %{{.*}} depth 6 {dfc.sizing = "a depth of 5 takes 3 cycles more"}
// LEAST:         stream.fifo [[M:%.*]] depth 1 :
func.func @softmax(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
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
    %t = stream.map (%b, %m : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>, %top: tensor<1x1xf32>):
      %y = arith.subf %v, %top : tensor<1x1xf32>
      stream.yield %y : tensor<1x1xf32>
    } {label = "sub"}
    %w = stream.write %t : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>> -> tensor<4x4xf32>
    stream.yield %w : tensor<4x4xf32>
  }
  func.return %r : tensor<4x4xf32>
}

// A FIFO that is deeper than it need be becomes shallower; no other is made.
// CHECK-LABEL: func.func @deep
// CHECK:         stream.fifo %{{.*}} depth 6 {dfc.sizing = "a depth of 5 takes 3 cycles more"}
// CHECK-NOT:     stream.fifo
func.func @deep(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
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
    %c = stream.fifo %b depth 100 : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>
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

// Rows that end early: the longest, which are all keys, need as much room as all rows would.
// CHECK-LABEL: func.func @rows
// CHECK:         stream.fifo %{{.*}} depth 6 {dfc.sizing = "a depth of 5 takes 3 cycles more"}
// CHECK:       } {dfc.sizing = "22 cycles at the longest rows and 16 at the shortest, as with unbounded FIFOs; 1 of 4 FIFOs is deeper than 2"}
func.func @rows(%p: index, %x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %r = stream.graph bound affine_map<(d0)[s0] -> (s0 + d0 + 1)>(%p) -> tensor<4x4xf32> {
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
    %t = stream.map (%b, %m : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>, %top: tensor<1x1xf32>):
      %y = arith.subf %v, %top : tensor<1x1xf32>
      stream.yield %y : tensor<1x1xf32>
    } {label = "sub"}
    %w = stream.write %t : !stream.stream<tensor<1x1xf32>, [4, 4], affine_map<(i, j) -> (i, j)>> -> tensor<4x4xf32>
    stream.yield %w : tensor<4x4xf32>
  }
  func.return %r : tensor<4x4xf32>
}

// A chain fires in step: short FIFOs are enough.
// CHECK-LABEL: func.func @chain
// CHECK-NOT:     stream.fifo
// CHECK:       } {dfc.sizing = "6 cycles, as with unbounded FIFOs; 0 of 2 FIFOs are deeper than 2"}
func.func @chain(%x: tensor<4xf32>) -> tensor<4xf32> {
  %r = stream.graph -> tensor<4xf32> {
    %s = stream.read %x : tensor<4xf32> -> !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>
    %t = stream.map (%s : !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>) -> (!stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>) {
    ^bb0(%v: tensor<1xf32>):
      stream.yield %v : tensor<1xf32>
    }
    %w = stream.write %t : !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>> -> tensor<4xf32>
    stream.yield %w : tensor<4xf32>
  }
  func.return %r : tensor<4xf32>
}

// On memrefs the FIFOs have their bytes already: they stay.
// CHECK-LABEL: func.func @placed
// CHECK:         stream.fifo %{{.*}} depth 4 tier "sram" offset 0 :
func.func @placed(%x: memref<4xf32, "sram">, %y: memref<4xf32, "sram">) {
  stream.graph {
    %s = stream.read %x : memref<4xf32, "sram"> -> !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>
    %f = stream.fifo %s depth 4 tier "sram" offset 0 : !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>
    stream.write %f to %y : !stream.stream<tensor<1xf32>, [4], affine_map<(i) -> (i)>>, memref<4xf32, "sram">
  }
  func.return
}
