// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC

// One token against a cache of 160: grouped heads, keys up to the position.
// CHECK-LABEL:   func.func @decode
// CHECK-NEXT:      %c = attention.kv_write %cache, %new at %position : tensor<1x2x160x64xf32>, tensor<1x2x1x64xf32> -> tensor<1x2x160x64xf32>
// CHECK-NEXT:      %y = attention.sdpa %q, %k, %v at %position {causal, scale = 1.250000e-01 : f64} : tensor<1x4x1x64xf32>, tensor<1x2x160x64xf32>, tensor<1x2x160x64xf32> -> tensor<1x4x1x64xf32>
// GENERIC:         "attention.kv_write"(%cache, %new, %position) : (tensor<1x2x160x64xf32>, tensor<1x2x1x64xf32>, index) -> tensor<1x2x160x64xf32>
// GENERIC-NEXT:    "attention.sdpa"(%q, %k, %v, %position) <{causal, scale = 1.250000e-01 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0>}> : (tensor<1x4x1x64xf32>, tensor<1x2x160x64xf32>, tensor<1x2x160x64xf32>, index) -> tensor<1x4x1x64xf32>
func.func @decode(%q: tensor<1x4x1x64xf32>, %cache: tensor<1x2x160x64xf32>, %k: tensor<1x2x160x64xf32>, %v: tensor<1x2x160x64xf32>, %new: tensor<1x2x1x64xf32>, %position: index) -> (tensor<1x2x160x64xf32>, tensor<1x4x1x64xf32>) {
  %c = attention.kv_write %cache, %new at %position : tensor<1x2x160x64xf32>, tensor<1x2x1x64xf32> -> tensor<1x2x160x64xf32>
  %y = attention.sdpa %q, %k, %v at %position {causal, scale = 1.250000e-01 : f64} : tensor<1x4x1x64xf32>, tensor<1x2x160x64xf32>, tensor<1x2x160x64xf32> -> tensor<1x4x1x64xf32>
  func.return %c, %y : tensor<1x2x160x64xf32>, tensor<1x4x1x64xf32>
}

// CHECK-LABEL:   func.func @masks
// CHECK-NEXT:      %0 = attention.sdpa %q, %k, %v mask %m : tensor<2x16x64x64xf32> : tensor<2x16x64x96xf16>, tensor<2x4x64x96xf16>, tensor<2x4x64x96xf16> -> tensor<2x16x64x96xf16>
// CHECK-NEXT:      %1 = attention.sdpa %q, %k, %v at %p mask %n : tensor<1x1x64x64xf16> {causal, window = 32 : i64, softcap = 5.000000e+01 : f64} : tensor<2x16x64x96xf16>, tensor<2x4x64x96xf16>, tensor<2x4x64x96xf16> -> tensor<2x16x64x96xf16>
// GENERIC:         "attention.sdpa"(%q, %k, %v, %m) <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 1>}>
// GENERIC-NEXT:    "attention.sdpa"(%q, %k, %v, %p, %n) <{causal, window = 32 : i64, softcap = 5.000000e+01 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 1>}>
func.func @masks(%q: tensor<2x16x64x96xf16>, %k: tensor<2x4x64x96xf16>, %v: tensor<2x4x64x96xf16>, %m: tensor<2x16x64x64xf32>, %n: tensor<1x1x64x64xf16>, %p: index) -> (tensor<2x16x64x96xf16>, tensor<2x16x64x96xf16>) {
  %0 = attention.sdpa %q, %k, %v mask %m : tensor<2x16x64x64xf32> : tensor<2x16x64x96xf16>, tensor<2x4x64x96xf16>, tensor<2x4x64x96xf16> -> tensor<2x16x64x96xf16>
  %1 = attention.sdpa %q, %k, %v at %p mask %n : tensor<1x1x64x64xf16> {causal, window = 32 : i64, softcap = 50.0 : f64} : tensor<2x16x64x96xf16>, tensor<2x4x64x96xf16>, tensor<2x4x64x96xf16> -> tensor<2x16x64x96xf16>
  func.return %0, %1 : tensor<2x16x64x96xf16>, tensor<2x16x64x96xf16>
}

// The papers' names are shorthands for the fields; what is not written has its default.
// CHECK-LABEL:   func.func @schedules
// CHECK:           a = #attention.schedule<softmax = naive, order = forward, keys = reread, rows = 1>
// CHECK-SAME:      b = #attention.schedule<softmax = reordered, order = forward, keys = reread, rows = 1>
// CHECK-SAME:      c = #attention.schedule<softmax = streaming, order = reversed, keys = reread, rows = 8>
// CHECK-SAME:      d = #attention.schedule<softmax = reordered, order = forward, keys = held, rows = 1>
// CHECK-SAME:      e = #attention.schedule<softmax = unified_max, order = forward, keys = reread, rows = 1>
// CHECK-SAME:      f = #attention.schedule<softmax = streaming, order = forward, keys = held, rows = 4>
// CHECK-NEXT:      attention.sdpa %q, %k, %v {causal, schedule = #attention.schedule<softmax = streaming, order = reversed, keys = reread, rows = 8>}
// CHECK-NEXT:      attention.sdpa %q, %k, %v {causal, window = 16 : i64, schedule = #attention.schedule<softmax = reordered, order = forward, keys = held, rows = 1>}
func.func @schedules(%q: tensor<1x1x64x64xf32>, %k: tensor<1x1x64x64xf32>, %v: tensor<1x1x64x64xf32>) -> (tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>) {
  "test.op"() {a = #attention.schedule<naive>, b = #attention.schedule<reordered>, c = #attention.schedule<reversed, rows = 8>, d = #attention.schedule<windowed>, e = #attention.schedule<softmax = unified_max>, f = #attention.schedule<softmax = streaming, keys = held, rows = 4>} : () -> ()
  %0 = attention.sdpa %q, %k, %v {causal, schedule = #attention.schedule<reversed, rows = 8>} : tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32> -> tensor<1x1x64x64xf32>
  %1 = attention.sdpa %q, %k, %v {causal, window = 16 : i64, schedule = #attention.schedule<windowed>} : tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32> -> tensor<1x1x64x64xf32>
  func.return %0, %1 : tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>
}
