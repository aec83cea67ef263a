// RUN: xdsl-opt %s -p decompose-ternary-linear | filecheck %s

// CHECK-LABEL: func.func @decompose
// CHECK-NEXT:    [[Q:%.*]], [[S:%.*]] = ternary.quantize %x {dfc.origin = "up:linear#quantize"}
// CHECK-NEXT:    [[A:%.*]] = ternary.matmul [[Q]], %w {dfc.origin = "up:linear#matmul"}
// CHECK-NEXT:    [[Y:%.*]] = ternary.dequantize [[A]], [[S]], %c bias %b {dfc.origin = "up:linear"}
// CHECK-NEXT:    func.return [[Y]]
func.func @decompose(%x: tensor<4x64xf16>, %w: tensor<32x64x!ternary.trit>, %c: tensor<f32>, %b: tensor<32xf16>) -> tensor<4x32xf16> {
  %y = ternary.linear %x, %w scale %c bias %b {dfc.origin = "up:linear"} : (tensor<4x64xf16>, tensor<32x64x!ternary.trit>, tensor<f32>, tensor<32xf16>) -> tensor<4x32xf16>
  func.return %y : tensor<4x32xf16>
}

// Two layers quantise the same value: once is enough.
// CHECK-LABEL: func.func @share
// CHECK-NEXT:    [[Q:%.*]], [[S:%.*]] = ternary.quantize %x {dfc.origin = "q:linear#quantize"}
// CHECK-NEXT:    ternary.matmul [[Q]], %w
// CHECK-NEXT:    ternary.dequantize
// CHECK-NEXT:    ternary.matmul [[Q]], %v {dfc.origin = "k:linear#matmul"}
// CHECK-NEXT:    ternary.dequantize %{{.*}}, [[S]], %c
// CHECK-NEXT:    func.return
func.func @share(%x: tensor<4x64xf32>, %w: tensor<32x64x!ternary.trit>, %v: tensor<16x64x!ternary.trit>, %c: tensor<f32>) {
  %y = ternary.linear %x, %w scale %c {dfc.origin = "q:linear"} : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>
  %z = ternary.linear %x, %v scale %c {dfc.origin = "k:linear"} : (tensor<4x64xf32>, tensor<16x64x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  func.return
}

// The parts are there already: leave them alone.
// CHECK-LABEL: func.func @parts
// CHECK-NEXT:    ternary.quantize
// CHECK-NEXT:    ternary.matmul
// CHECK-NEXT:    func.return
func.func @parts(%x: tensor<4x64xf32>, %w: tensor<32x64x!ternary.trit>) -> tensor<4x32xi32> {
  %q, %s = ternary.quantize %x : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf32>)
  %a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
  func.return %a : tensor<4x32xi32>
}
