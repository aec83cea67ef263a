// RUN: xdsl-opt %s | filecheck %s

// `xdsl-opt` knows dfc's dialects without an option: the entry point brings them.
// CHECK-LABEL: func.func @weights
// CHECK-SAME:    tensor<2x8x!ternary.trit>
func.func @weights(%w: tensor<2x8x!ternary.trit>) -> tensor<2x8x!ternary.trit> {
  func.return %w : tensor<2x8x!ternary.trit>
}
