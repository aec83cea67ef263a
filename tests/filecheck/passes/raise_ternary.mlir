// RUN: xdsl-opt %s --split-input-file -p raise-ternary | filecheck %s

// CHECK-LABEL: func.func @bias
// CHECK-NEXT:    [[T:%[a-z0-9_]+]], [[S:%[a-z0-9_]+]] = ternary.ternarize %w {dfc.origin = "up:mm#ternarize", rule = "exact"}
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]] = ternary.linear %x, [[T]] scale [[S]] bias %b {dfc.origin = "up:add"}
// CHECK-NEXT:    func.return [[Y]]
func.func @bias(%x: tensor<4x64xf32>, %w: tensor<32x64xf32> {dfc.ternary, dfc.weight = "up"}, %b: tensor<32xf32>) -> tensor<4x32xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x32xf32>
  %wt = linalg.transpose ins(%w:tensor<32x64xf32>) outs(%e:tensor<64x32xf32>) permutation = [1, 0]
  %f = tensor.empty() : tensor<4x32xf32>
  %i = linalg.fill ins(%zero : f32) outs(%f : tensor<4x32xf32>) -> tensor<4x32xf32>
  %a = linalg.matmul {dfc.origin = "up:mm"} ins(%x, %wt : tensor<4x64xf32>, tensor<64x32xf32>) outs(%i : tensor<4x32xf32>) -> tensor<4x32xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]} ins(%a, %b : tensor<4x32xf32>, tensor<32xf32>) outs(%f : tensor<4x32xf32>) attrs = {dfc.origin = "up:add"} {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %r = arith.addf %p, %q : f32
    linalg.yield %r : f32
  } -> tensor<4x32xf32>
  func.return %y : tensor<4x32xf32>
}

// -----

// In half precision the product is rounded behind it; the layer of a private function is marked by its calls.
// CHECK-LABEL: func.func private @layer
// CHECK-NEXT:    [[T:%[a-z0-9_]+]], [[S:%[a-z0-9_]+]] = ternary.ternarize %w {rule = "exact"}
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]] = ternary.linear %x, [[T]] scale [[S]] : (tensor<4x64xf16>
// CHECK-NEXT:    func.return [[Y]]
func.func @main(%x: tensor<4x64xf16>, %w: tensor<32x64xf16> {dfc.ternary, dfc.weight = "up"}) -> tensor<4x32xf16> {
  %y = func.call @layer(%x, %w) : (tensor<4x64xf16>, tensor<32x64xf16>) -> tensor<4x32xf16>
  func.return %y : tensor<4x32xf16>
}
func.func private @layer(%x: tensor<4x64xf16>, %w: tensor<32x64xf16>) -> tensor<4x32xf16> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x32xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<4x32xf32>) -> tensor<4x32xf32>
  %a = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : tensor<4x64xf16>, tensor<32x64xf16>) outs(%i : tensor<4x32xf32>) {
  ^bb0(%p: f16, %q: f16, %o: f32):
    %pw = arith.extf %p : f16 to f32
    %qw = arith.extf %q : f16 to f32
    %r = arith.mulf %pw, %qw : f32
    %s = arith.addf %o, %r : f32
    linalg.yield %s : f32
  } -> tensor<4x32xf32>
  %f = tensor.empty() : tensor<4x32xf16>
  %y = linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]} ins(%a : tensor<4x32xf32>) outs(%f : tensor<4x32xf16>) {
  ^bb0(%p: f32, %o: f16):
    %r = arith.truncf %p : f32 to f16
    linalg.yield %r : f16
  } -> tensor<4x32xf16>
  func.return %y : tensor<4x32xf16>
}

// -----

// The first weight is not marked, and the second product does not start from zero: leave both alone.
// CHECK-LABEL: func.func @stay
// CHECK-NOT:     ternary.linear
// CHECK:         linalg.matmul
// CHECK-NEXT:    linalg.matmul
func.func @stay(%x: tensor<4x64xf32>, %v: tensor<32x64xf32>, %w: tensor<32x64xf32> {dfc.ternary}) -> tensor<4x32xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x32xf32>
  %vt = linalg.transpose ins(%v:tensor<32x64xf32>) outs(%e:tensor<64x32xf32>) permutation = [1, 0]
  %wt = linalg.transpose ins(%w:tensor<32x64xf32>) outs(%e:tensor<64x32xf32>) permutation = [1, 0]
  %f = tensor.empty() : tensor<4x32xf32>
  %i = linalg.fill ins(%zero : f32) outs(%f : tensor<4x32xf32>) -> tensor<4x32xf32>
  %a = linalg.matmul ins(%x, %vt : tensor<4x64xf32>, tensor<64x32xf32>) outs(%i : tensor<4x32xf32>) -> tensor<4x32xf32>
  %b = linalg.matmul ins(%x, %wt : tensor<4x64xf32>, tensor<64x32xf32>) outs(%a : tensor<4x32xf32>) -> tensor<4x32xf32>
  func.return %b : tensor<4x32xf32>
}
