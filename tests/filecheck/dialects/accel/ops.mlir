// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC

// CHECK-LABEL:   func.func @kernel
// CHECK-NEXT:      %y = accel.kernel "k" ins(%x : tensor<4x64xf32>) -> (tensor<4x64xf32>) {
// CHECK-NEXT:      ^bb0(%a: tensor<4x64xf32>):
// CHECK-NEXT:        %b = arith.addf %a, %a {accel.unit = "vector"} : tensor<4x64xf32>
// CHECK-NEXT:        accel.yield %b : tensor<4x64xf32>
// CHECK-NEXT:      } {operand_values = ["l:x"], result_values = ["l:add"]}
// GENERIC:         "accel.kernel"(%x) <{sym = "k", operand_values = ["l:x"], result_values = ["l:add"], operandSegmentSizes = array<i32: 1, 0>}> ({
// GENERIC:           "accel.yield"(%b) : (tensor<4x64xf32>) -> ()
// GENERIC-NEXT:    }) : (tensor<4x64xf32>) -> tensor<4x64xf32>
func.func @kernel(%x: tensor<4x64xf32>) -> tensor<4x64xf32> {
  %y = accel.kernel "k" ins(%x : tensor<4x64xf32>) -> (tensor<4x64xf32>) {
  ^bb0(%a: tensor<4x64xf32>):
    %b = arith.addf %a, %a {accel.unit = "vector"} : tensor<4x64xf32>
    accel.yield %b : tensor<4x64xf32>
  } {operand_values = ["l:x"], result_values = ["l:add"]}
  func.return %y : tensor<4x64xf32>
}

// Placed: memrefs in, memrefs out, no results; index values pass through.
// CHECK-LABEL:   func.func @placed_kernel
// CHECK-NEXT:      accel.kernel "k" ins(%x, %i : memref<16x64xf32, "ddr">, index) outs(%y : memref<16x64xf32, "ddr">) {
// CHECK-NEXT:      ^bb0(%a: memref<16x64xf32, "ddr">, %j: index, %b: memref<16x64xf32, "ddr">):
// CHECK-NEXT:        stream.graph {
// GENERIC:         "accel.kernel"(%x, %i, %y) <{sym = "k", operandSegmentSizes = array<i32: 2, 1>}> ({
func.func @placed_kernel(%x: memref<16x64xf32, "ddr">, %i: index, %y: memref<16x64xf32, "ddr">) {
  accel.kernel "k" ins(%x, %i : memref<16x64xf32, "ddr">, index) outs(%y : memref<16x64xf32, "ddr">) {
  ^bb0(%a: memref<16x64xf32, "ddr">, %j: index, %b: memref<16x64xf32, "ddr">):
    stream.graph {
      %s = stream.read %a : memref<16x64xf32, "ddr"> -> !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>
      stream.write %s to %b : !stream.stream<tensor<8x64xf32>, [2], affine_map<(d0) -> (d0, 0)>>, memref<16x64xf32, "ddr">
    }
  }
  func.return
}

// A memref is a tensor in the body; after the inputs come the old contents of the outputs.
// CHECK-LABEL:   func.func @launch
// CHECK-NEXT:      %start = accel.start
// CHECK-NEXT:      %there = accel.configure "tlmm" to "decode"
// CHECK-NEXT:      %ran = accel.launch on "tlmm" after(%there) ins(%q, %slot : memref<1x64xi8, "bram">, memref<1024xi8, "uram">) outs(%y : memref<1x64xi32, "bram">) {
// CHECK-NEXT:      ^bb0(%qv: tensor<1x64xi8>, %bytes: tensor<1024xi8>, %old: tensor<1x64xi32>):
// CHECK:             accel.yield %r : tensor<1x64xi32>
// CHECK-NEXT:      }
// CHECK-NEXT:      %ready = accel.configure "tlmm" to "prefill" after(%ran)
// CHECK-NEXT:      %last = accel.launch on "arm" {
// CHECK-NEXT:        accel.yield
// CHECK-NEXT:      }
// CHECK-NEXT:      accel.wait %ran, %there
// GENERIC:         %start = "accel.start"() : () -> !accel.event
// GENERIC-NEXT:    %there = "accel.configure"() <{unit = "tlmm", configuration = "decode"}> : () -> !accel.event
// GENERIC-NEXT:    %ran = "accel.launch"(%there, %q, %slot, %y) <{unit = "tlmm", operandSegmentSizes = array<i32: 1, 2, 1>}> ({
// GENERIC:         "accel.configure"(%ran) <{unit = "tlmm", configuration = "prefill"}> : (!accel.event) -> !accel.event
// GENERIC:         "accel.wait"(%ran, %there) : (!accel.event, !accel.event) -> ()
func.func @launch(%q: memref<1x64xi8, "bram">, %slot: memref<1024xi8, "uram">, %y: memref<1x64xi32, "bram">) {
  %start = accel.start
  %there = accel.configure "tlmm" to "decode"
  %ran = accel.launch on "tlmm" after(%there) ins(%q, %slot : memref<1x64xi8, "bram">, memref<1024xi8, "uram">) outs(%y : memref<1x64xi32, "bram">) {
  ^bb0(%qv: tensor<1x64xi8>, %bytes: tensor<1024xi8>, %old: tensor<1x64xi32>):
    %w = ternary.unpack %bytes {packing = #ternary.packing<trits1in2>} : tensor<1024xi8> -> tensor<64x64x!ternary.trit>
    %r = ternary.matmul %qv, %w acc %old : (tensor<1x64xi8>, tensor<64x64x!ternary.trit>, tensor<1x64xi32>) -> tensor<1x64xi32>
    accel.yield %r : tensor<1x64xi32>
  }
  %ready = accel.configure "tlmm" to "prefill" after(%ran)
  %last = accel.launch on "arm" {
    accel.yield
  }
  accel.wait %ran, %there
  func.return
}

// A FIFO of two slots is two events that rotate: the copy of tile i starts after the launch of tile i - 2.
// CHECK-LABEL:   func.func @slots
// CHECK:           [[A:%.*]], [[B:%.*]] = scf.for {{.*}} iter_args([[OLD:%.*]] = %start, [[LAST:%.*]] = %start) -> (!accel.event, !accel.event) {
// CHECK:             [[THERE:%.*]] = tier.copy {{.*}} after([[OLD]])
// CHECK:             [[RAN:%.*]] = accel.launch on "vector" after([[THERE]])
// CHECK:             scf.yield [[LAST]], [[RAN]] : !accel.event, !accel.event
// CHECK:           accel.wait [[A]], [[B]]
func.func @slots(%x: memref<8x64xf32, "ddr">, %y: memref<8x64xf32, "ddr">) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c8 = arith.constant 8 : index
  %start = accel.start
  %slots = tier.alloc offset 0 : memref<2x64xf32, "sram">
  %a, %b = scf.for %i = %c0 to %c8 step %c1 iter_args(%old = %start, %last = %start) -> (!accel.event, !accel.event) {
    %s = arith.remui %i, %c2 : index
    %from = memref.subview %x[%i, 0] [1, 64] [1, 1] : memref<8x64xf32, "ddr"> to memref<64xf32, strided<[1], offset: ?>, "ddr">
    %slot = memref.subview %slots[%s, 0] [1, 64] [1, 1] : memref<2x64xf32, "sram"> to memref<64xf32, strided<[1], offset: ?>, "sram">
    %to = memref.subview %y[%i, 0] [1, 64] [1, 1] : memref<8x64xf32, "ddr"> to memref<64xf32, strided<[1], offset: ?>, "ddr">
    %there = tier.copy %from to %slot after(%old) : memref<64xf32, strided<[1], offset: ?>, "ddr"> to memref<64xf32, strided<[1], offset: ?>, "sram">
    %ran = accel.launch on "vector" after(%there) ins(%slot : memref<64xf32, strided<[1], offset: ?>, "sram">) outs(%to : memref<64xf32, strided<[1], offset: ?>, "ddr">) {
    ^bb0(%v: tensor<64xf32>, %before: tensor<64xf32>):
      %r = arith.addf %v, %v : tensor<64xf32>
      accel.yield %r : tensor<64xf32>
    }
    scf.yield %last, %ran : !accel.event, !accel.event
  }
  accel.wait %a, %b
  func.return
}

// CHECK-LABEL:   func.func @yields
// CHECK:             accel.yield %r : tensor<1x64xi32>
func.func @yields(%x: tensor<1x64xi32>) -> tensor<1x64xi32> {
  %y = accel.kernel "same" ins(%x : tensor<1x64xi32>) -> (tensor<1x64xi32>) {
  ^bb0(%r: tensor<1x64xi32>):
    accel.yield %r : tensor<1x64xi32>
  }
  func.return %y : tensor<1x64xi32>
}
