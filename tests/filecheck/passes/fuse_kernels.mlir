// RUN: xdsl-opt %s --split-input-file -p fuse-kernels | filecheck %s

// A norm and its quantisation are one kernel of rows, the product and what rides behind it another.
// The reshapes between them stay outside, those within a kernel go inside.
// CHECK-LABEL: func.func @layer
// CHECK-NEXT:    [[Q:%[a-z0-9_]+]], [[S:%[a-z0-9_]+]] = accel.kernel "norm" ins(%x, %g :
// CHECK:           linalg.generic
// CHECK-SAME:        accel.unit = "vector"
// CHECK:           ternary.quantize %{{.*}} {dfc.origin = "up:linear#quantize", accel.unit = "vector"}
// CHECK:         } {dfc.origin = ["norm:sum", "norm:scale", "up:linear#quantize"], operand_values = ["", ""], result_values = ["up:linear#quantize.0", "up:linear#quantize.1"]}
// CHECK-NEXT:    [[Z:%[a-z0-9_]+]] = accel.kernel "up" ins([[Q]], %w, [[S]], %c, %x :
// CHECK:           [[A:%[a-z0-9_]+]] = ternary.matmul %{{.*}} {dfc.origin = "up:linear#matmul", accel.unit = "array"}
// CHECK-NEXT:      [[Y:%[a-z0-9_]+]] = ternary.dequantize [[A]], %{{.*}} {dfc.origin = "up:linear", accel.unit = "vector"}
// CHECK-NEXT:      [[E:%[a-z0-9_]+]] = tensor.expand_shape [[Y]]
// CHECK:           linalg.generic
// CHECK-SAME:        ins([[E]], %{{.*}} :
// CHECK:         } {dfc.origin = ["up:linear#matmul", "up:linear", ":add"], operand_values = ["up:linear#quantize.0", "", "up:linear#quantize.1", "", ""], result_values = [":add"]}
// CHECK-NEXT:    func.return [[Z]]
#rows = affine_map<(b, m, d) -> (b, m, d)>
#sums = affine_map<(b, m, d) -> (b, m)>
#gain = affine_map<(b, m, d) -> (d)>
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @layer(%x: tensor<1x4x64xf32>, %g: tensor<64xf32>, %w: tensor<64x64x!ternary.trit>, %c: tensor<f32>) -> tensor<1x4x64xf32> {
    %zero = arith.constant 0.0 : f32
    %e1 = tensor.empty() : tensor<1x4xf32>
    %init = linalg.fill ins(%zero : f32) outs(%e1 : tensor<1x4xf32>) -> tensor<1x4xf32>
    %s = linalg.generic {indexing_maps = [#rows, #sums], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x : tensor<1x4x64xf32>) outs(%init : tensor<1x4xf32>) attrs = {dfc.origin = "norm:sum"} {
    ^bb0(%a: f32, %b: f32):
      %r = arith.addf %a, %b : f32
      linalg.yield %r : f32
    } -> tensor<1x4xf32>
    %e2 = tensor.empty() : tensor<1x4x64xf32>
    %n = linalg.generic {indexing_maps = [#rows, #sums, #gain, #rows], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x, %s, %g : tensor<1x4x64xf32>, tensor<1x4xf32>, tensor<64xf32>) outs(%e2 : tensor<1x4x64xf32>) attrs = {dfc.origin = "norm:scale"} {
    ^bb0(%a: f32, %b: f32, %gain: f32, %o: f32):
      %r = arith.mulf %a, %b : f32
      %t = arith.mulf %r, %gain : f32
      linalg.yield %t : f32
    } -> tensor<1x4x64xf32>
    %f = tensor.collapse_shape %n [[0, 1], [2]] : tensor<1x4x64xf32> into tensor<4x64xf32>
    %q, %qs = ternary.quantize %f {dfc.origin = "up:linear#quantize"} : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf32>)
    %acc = ternary.matmul %q, %w {dfc.origin = "up:linear#matmul"} : (tensor<4x64xi8>, tensor<64x64x!ternary.trit>) -> tensor<4x64xi32>
    %y = ternary.dequantize %acc, %qs, %c {dfc.origin = "up:linear"} : (tensor<4x64xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x64xf32>
    %h = tensor.expand_shape %y [[0, 1], [2]] output_shape [1, 4, 64] : tensor<4x64xf32> into tensor<1x4x64xf32>
    %z = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel", "parallel"]} ins(%h, %x : tensor<1x4x64xf32>, tensor<1x4x64xf32>) outs(%e2 : tensor<1x4x64xf32>) attrs = {dfc.origin = ":add"} {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %r = arith.addf %a, %b : f32
      linalg.yield %r : f32
    } -> tensor<1x4x64xf32>
    func.return %z : tensor<1x4x64xf32>
  }
}

// -----

// Attention is a kernel of its own, and products are two: each begins one. Cache writes stay between.
// CHECK-LABEL: func.func @attend
// CHECK-NEXT:    attention.kv_write
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]] = accel.kernel "attention"
// CHECK:           attention.sdpa
// CHECK-SAME:        accel.unit = "attention"
// CHECK:         tensor.collapse_shape [[Y]]
// CHECK-NEXT:    [[A:%[a-z0-9_]+]] = accel.kernel "matmul"
// CHECK:         accel.kernel "matmul_2" ins([[A]],
// CHECK:         func.return
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @attend(%q: tensor<1x1x4x64xf32>, %k: tensor<1x1x8x64xf32>, %new: tensor<1x1x4x64xf32>, %p: index, %w: tensor<64x64xf32>) -> tensor<4x64xf32> {
    %c = attention.kv_write %k, %new at %p : tensor<1x1x8x64xf32>, tensor<1x1x4x64xf32> -> tensor<1x1x8x64xf32>
    %y = attention.sdpa %q, %c, %c at %p {causal} : tensor<1x1x4x64xf32>, tensor<1x1x8x64xf32>, tensor<1x1x8x64xf32> -> tensor<1x1x4x64xf32>
    %f = tensor.collapse_shape %y [[0, 1, 2], [3]] : tensor<1x1x4x64xf32> into tensor<4x64xf32>
    %zero = arith.constant 0.0 : f32
    %e = tensor.empty() : tensor<4x64xf32>
    %i = linalg.fill ins(%zero : f32) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
    %a = linalg.matmul ins(%f, %w : tensor<4x64xf32>, tensor<64x64xf32>) outs(%i : tensor<4x64xf32>) -> tensor<4x64xf32>
    %b = linalg.matmul ins(%a, %w : tensor<4x64xf32>, tensor<64x64xf32>) outs(%i : tensor<4x64xf32>) -> tensor<4x64xf32>
    func.return %b : tensor<4x64xf32>
  }
}

// -----

// Nothing computes here, and @weights runs on the host: no kernel.
// CHECK-LABEL: func.func @views
// CHECK-NEXT:    tensor.collapse_shape
// CHECK-NEXT:    func.return
// CHECK-LABEL: func.func @weights
// CHECK-NEXT:    ternary.ternarize
// CHECK-NEXT:    func.return
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @views(%x: tensor<1x4x64xf32>) -> tensor<4x64xf32> {
    %f = tensor.collapse_shape %x [[0, 1], [2]] : tensor<1x4x64xf32> into tensor<4x64xf32>
    func.return %f : tensor<4x64xf32>
  }
  func.func @weights(%w: tensor<64x64xf32> {dfc.weight = "w"}) -> tensor<f32> {
    %t, %c = ternary.ternarize %w : tensor<64x64xf32> -> (tensor<64x64x!ternary.trit>, tensor<f32>)
    func.return %c : tensor<f32>
  }
}
