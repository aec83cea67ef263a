// RUN: xdsl-opt %s -p 'convert-linear-to-vector{isa="avx512-vnni"}' | filecheck %s
// RUN: xdsl-opt %s -p convert-linear-to-vector | filecheck %s --check-prefix=PLAIN

// Rows of 20 columns: one whole vector, and one that ends with the row.
// CHECK-LABEL: func.func @head(%0: !llvm.ptr, %1: i64, %2: i64) attributes {dfc.isa = "avx512-vnni", dfc.parts = 40 : i64}
// CHECK:         llvm.alloca
// CHECK:         llvm.zext %{{[0-9]+}} : vector<16xi16> to vector<16xi32>
// CHECK:         scf.for %{{[0-9]+}} = %1 to %2
// CHECK:           math.fma %{{[0-9]+}}, %{{[0-9]+}}, %{{[0-9]+}} : vector<16xf32>
// CHECK:           vector.shuffle
// CHECK:           llvm.store %{{[0-9]+}}, %{{[0-9]+}} {alignment = 1 : i64} : i16, !llvm.ptr
// CHECK:         scf.for %{{[0-9]+}} = %1 to %2
// CHECK:           llvm.call_intrinsic "llvm.prefetch"
// CHECK-NOT:     linalg
// CHECK:         func.return

// No instruction that not every processor has.
// PLAIN-LABEL:  func.func @head
// PLAIN-SAME:     dfc.isa = "portable"
// PLAIN-NOT:    math.fma
// PLAIN-NOT:    llvm.call_intrinsic
// PLAIN-LABEL:  func.func @biased
func.func @head(%x: tensor<2x20xbf16>, %w: tensor<40x20xbf16>) -> tensor<2x40xbf16> {
  %c = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x40xf32>
  %z = linalg.fill ins(%c : f32) outs(%e : tensor<2x40xf32>) -> tensor<2x40xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : tensor<2x20xbf16>, tensor<40x20xbf16>) outs(%z : tensor<2x40xf32>) {
  ^bb0(%a: bf16, %b: bf16, %t: f32):
    %f = arith.extf %a : bf16 to f32
    %g = arith.extf %b : bf16 to f32
    %p = arith.mulf %f, %g : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<2x40xf32>
  %n = tensor.empty() : tensor<2x40xbf16>
  %y = linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]} ins(%s : tensor<2x40xf32>) outs(%n : tensor<2x40xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %r = arith.truncf %a : f32 to bf16
    linalg.yield %r : bf16
  } -> tensor<2x40xbf16>
  func.return %y : tensor<2x40xbf16>
}

// A bias; f32 is not rounded.
// CHECK-LABEL: func.func @biased
// CHECK-NOT:     linalg
// CHECK:         llvm.store %{{[0-9]+}}, %{{[0-9]+}} {alignment = 1 : i64} : f32, !llvm.ptr
func.func @biased(%x: tensor<1x32xf32>, %w: tensor<8x32xf32>, %b: tensor<8xf32>) -> tensor<1x8xf32> {
  %c = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x8xf32>
  %z = linalg.fill ins(%c : f32) outs(%e : tensor<1x8xf32>) -> tensor<1x8xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : tensor<1x32xf32>, tensor<8x32xf32>) outs(%z : tensor<1x8xf32>) {
  ^bb0(%a: f32, %g: f32, %t: f32):
    %p = arith.mulf %a, %g : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<1x8xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]} ins(%s, %b : tensor<1x8xf32>, tensor<8xf32>) outs(%e : tensor<1x8xf32>) {
  ^bb0(%a: f32, %g: f32, %o: f32):
    %r = arith.addf %a, %g : f32
    linalg.yield %r : f32
  } -> tensor<1x8xf32>
  func.return %y : tensor<1x8xf32>
}

// Nine rows are a product of matrices.
// CHECK-LABEL: func.func @many
// CHECK:         linalg.generic
func.func @many(%x: tensor<9x32xf32>, %w: tensor<8x32xf32>) -> tensor<9x8xf32> {
  %c = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<9x8xf32>
  %z = linalg.fill ins(%c : f32) outs(%e : tensor<9x8xf32>) -> tensor<9x8xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : tensor<9x32xf32>, tensor<8x32xf32>) outs(%z : tensor<9x8xf32>) {
  ^bb0(%a: f32, %g: f32, %t: f32):
    %p = arith.mulf %a, %g : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<9x8xf32>
  func.return %s : tensor<9x8xf32>
}

// The weight's rows are not what is summed over.
// CHECK-LABEL: func.func @turned
// CHECK:         linalg.generic
func.func @turned(%x: tensor<1x32xf32>, %w: tensor<32x8xf32>) -> tensor<1x8xf32> {
  %c = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x8xf32>
  %z = linalg.fill ins(%c : f32) outs(%e : tensor<1x8xf32>) -> tensor<1x8xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : tensor<1x32xf32>, tensor<32x8xf32>) outs(%z : tensor<1x8xf32>) {
  ^bb0(%a: f32, %g: f32, %t: f32):
    %p = arith.mulf %a, %g : f32
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<1x8xf32>
  func.return %s : tensor<1x8xf32>
}

// The smallest of the sums of two factors is no product.
// CHECK-LABEL: func.func @other
// CHECK:         linalg.generic
func.func @other(%x: tensor<1x32xf32>, %w: tensor<8x32xf32>) -> tensor<1x8xf32> {
  %c = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x8xf32>
  %z = linalg.fill ins(%c : f32) outs(%e : tensor<1x8xf32>) -> tensor<1x8xf32>
  %s = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : tensor<1x32xf32>, tensor<8x32xf32>) outs(%z : tensor<1x8xf32>) {
  ^bb0(%a: f32, %g: f32, %t: f32):
    %p = arith.addf %a, %g : f32
    %r = arith.minimumf %t, %p : f32
    linalg.yield %r : f32
  } -> tensor<1x8xf32>
  func.return %s : tensor<1x8xf32>
}
