// RUN: xdsl-opt %s -p 'run-upstream{pipeline="canonicalize,cse"}' | filecheck %s

// Upstream folds the addition of zero and merges equal products, and keeps the origin.
// CHECK-LABEL: func.func @fold
// CHECK-NEXT:    [[P:%.*]] = arith.mulf %{{.*}}, %{{.*}} {dfc.origin = "a:mul"} : f32
// CHECK-NEXT:    [[S:%.*]] = arith.addf [[P]], [[P]]
// CHECK-NEXT:    func.return %{{.*}}, [[S]]
func.func @fold(%i: index, %x: f32) -> (index, f32) {
  %c = arith.constant 0 : index
  %j = arith.addi %i, %c : index
  %p = arith.mulf %x, %x {dfc.origin = "a:mul"} : f32
  %q = arith.mulf %x, %x {dfc.origin = "a:mul_1"} : f32
  %s = arith.addf %p, %q {dfc.origin = "a:add"} : f32
  func.return %j, %s : index, f32
}

// dfc's ops are opaque to upstream: equal ones both stay, with their properties and types.
// CHECK-LABEL: func.func @opaque
// CHECK-NEXT:    %{{.*}}, %{{.*}} = ternary.ternarize %{{.*}} {dfc.origin = "a:t", rule = "exact"}
// CHECK-NEXT:    %{{.*}}, %{{.*}} = ternary.ternarize %{{.*}} {dfc.origin = "a:t", rule = "exact"}
// CHECK-NEXT:    [[Y:%.*]] = ternary.linear
// CHECK-NEXT:    [[Z:%.*]] = ternary.linear
// CHECK-NEXT:    func.return [[Y]], [[Z]]
func.func @opaque(%x: tensor<4x64xf32>, %w: tensor<32x64xf32> {dfc.weight = "w"}) -> (tensor<4x32xf32>, tensor<4x32xf32>) {
  %t, %scale = ternary.ternarize %w {rule = "exact", dfc.origin = "a:t"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
  %u, %other = ternary.ternarize %w {rule = "exact", dfc.origin = "a:t"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
  %y = ternary.linear %x, %t scale %scale : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>
  %z = ternary.linear %x, %u scale %other : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>
  func.return %y, %z : tensor<4x32xf32>, tensor<4x32xf32>
}
