// RUN: dfc opt %s -p cse | filecheck %s

// xDSL's own passes run too.
// CHECK-LABEL: func.func @twice
// CHECK-NEXT:    [[A:%.*]] = arith.addf %x, %x
// CHECK-NEXT:    func.return [[A]], [[A]]
func.func @twice(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %a = arith.addf %x, %x : tensor<2xf32>
  %b = arith.addf %x, %x : tensor<2xf32>
  func.return %a, %b : tensor<2xf32>, tensor<2xf32>
}

// Different ops are no common subexpression.
// CHECK-LABEL: func.func @different
// CHECK-NEXT:    arith.addf
// CHECK-NEXT:    arith.mulf
func.func @different(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %a = arith.addf %x, %x : tensor<2xf32>
  %b = arith.mulf %x, %x : tensor<2xf32>
  func.return %a, %b : tensor<2xf32>, tensor<2xf32>
}
