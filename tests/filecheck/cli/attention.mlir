// RUN: dfc opt %s -p 'attention-set-schedule{schedule="naive" rows=1},convert-attention-to-stream,stream-fold-nodes,stream-size-fifos' | dfc graph - | filecheck %s

// Two FIFOs hold a row of 16 scores and two tokens: one beside the row maximum, one beside the row sum.

// CHECK:     attention: 293 cycles
// CHECK:     qk->sub 18 18 256
// CHECK-NOT: {{^ *[a-z]+->[a-z]+ +[3-9]}}
// CHECK:     exp->div 18 18 256
func.func @main(%q: tensor<1x1x16x64xf32>, %k: tensor<1x1x16x64xf32>, %v: tensor<1x1x16x64xf32>) -> tensor<1x1x16x64xf32> {
  %y = attention.sdpa %q, %k, %v : tensor<1x1x16x64xf32>, tensor<1x1x16x64xf32>, tensor<1x1x16x64xf32> -> tensor<1x1x16x64xf32>
  func.return %y : tensor<1x1x16x64xf32>
}
