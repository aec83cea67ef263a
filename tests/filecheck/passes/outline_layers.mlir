// RUN: xdsl-opt %s --split-input-file -p outline-layers | filecheck %s

// Layers found by the paths of their origins; the constant is equal in both and made inside.
// CHECK-LABEL: func.func @paths
// CHECK-NEXT:    [[A:%[a-z0-9_]+]] = func.call @paths_layer(%x, %w0, %c) {dfc.origin = "net.0:layer"}
// CHECK-NEXT:    [[B:%[a-z0-9_]+]] = func.call @paths_layer([[A]], %w1, %c) {dfc.origin = "net.1:layer"}
// CHECK-NEXT:    func.return [[B]]
// CHECK-LABEL: func.func private @paths_layer
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]] = ternary.linear %x, %w0 scale %c {dfc.origin = "net.*.up:linear"}
// CHECK-NEXT:    [[TWO:%[a-z0-9_]+]] = arith.constant
// CHECK-NEXT:    [[Z:%[a-z0-9_]+]] = arith.mulf [[Y]], [[TWO]] {dfc.origin = "net.*:mul"}
// CHECK-NEXT:    func.return {dfc.origin = "net.*:output"} [[Z]]
func.func @paths(%x: tensor<4x16xf32>, %w0: tensor<16x16x!ternary.trit>, %w1: tensor<16x16x!ternary.trit>, %c: tensor<f32>) -> tensor<4x16xf32> {
  %two = arith.constant dense<2.0> : tensor<4x16xf32>
  %a = ternary.linear %x, %w0 scale %c {dfc.origin = "net.0.up:linear"} : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  %b = arith.mulf %a, %two {dfc.origin = "net.0:mul"} : tensor<4x16xf32>
  %y = ternary.linear %b, %w1 scale %c {dfc.origin = "net.1.up:linear_1"} : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  %z = arith.mulf %y, %two {dfc.origin = "net.1:mul_1"} : tensor<4x16xf32>
  func.return %z : tensor<4x16xf32>
}

// -----

// In text without origins, the longest repetition of equal ops; what stands in front of it stays.
// CHECK-LABEL: func.func @text
// CHECK-NEXT:    [[N:%[a-z0-9_]+]] = arith.negf %x
// CHECK-NEXT:    [[A:%[a-z0-9_]+]] = func.call @text_layer([[N]], %w0, %c)
// CHECK-NEXT:    [[B:%[a-z0-9_]+]] = func.call @text_layer([[A]], %w1, %c)
// CHECK-NEXT:    [[C:%[a-z0-9_]+]] = func.call @text_layer([[B]], %w0, %c)
// CHECK-NEXT:    func.return [[C]]
func.func @text(%x: tensor<4x16xf32>, %w0: tensor<16x16x!ternary.trit>, %w1: tensor<16x16x!ternary.trit>, %c: tensor<f32>) -> tensor<4x16xf32> {
  %n = arith.negf %x : tensor<4x16xf32>
  %a = ternary.linear %n, %w0 scale %c : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  %b = arith.addf %a, %n : tensor<4x16xf32>
  %d = ternary.linear %b, %w1 scale %c : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  %e = arith.addf %d, %b : tensor<4x16xf32>
  %f = ternary.linear %e, %w0 scale %c : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  %g = arith.addf %f, %e : tensor<4x16xf32>
  func.return %g : tensor<4x16xf32>
}

// -----

// The second layer adds its input where the first adds the layer's result: they are not equal.
// CHECK-LABEL: func.func @different
// CHECK-NOT:     func.call
func.func @different(%x: tensor<4x16xf32>, %w: tensor<16x16x!ternary.trit>, %c: tensor<f32>) -> tensor<4x16xf32> {
  %a = ternary.linear %x, %w scale %c {dfc.origin = "net.0:linear"} : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  %b = arith.addf %a, %a {dfc.origin = "net.0:add"} : tensor<4x16xf32>
  %y = ternary.linear %b, %w scale %c {dfc.origin = "net.1:linear_1"} : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  %z = arith.addf %y, %b {dfc.origin = "net.1:add_1"} : tensor<4x16xf32>
  func.return %z : tensor<4x16xf32>
}

// -----

// The front end has made a function of the layer: leave the module alone.
// CHECK-LABEL: func.func @outlined
// CHECK-NEXT:    func.call @layer
// CHECK-NEXT:    func.call @layer
// CHECK-LABEL: func.func private @layer
// CHECK-NEXT:    ternary.linear
// CHECK-NEXT:    ternary.linear
// CHECK-NEXT:    func.return
func.func @outlined(%x: tensor<4x16xf32>, %w: tensor<16x16x!ternary.trit>, %c: tensor<f32>) -> tensor<4x16xf32> {
  %y = func.call @layer(%x, %w, %c) : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  %z = func.call @layer(%y, %w, %c) : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  func.return %z : tensor<4x16xf32>
}
func.func private @layer(%x: tensor<4x16xf32>, %w: tensor<16x16x!ternary.trit>, %c: tensor<f32>) -> tensor<4x16xf32> {
  %y = ternary.linear %x, %w scale %c : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  %z = ternary.linear %y, %w scale %c : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  func.return %z : tensor<4x16xf32>
}
