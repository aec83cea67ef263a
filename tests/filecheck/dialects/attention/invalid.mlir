// RUN: xdsl-opt %s --split-input-file --verify-diagnostics | filecheck %s

// `#attention.schedule` (C1): `softmax` is one of the four
// CHECK: expected softmax of naive, reordered, streaming, unified_max, got online
"test.op"() {schedule = #attention.schedule<softmax = online>} : () -> ()

// -----

// `#attention.schedule` (C2): `order` is one of the two
// CHECK: expected order of forward, reversed, got random
"test.op"() {schedule = #attention.schedule<order = random>} : () -> ()

// -----

// `#attention.schedule` (C3): `keys` is one of the two
// CHECK: expected keys of reread, held, got kept
"test.op"() {schedule = #attention.schedule<keys = kept>} : () -> ()

// -----

// `#attention.schedule` (C4): `rows` is above 0
// CHECK: expected rows above 0, got 0
"test.op"() {schedule = #attention.schedule<streaming, rows = 0>} : () -> ()

// -----

// `#attention.schedule` (C5): order `reversed` has a softmax that needs no whole row: `streaming` or `unified_max`
// CHECK: expected softmax streaming or unified_max for order reversed, got naive
"test.op"() {schedule = #attention.schedule<naive, order = reversed>} : () -> ()

// -----

// `#attention.schedule` (C6): keys are `held` in order `forward` only: a window moves forward
// CHECK: expected order forward for keys held, got reversed
"test.op"() {schedule = #attention.schedule<reversed, keys = held>} : () -> ()

// -----

// `attention.sdpa` (C1): `q`, `k` and `v` have 4 dimensions
// CHECK: expected 4-d `k`, got shape (2, 16, 64)
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%y = attention.sdpa %q, %k, %v : tensor<2x4x8x64xf32>, tensor<2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C2): `q`, `k` and `v` are of f32, bf16 or f16
// CHECK: expected `q` of f32, bf16 or f16, got i8
%q = "test.op"() : () -> tensor<2x4x8x64xi8>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%y = attention.sdpa %q, %k, %v : tensor<2x4x8x64xi8>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xi8>

// -----

// `attention.sdpa` (C3): `k` and `v` have the dtype of `q`
// CHECK: expected `v` of f32, got f16
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf16>
%y = attention.sdpa %q, %k, %v : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf16> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C4): `k` has the batch and the head size of `q`
// CHECK: expected `k` of shape 2x2x16x64, got shape 2x2x16x32
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x32xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%y = attention.sdpa %q, %k, %v : tensor<2x4x8x64xf32>, tensor<2x2x16x32xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C5): `v` has the shape of `k`
// CHECK: expected `v` of shape 2x2x16x64, got shape 2x2x15x64
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x15x64xf32>
%y = attention.sdpa %q, %k, %v : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x15x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C6): G divides H
// CHECK: expected key heads that divide 4, got 3
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x3x16x64xf32>
%v = "test.op"() : () -> tensor<2x3x16x64xf32>
%y = attention.sdpa %q, %k, %v : tensor<2x4x8x64xf32>, tensor<2x3x16x64xf32>, tensor<2x3x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C7): `y` has the type of `q`
// CHECK: expected `y` of type tensor<2x4x8x64xf32>, got tensor<2x4x8x64xf16>
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%y = attention.sdpa %q, %k, %v : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf16>

// -----

// `attention.sdpa` (C8): with a position, the cache has room for the rows
// CHECK: expected at most 16 query rows with a position, got 17
%q = "test.op"() : () -> tensor<2x4x17x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%p = "test.op"() : () -> index
%y = attention.sdpa %q, %k, %v at %p : tensor<2x4x17x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x17x64xf32>

// -----

// `attention.sdpa` (C9): `mask` has 4 dimensions
// CHECK: expected 4-d `mask`, got shape (8, 16)
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%m = "test.op"() : () -> tensor<8x16xf32>
%y = attention.sdpa %q, %k, %v mask %m : tensor<8x16xf32> : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C10): `mask` is of f32, bf16 or f16
// CHECK: expected `mask` of f32, bf16 or f16, got i1
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%m = "test.op"() : () -> tensor<1x1x8x16xi1>
%y = attention.sdpa %q, %k, %v mask %m : tensor<1x1x8x16xi1> : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C11): `mask` has batch 1 or B
// CHECK: expected `mask` with batch 1 or 2, got 3
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%m = "test.op"() : () -> tensor<3x1x8x16xf32>
%y = attention.sdpa %q, %k, %v mask %m : tensor<3x1x8x16xf32> : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C12): `mask` has 1 or H heads
// CHECK: expected `mask` with 1 or 4 heads, got 2
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%m = "test.op"() : () -> tensor<1x2x8x16xf32>
%y = attention.sdpa %q, %k, %v mask %m : tensor<1x2x8x16xf32> : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C13): `mask` has a row per query row and a column per key
// CHECK: expected `mask` of shape 1x1x8x16, got shape 1x1x8x8
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%m = "test.op"() : () -> tensor<1x1x8x8xf32>
%y = attention.sdpa %q, %k, %v mask %m : tensor<1x1x8x8xf32> : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C14): `scale` is finite
// CHECK: expected a finite `scale`, got inf
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%y = attention.sdpa %q, %k, %v {scale = 0x7FF0000000000000 : f64} : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C15): `window` is above 0
// CHECK: expected `window` above 0, got 0
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%y = attention.sdpa %q, %k, %v {causal, window = 0 : i64} : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C16): `window` stands beside `causal`
// CHECK: expected `causal` beside `window`, got none
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%y = attention.sdpa %q, %k, %v {window = 4 : i64} : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C17): `softcap` is finite and above 0
// CHECK: expected a finite `softcap` above 0, got -1.0
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%y = attention.sdpa %q, %k, %v {softcap = -1.0 : f64} : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C18): a schedule with keys `held` has a `window` to hold them by
// CHECK: expected a `window` for keys held, got none
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%y = attention.sdpa %q, %k, %v {causal, schedule = #attention.schedule<windowed>} : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.sdpa` (C19): a schedule in order `reversed` has `causal` work to skip
// CHECK: expected `causal` for order reversed, got none
%q = "test.op"() : () -> tensor<2x4x8x64xf32>
%k = "test.op"() : () -> tensor<2x2x16x64xf32>
%v = "test.op"() : () -> tensor<2x2x16x64xf32>
%y = attention.sdpa %q, %k, %v {schedule = #attention.schedule<reversed>} : tensor<2x4x8x64xf32>, tensor<2x2x16x64xf32>, tensor<2x2x16x64xf32> -> tensor<2x4x8x64xf32>

// -----

// `attention.kv_write` (C1): `cache` has 4 dimensions
// CHECK: expected 4-d `cache`, got shape (2, 16, 64)
%c = "test.op"() : () -> tensor<2x16x64xf32>
%n = "test.op"() : () -> tensor<1x2x1x64xf32>
%p = "test.op"() : () -> index
%r = attention.kv_write %c, %n at %p : tensor<2x16x64xf32>, tensor<1x2x1x64xf32> -> tensor<2x16x64xf32>

// -----

// `attention.kv_write` (C2): `new` has 4 dimensions
// CHECK: expected 4-d `new`, got shape (2, 1, 64)
%c = "test.op"() : () -> tensor<1x2x16x64xf32>
%n = "test.op"() : () -> tensor<2x1x64xf32>
%p = "test.op"() : () -> index
%r = attention.kv_write %c, %n at %p : tensor<1x2x16x64xf32>, tensor<2x1x64xf32> -> tensor<1x2x16x64xf32>

// -----

// `attention.kv_write` (C3): `new` has the batch, heads and head size of `cache`
// CHECK: expected `new` of shape 1x2x1x64, got shape 1x4x1x64
%c = "test.op"() : () -> tensor<1x2x16x64xf32>
%n = "test.op"() : () -> tensor<1x4x1x64xf32>
%p = "test.op"() : () -> index
%r = attention.kv_write %c, %n at %p : tensor<1x2x16x64xf32>, tensor<1x4x1x64xf32> -> tensor<1x2x16x64xf32>

// -----

// `attention.kv_write` (C4): `new` has at most as many rows as `cache`
// CHECK: expected at most 16 new rows, got 17
%c = "test.op"() : () -> tensor<1x2x16x64xf32>
%n = "test.op"() : () -> tensor<1x2x17x64xf32>
%p = "test.op"() : () -> index
%r = attention.kv_write %c, %n at %p : tensor<1x2x16x64xf32>, tensor<1x2x17x64xf32> -> tensor<1x2x16x64xf32>

// -----

// `attention.kv_write` (C5): `new` has the dtype of `cache`
// CHECK: expected `new` of f32, got f16
%c = "test.op"() : () -> tensor<1x2x16x64xf32>
%n = "test.op"() : () -> tensor<1x2x1x64xf16>
%p = "test.op"() : () -> index
%r = attention.kv_write %c, %n at %p : tensor<1x2x16x64xf32>, tensor<1x2x1x64xf16> -> tensor<1x2x16x64xf32>

// -----

// `attention.kv_write` (C6): `result` has the type of `cache`
// CHECK: expected `result` of type tensor<1x2x16x64xf32>, got tensor<1x2x32x64xf32>
%c = "test.op"() : () -> tensor<1x2x16x64xf32>
%n = "test.op"() : () -> tensor<1x2x1x64xf32>
%p = "test.op"() : () -> index
%r = attention.kv_write %c, %n at %p : tensor<1x2x16x64xf32>, tensor<1x2x1x64xf32> -> tensor<1x2x32x64xf32>
