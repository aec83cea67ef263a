// RUN: xdsl-opt %s -p 'attention-set-schedule{schedule=reversed rows=8}' | filecheck %s

// A name stands for softmax, order and keys; one that is there is replaced.
// CHECK-LABEL: func.func @set
// CHECK-NEXT:    attention.sdpa %q, %k, %k {causal, schedule = #attention.schedule<softmax = streaming, order = reversed, keys = reread, rows = 8>}
// CHECK-NEXT:    attention.sdpa %q, %k, %k {causal, schedule = #attention.schedule<softmax = streaming, order = reversed, keys = reread, rows = 8>}
func.func @set(%q: tensor<1x1x8x4xf32>, %k: tensor<1x1x8x4xf32>) -> (tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>) {
  %a = attention.sdpa %q, %k, %k {causal} : tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32> -> tensor<1x1x8x4xf32>
  %b = attention.sdpa %q, %k, %k {causal, schedule = #attention.schedule<naive>} : tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32> -> tensor<1x1x8x4xf32>
  func.return %a, %b : tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>
}

// There is no attention here.
// CHECK-LABEL: func.func @none
// CHECK-NEXT:    attention.kv_write %c, %n at %p : tensor<1x1x8x4xf32>, tensor<1x1x1x4xf32> -> tensor<1x1x8x4xf32>
func.func @none(%c: tensor<1x1x8x4xf32>, %n: tensor<1x1x1x4xf32>, %p: index) -> tensor<1x1x8x4xf32> {
  %y = attention.kv_write %c, %n at %p : tensor<1x1x8x4xf32>, tensor<1x1x1x4xf32> -> tensor<1x1x8x4xf32>
  func.return %y : tensor<1x1x8x4xf32>
}
