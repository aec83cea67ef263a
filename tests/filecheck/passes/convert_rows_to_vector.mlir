// RUN: xdsl-opt %s -p convert-rows-to-vector | filecheck %s
// RUN: xdsl-opt %s -p 'convert-rows-to-vector{isa="avx2"}' | filecheck %s --check-prefix=AVX2

// Two folds that depend on one another: three loops over the columns. The norm's values are computed in the second, which
// keeps them for the third; columns that fill no vector are taken one by one, and zeros stand behind them.
// CHECK-LABEL: func.func @norm(%0: !llvm.ptr, %1: i64, %2: i64) attributes {dfc.origin = "norm", dfc.isa = "portable", dfc.parts = 0 : i64}
// CHECK:         [[X:%[0-9]+]] = llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> !llvm.ptr
// CHECK:         [[ROOM:%[0-9]+]] = llvm.alloca
// CHECK:         scf.for %{{[0-9]+}} = %1 to %2
// CHECK:           [[SUMS:%[0-9]+]]{{.*}} = scf.for
// CHECK:             llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> vector<16xi16>
// CHECK:             arith.mulf %{{[0-9]+}}, %{{[0-9]+}} : vector<16xf32>
// CHECK:             arith.addf %{{[0-9]+}}, %{{[0-9]+}} : vector<16xf32>
// CHECK:           vector.shuffle
// CHECK:           arith.divf
// CHECK:           math.sqrt
// CHECK:           scf.for
// CHECK:             arith.cmpf uno
// CHECK:             arith.maxsi
// CHECK:             llvm.store %{{[0-9]+}}, %{{[0-9]+}} {alignment = 1 : i64} : vector<16xf32>, !llvm.ptr
// CHECK:           scf.for
// CHECK:             llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> vector<16xf32>
// CHECK-NOT:         arith.cmpf
// CHECK:             llvm.trunc %{{[0-9]+}} : vector<16xi32> to vector<16xi8>
// CHECK:           llvm.store %{{[0-9]+}}, %{{[0-9]+}} {alignment = 1 : i64} : i8, !llvm.ptr
// CHECK-NOT:     linalg
// CHECK:         func.return

// AVX2-LABEL:  func.func @norm
// AVX2-SAME:     dfc.isa = "avx2"
func.func @norm(%x: tensor<1x16x35xbf16>, %w: tensor<35xbf16>) -> (tensor<16x35xi8>, tensor<16xf32>) attributes {dfc.origin = "norm"} {
  %zero = arith.constant 0.0 : f32
  %k = arith.constant 35.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %rows = tensor.empty() : tensor<1x16x35xf32>
  %one = tensor.empty() : tensor<1x16x1xf32>
  %narrow = tensor.empty() : tensor<1x16x35xbf16>
  %squares = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x : tensor<1x16x35xbf16>) outs(%rows : tensor<1x16x35xf32>) {
  ^bb0(%a: bf16, %o: f32):
    %wide = arith.extf %a : bf16 to f32
    %square = arith.mulf %wide, %wide : f32
    linalg.yield %square : f32
  } -> tensor<1x16x35xf32>
  %start = linalg.fill ins(%zero : f32) outs(%one : tensor<1x16x1xf32>) -> tensor<1x16x1xf32>
  %sum = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, 0)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%squares : tensor<1x16x35xf32>) outs(%start : tensor<1x16x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %more = arith.addf %a, %o : f32
    linalg.yield %more : f32
  } -> tensor<1x16x1xf32>
  %factor = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, c)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%sum : tensor<1x16x1xf32>) outs(%one : tensor<1x16x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %mean = arith.divf %a, %k : f32
    %more = arith.addf %mean, %eps : f32
    %root = math.rsqrt %more : f32
    linalg.yield %root : f32
  } -> tensor<1x16x1xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(a, b, c) -> (a, b, c)>, affine_map<(a, b, c) -> (a, b, 0)>, affine_map<(a, b, c) -> (c)>, affine_map<(a, b, c) -> (a, b, c)>], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x, %factor, %w : tensor<1x16x35xbf16>, tensor<1x16x1xf32>, tensor<35xbf16>) outs(%narrow : tensor<1x16x35xbf16>) {
  ^bb0(%a: bf16, %f: f32, %b: bf16, %o: bf16):
    %wide = arith.extf %a : bf16 to f32
    %scaled = arith.mulf %wide, %f : f32
    %rounded = arith.truncf %scaled : f32 to bf16
    %weighted = arith.mulf %rounded, %b : bf16
    linalg.yield %weighted : bf16
  } -> tensor<1x16x35xbf16>
  %flat = tensor.collapse_shape %y [[0, 1], [2]] : tensor<1x16x35xbf16> into tensor<16x35xbf16>
  %q, %s = ternary.quantize %flat : tensor<16x35xbf16> -> (tensor<16x35xi8>, tensor<16xf32>)
  func.return %q, %s : tensor<16x35xi8>, tensor<16xf32>
}

// A quantisation alone. Sizes are compared as integers; the product is rounded by an addition.
// CHECK-LABEL: func.func @quantised
// CHECK-SAME:    dfc.parts = 0
// CHECK:         math.absf
// CHECK:         arith.maxsi
// CHECK:         arith.divf
// CHECK:         llvm.trunc
func.func @quantised(%x: tensor<5x43xf16>) -> (tensor<5x43xi8>, tensor<5xf32>) {
  %q, %s = ternary.quantize %x : tensor<5x43xf16> -> (tensor<5x43xi8>, tensor<5xf32>)
  func.return %q, %s : tensor<5x43xi8>, tensor<5xf32>
}

// A square of 16 x 16: what the vector of 16 stands for is seen from its use.
// CHECK-LABEL: func.func @square
// CHECK-SAME:    dfc.parts = 0
func.func @square(%x: tensor<16x16xf32>, %w: tensor<16xf32>) -> tensor<16x16xf32> {
  %o = tensor.empty() : tensor<16x16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, k) -> (t, k)>, affine_map<(t, k) -> (k)>, affine_map<(t, k) -> (t, k)>], iterator_types = ["parallel", "parallel"]} ins(%x, %w : tensor<16x16xf32>, tensor<16xf32>) outs(%o : tensor<16x16xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<16x16xf32>
  func.return %y : tensor<16x16xf32>
}

// Rows and columns change places.
// CHECK-LABEL: func.func @transposed
// CHECK:         linalg.generic
func.func @transposed(%x: tensor<16x16xf32>) -> tensor<16x16xf32> {
  %o = tensor.empty() : tensor<16x16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, k) -> (k, t)>, affine_map<(t, k) -> (t, k)>], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<16x16xf32>) outs(%o : tensor<16x16xf32>) {
  ^bb0(%a: f32, %c: f32):
    linalg.yield %a : f32
  } -> tensor<16x16xf32>
  func.return %y : tensor<16x16xf32>
}

// A sum over tokens.
// CHECK-LABEL: func.func @over_tokens
// CHECK:         linalg.generic
func.func @over_tokens(%x: tensor<16x48xf32>, %start: tensor<48xf32>) -> tensor<48xf32> {
  %y = linalg.generic {indexing_maps = [affine_map<(t, k) -> (t, k)>, affine_map<(t, k) -> (k)>], iterator_types = ["reduction", "parallel"]} ins(%x : tensor<16x48xf32>) outs(%start : tensor<48xf32>) {
  ^bb0(%a: f32, %c: f32):
    %p = arith.addf %a, %c : f32
    linalg.yield %p : f32
  } -> tensor<48xf32>
  func.return %y : tensor<48xf32>
}

// A product of matrices: a loop is neither tokens nor columns.
// CHECK-LABEL: func.func @product
// CHECK:         linalg.generic
func.func @product(%x: tensor<16x48xf32>, %w: tensor<32x48xf32>, %start: tensor<16x32xf32>) -> tensor<16x32xf32> {
  %y = linalg.generic {indexing_maps = [affine_map<(t, n, k) -> (t, k)>, affine_map<(t, n, k) -> (n, k)>, affine_map<(t, n, k) -> (t, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : tensor<16x48xf32>, tensor<32x48xf32>) outs(%start : tensor<16x32xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %p, %c : f32
    linalg.yield %s : f32
  } -> tensor<16x32xf32>
  func.return %y : tensor<16x32xf32>
}

// Elements found by their number.
// CHECK-LABEL: func.func @gathered
// CHECK:         linalg.index
func.func @gathered(%x: tensor<16x48xf32>) -> tensor<16x48xf32> {
  %o = tensor.empty() : tensor<16x48xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, k) -> (t, k)>], iterator_types = ["parallel", "parallel"]} outs(%o : tensor<16x48xf32>) {
  ^bb0(%c: f32):
    %t = linalg.index 0 : index
    %a = tensor.extract %x[%t, %t] : tensor<16x48xf32>
    linalg.yield %a : f32
  } -> tensor<16x48xf32>
  func.return %y : tensor<16x48xf32>
}

// An op that is none of rows.
// CHECK-LABEL: func.func @attention
// CHECK:         attention.sdpa
func.func @attention(%q: tensor<1x2x16x48xf32>, %k: tensor<1x2x16x48xf32>, %v: tensor<1x2x16x48xf32>) -> tensor<1x2x16x48xf32> {
  %o = attention.sdpa %q, %k, %v {scale = 1.250000e-01 : f64} : tensor<1x2x16x48xf32>, tensor<1x2x16x48xf32>, tensor<1x2x16x48xf32> -> tensor<1x2x16x48xf32>
  func.return %o : tensor<1x2x16x48xf32>
}

// Half of each row.
// CHECK-LABEL: func.func @half
// CHECK:         tensor.extract_slice
func.func @half(%x: tensor<16x48xf32>) -> tensor<16x24xf32> {
  %y = tensor.extract_slice %x[0, 24] [16, 24] [1, 1] : tensor<16x48xf32> to tensor<16x24xf32>
  func.return %y : tensor<16x24xf32>
}

// A function that code of the host may not call.
// CHECK-LABEL: func.func @sine
// CHECK:         math.sin
func.func @sine(%x: tensor<16x48xf32>) -> tensor<16x48xf32> {
  %o = tensor.empty() : tensor<16x48xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, k) -> (t, k)>, affine_map<(t, k) -> (t, k)>], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<16x48xf32>) outs(%o : tensor<16x48xf32>) {
  ^bb0(%a: f32, %c: f32):
    %b = math.sin %a : f32
    linalg.yield %b : f32
  } -> tensor<16x48xf32>
  func.return %y : tensor<16x48xf32>
}

// Weights alone: no rows.
// CHECK-LABEL: func.func @of_weights
// CHECK:         linalg.generic
func.func @of_weights(%w: tensor<16x48xbf16> {dfc.weight = "w"}) -> tensor<16x48xf32> {
  %o = tensor.empty() : tensor<16x48xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(t, k) -> (t, k)>, affine_map<(t, k) -> (t, k)>], iterator_types = ["parallel", "parallel"]} ins(%w : tensor<16x48xbf16>) outs(%o : tensor<16x48xf32>) {
  ^bb0(%a: bf16, %c: f32):
    %b = arith.extf %a : bf16 to f32
    linalg.yield %b : f32
  } -> tensor<16x48xf32>
  func.return %y : tensor<16x48xf32>
}
