// RUN: xdsl-opt %s -p canonicalize,cse | filecheck %s

// A window as long as the cache hides no key.
// CHECK-LABEL: func.func @wide_window
// CHECK-NEXT:    attention.sdpa %q, %k, %k {causal} :
func.func @wide_window(%q: tensor<1x1x8x4xf32>, %k: tensor<1x1x16x4xf32>) -> tensor<1x1x8x4xf32> {
  %y = attention.sdpa %q, %k, %k {causal, window = 16 : i64} : tensor<1x1x8x4xf32>, tensor<1x1x16x4xf32>, tensor<1x1x16x4xf32> -> tensor<1x1x8x4xf32>
  func.return %y : tensor<1x1x8x4xf32>
}

// A shorter one does.
// CHECK-LABEL: func.func @narrow_window
// CHECK-NEXT:    attention.sdpa %q, %k, %k {causal, window = 15 : i64} :
func.func @narrow_window(%q: tensor<1x1x8x4xf32>, %k: tensor<1x1x16x4xf32>) -> tensor<1x1x8x4xf32> {
  %y = attention.sdpa %q, %k, %k {causal, window = 15 : i64} : tensor<1x1x8x4xf32>, tensor<1x1x16x4xf32>, tensor<1x1x16x4xf32> -> tensor<1x1x8x4xf32>
  func.return %y : tensor<1x1x8x4xf32>
}

// The schedule holds keys by the window: it stays.
// CHECK-LABEL: func.func @held_keys
// CHECK-NEXT:    attention.sdpa %q, %k, %k {causal, window = 16 : i64, schedule =
func.func @held_keys(%q: tensor<1x1x8x4xf32>, %k: tensor<1x1x16x4xf32>) -> tensor<1x1x8x4xf32> {
  %y = attention.sdpa %q, %k, %k {causal, window = 16 : i64, schedule = #attention.schedule<windowed>} : tensor<1x1x8x4xf32>, tensor<1x1x16x4xf32>, tensor<1x1x16x4xf32> -> tensor<1x1x8x4xf32>
  func.return %y : tensor<1x1x8x4xf32>
}

// The ops are pure: a cache that nothing reads is not written, equal attentions merge.
// CHECK-LABEL: func.func @pure
// CHECK-NEXT:    [[Y:%.*]] = attention.sdpa %q, %k, %k at %p {causal}
// CHECK-NEXT:    func.return [[Y]], [[Y]]
func.func @pure(%q: tensor<1x1x1x4xf32>, %k: tensor<1x1x16x4xf32>, %p: index) -> (tensor<1x1x1x4xf32>, tensor<1x1x1x4xf32>) {
  %c = attention.kv_write %k, %q at %p : tensor<1x1x16x4xf32>, tensor<1x1x1x4xf32> -> tensor<1x1x16x4xf32>
  %y = attention.sdpa %q, %k, %k at %p {causal} : tensor<1x1x1x4xf32>, tensor<1x1x16x4xf32>, tensor<1x1x16x4xf32> -> tensor<1x1x1x4xf32>
  %z = attention.sdpa %q, %k, %k at %p {causal} : tensor<1x1x1x4xf32>, tensor<1x1x16x4xf32>, tensor<1x1x16x4xf32> -> tensor<1x1x1x4xf32>
  func.return %y, %z : tensor<1x1x1x4xf32>, tensor<1x1x1x4xf32>
}
