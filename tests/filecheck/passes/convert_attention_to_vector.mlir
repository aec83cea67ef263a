// RUN: xdsl-opt %s -p 'convert-attention-to-vector{isa="avx512-vnni"}' | filecheck %s
// RUN: xdsl-opt %s -p convert-attention-to-vector | filecheck %s --check-prefix=PLAIN

// A position: keys up to it are seen, 16 at a time. A part is a row of a head.
// CHECK-LABEL: func.func @decode(%0: !llvm.ptr, %1: i64, %2: i64) attributes {dfc.isa = "avx512-vnni", dfc.parts = 4 : i64}
// CHECK:         scf.for %{{[0-9]+}} = %1 to %2
// CHECK:           llvm.ptrtoint
// CHECK:           arith.minsi
// CHECK:           scf.for
// CHECK:             math.fma %{{[0-9]+}}, %{{[0-9]+}}, %{{[0-9]+}} : vector<16xf32>
// CHECK:             vector.shuffle
// CHECK:             vector.reduction <maximumf>
// CHECK:           arith.divf
// CHECK:           llvm.store %{{[0-9]+}}, %{{[0-9]+}} {alignment = 1 : i64} : vector<16xi16>, !llvm.ptr
// CHECK-NOT:     attention
// CHECK:         func.return

// No instruction that not every processor has.
// PLAIN-LABEL:  func.func @decode
// PLAIN-SAME:     dfc.isa = "portable"
// PLAIN-NOT:    math.fma
// PLAIN-NOT:    llvm.call_intrinsic
// PLAIN-LABEL:  func.func @masked
func.func @decode(%q: tensor<1x4x1x32xbf16>, %k: tensor<1x2x40x32xbf16>, %v: tensor<1x2x40x32xbf16>, %at: index) -> tensor<1x4x1x32xbf16> {
  %y = attention.sdpa %q, %k, %v at %at {causal} : tensor<1x4x1x32xbf16>, tensor<1x2x40x32xbf16>, tensor<1x2x40x32xbf16> -> tensor<1x4x1x32xbf16>
  func.return %y : tensor<1x4x1x32xbf16>
}

// A mask and a soft cap.
// CHECK-LABEL: func.func @masked
// CHECK:         vector.insert
// CHECK-NOT:     attention
func.func @masked(%q: tensor<1x4x1x32xf32>, %k: tensor<1x4x40x32xf32>, %v: tensor<1x4x40x32xf32>, %m: tensor<1x1x1x40xf32>) -> tensor<1x4x1x32xf32> {
  %y = attention.sdpa %q, %k, %v mask %m : tensor<1x1x1x40xf32> {softcap = 2.0 : f64} : tensor<1x4x1x32xf32>, tensor<1x4x40x32xf32>, tensor<1x4x40x32xf32> -> tensor<1x4x1x32xf32>
  func.return %y : tensor<1x4x1x32xf32>
}

// A depth that is no multiple of 16.
// CHECK-LABEL: func.func @odd
// CHECK:         attention.sdpa
func.func @odd(%q: tensor<1x4x1x20xf32>, %k: tensor<1x4x40x20xf32>, %v: tensor<1x4x40x20xf32>) -> tensor<1x4x1x20xf32> {
  %y = attention.sdpa %q, %k, %v : tensor<1x4x1x20xf32>, tensor<1x4x40x20xf32>, tensor<1x4x40x20xf32> -> tensor<1x4x1x20xf32>
  func.return %y : tensor<1x4x1x20xf32>
}

// More than an attention.
// CHECK-LABEL: func.func @written
// CHECK:         attention.sdpa
func.func @written(%q: tensor<1x4x1x32xf32>, %c: tensor<1x4x40x32xf32>, %n: tensor<1x4x1x32xf32>, %v: tensor<1x4x40x32xf32>, %at: index) -> tensor<1x4x1x32xf32> {
  %k = attention.kv_write %c, %n at %at : tensor<1x4x40x32xf32>, tensor<1x4x1x32xf32> -> tensor<1x4x40x32xf32>
  %y = attention.sdpa %q, %k, %v at %at : tensor<1x4x1x32xf32>, tensor<1x4x40x32xf32>, tensor<1x4x40x32xf32> -> tensor<1x4x1x32xf32>
  func.return %y : tensor<1x4x1x32xf32>
}
