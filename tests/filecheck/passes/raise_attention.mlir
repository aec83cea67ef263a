// RUN: xdsl-opt %s -p raise-attention | filecheck %s

#full = affine_map<(h, m, s) -> (h, m, s)>
#row = affine_map<(h, m, s) -> (h, m, 0)>
#mask = affine_map<(h, m, s) -> (m, s)>
#left = affine_map<(h, m, n, k) -> (h, m, k)>
#right = affine_map<(h, m, n, k) -> (h, k, n)>
#rightT = affine_map<(h, m, n, k) -> (h, n, k)>
#out = affine_map<(h, m, n, k) -> (h, m, n)>

// Batch and heads are one dimension: it becomes the heads.
// CHECK-LABEL: func.func @plain
// CHECK-NEXT:    [[Q:%[a-z0-9_]+]] = tensor.expand_shape %q {{.*}} into tensor<1x8x4x16xf32>
// CHECK-NEXT:    [[K:%[a-z0-9_]+]] = tensor.expand_shape %k {{.*}} into tensor<1x8x6x16xf32>
// CHECK-NEXT:    [[V:%[a-z0-9_]+]] = tensor.expand_shape %v
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]] = attention.sdpa [[Q]], [[K]], [[V]] {scale = 2.500000e-01 : f64}
// CHECK-NEXT:    [[Z:%[a-z0-9_]+]] = tensor.collapse_shape [[Y]]
// CHECK-NEXT:    func.return [[Z]]
func.func @plain(%q: tensor<8x4x16xf32>, %k: tensor<8x6x16xf32>, %v: tensor<8x6x16xf32>) -> tensor<8x4x16xf32> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %scale = arith.constant 0.25 : f32
  %e0 = tensor.empty() : tensor<8x4x6xf32>
  %i0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<8x4x6xf32>) -> tensor<8x4x6xf32>
  %s = linalg.generic {indexing_maps = [#left, #rightT, #out], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%q, %k : tensor<8x4x16xf32>, tensor<8x6x16xf32>) outs(%i0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %o, %p : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %t = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%s : tensor<8x4x6xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.mulf %a, %scale : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %e1 = tensor.empty() : tensor<8x4x1xf32>
  %maxi = linalg.fill ins(%lowest : f32) outs(%e1 : tensor<8x4x1xf32>) -> tensor<8x4x1xf32>
  %max = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "reduction"]} ins(%t : tensor<8x4x6xf32>) outs(%maxi : tensor<8x4x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.maximumf %a, %o : f32
    linalg.yield %r : f32
  } -> tensor<8x4x1xf32>
  %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%t, %max : tensor<8x4x6xf32>, tensor<8x4x1xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.subf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %x = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%d : tensor<8x4x6xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = math.exp %a : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %sumi = linalg.fill ins(%zero : f32) outs(%e1 : tensor<8x4x1xf32>) -> tensor<8x4x1xf32>
  %sum = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x : tensor<8x4x6xf32>) outs(%sumi : tensor<8x4x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %o : f32
    linalg.yield %r : f32
  } -> tensor<8x4x1xf32>
  %soft = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x, %sum : tensor<8x4x6xf32>, tensor<8x4x1xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.divf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %e2 = tensor.empty() : tensor<8x4x16xf32>
  %i2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<8x4x16xf32>) -> tensor<8x4x16xf32>
  %y = linalg.generic {indexing_maps = [#left, #right, #out], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%soft, %v : tensor<8x4x6xf32>, tensor<8x6x16xf32>) outs(%i2 : tensor<8x4x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %o, %p : f32
    linalg.yield %r : f32
  } -> tensor<8x4x16xf32>
  func.return %y : tensor<8x4x16xf32>
}

// CHECK-LABEL: func.func @masked
// CHECK-NEXT:    [[Q:%[a-z0-9_]+]] = tensor.expand_shape %q {{.*}} into tensor<1x8x4x16xf32>
// CHECK-NEXT:    [[K:%[a-z0-9_]+]] = tensor.expand_shape %k {{.*}} into tensor<1x8x6x16xf32>
// CHECK-NEXT:    [[V:%[a-z0-9_]+]] = tensor.expand_shape %v
// CHECK-NEXT:    [[M:%[a-z0-9_]+]] = tensor.expand_shape %m {{.*}} into tensor<1x1x4x6xf32>
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]] = attention.sdpa [[Q]], [[K]], [[V]] mask [[M]] : tensor<1x1x4x6xf32> {scale = 2.500000e-01 : f64}
// CHECK-NEXT:    [[Z:%[a-z0-9_]+]] = tensor.collapse_shape [[Y]]
// CHECK-NEXT:    func.return [[Z]]
func.func @masked(%q: tensor<8x4x16xf32>, %k: tensor<8x6x16xf32>, %v: tensor<8x6x16xf32>, %m: tensor<4x6xf32>) -> tensor<8x4x16xf32> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %scale = arith.constant 0.25 : f32
  %e0 = tensor.empty() : tensor<8x4x6xf32>
  %i0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<8x4x6xf32>) -> tensor<8x4x6xf32>
  %s = linalg.generic {indexing_maps = [#left, #rightT, #out], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%q, %k : tensor<8x4x16xf32>, tensor<8x6x16xf32>) outs(%i0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %o, %p : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %t = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%s : tensor<8x4x6xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.mulf %a, %scale : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %u = linalg.generic {indexing_maps = [#full, #mask, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%t, %m : tensor<8x4x6xf32>, tensor<4x6xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %e1 = tensor.empty() : tensor<8x4x1xf32>
  %maxi = linalg.fill ins(%lowest : f32) outs(%e1 : tensor<8x4x1xf32>) -> tensor<8x4x1xf32>
  %max = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "reduction"]} ins(%u : tensor<8x4x6xf32>) outs(%maxi : tensor<8x4x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.maximumf %a, %o : f32
    linalg.yield %r : f32
  } -> tensor<8x4x1xf32>
  %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%u, %max : tensor<8x4x6xf32>, tensor<8x4x1xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.subf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %x = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%d : tensor<8x4x6xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = math.exp %a : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %sumi = linalg.fill ins(%zero : f32) outs(%e1 : tensor<8x4x1xf32>) -> tensor<8x4x1xf32>
  %sum = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x : tensor<8x4x6xf32>) outs(%sumi : tensor<8x4x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %o : f32
    linalg.yield %r : f32
  } -> tensor<8x4x1xf32>
  %soft = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x, %sum : tensor<8x4x6xf32>, tensor<8x4x1xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.divf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %e2 = tensor.empty() : tensor<8x4x16xf32>
  %i2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<8x4x16xf32>) -> tensor<8x4x16xf32>
  %y = linalg.generic {indexing_maps = [#left, #right, #out], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%soft, %v : tensor<8x4x6xf32>, tensor<8x6x16xf32>) outs(%i2 : tensor<8x4x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %o, %p : f32
    linalg.yield %r : f32
  } -> tensor<8x4x16xf32>
  func.return %y : tensor<8x4x16xf32>
}

// A mask of 0 on and below the diagonal and -inf above is no operand.
// CHECK-LABEL: func.func @causal
// CHECK-NEXT:    [[Q:%[a-z0-9_]+]] = tensor.expand_shape %q {{.*}} into tensor<1x8x4x16xf32>
// CHECK-NEXT:    [[K:%[a-z0-9_]+]] = tensor.expand_shape %k {{.*}} into tensor<1x8x6x16xf32>
// CHECK-NEXT:    [[V:%[a-z0-9_]+]] = tensor.expand_shape %v
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]] = attention.sdpa [[Q]], [[K]], [[V]] {causal, scale = 2.500000e-01 : f64}
// CHECK-NEXT:    [[Z:%[a-z0-9_]+]] = tensor.collapse_shape [[Y]]
// CHECK-NEXT:    func.return [[Z]]
func.func @causal(%q: tensor<8x4x16xf32>, %k: tensor<8x6x16xf32>, %v: tensor<8x6x16xf32>) -> tensor<8x4x16xf32> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %scale = arith.constant 0.25 : f32
  %e0 = tensor.empty() : tensor<8x4x6xf32>
  %i0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<8x4x6xf32>) -> tensor<8x4x6xf32>
  %s = linalg.generic {indexing_maps = [#left, #rightT, #out], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%q, %k : tensor<8x4x16xf32>, tensor<8x6x16xf32>) outs(%i0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %o, %p : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %t = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%s : tensor<8x4x6xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.mulf %a, %scale : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %cm = linalg.generic {indexing_maps = [#full], iterator_types = ["parallel", "parallel", "parallel"]} outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%o: f32):
    %i = linalg.index 1 : index
    %j = linalg.index 2 : index
    %c = arith.cmpi sge, %i, %j : index
    %r = arith.select %c, %zero, %lowest : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %u = linalg.generic {indexing_maps = [#full, #full, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%t, %cm : tensor<8x4x6xf32>, tensor<8x4x6xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %e1 = tensor.empty() : tensor<8x4x1xf32>
  %maxi = linalg.fill ins(%lowest : f32) outs(%e1 : tensor<8x4x1xf32>) -> tensor<8x4x1xf32>
  %max = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "reduction"]} ins(%u : tensor<8x4x6xf32>) outs(%maxi : tensor<8x4x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.maximumf %a, %o : f32
    linalg.yield %r : f32
  } -> tensor<8x4x1xf32>
  %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%u, %max : tensor<8x4x6xf32>, tensor<8x4x1xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.subf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %x = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%d : tensor<8x4x6xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = math.exp %a : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %sumi = linalg.fill ins(%zero : f32) outs(%e1 : tensor<8x4x1xf32>) -> tensor<8x4x1xf32>
  %sum = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x : tensor<8x4x6xf32>) outs(%sumi : tensor<8x4x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %o : f32
    linalg.yield %r : f32
  } -> tensor<8x4x1xf32>
  %soft = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x, %sum : tensor<8x4x6xf32>, tensor<8x4x1xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.divf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %e2 = tensor.empty() : tensor<8x4x16xf32>
  %i2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<8x4x16xf32>) -> tensor<8x4x16xf32>
  %y = linalg.generic {indexing_maps = [#left, #right, #out], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%soft, %v : tensor<8x4x6xf32>, tensor<8x6x16xf32>) outs(%i2 : tensor<8x4x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %o, %p : f32
    linalg.yield %r : f32
  } -> tensor<8x4x16xf32>
  func.return %y : tensor<8x4x16xf32>
}

// The sum is that of the differences, not of their exponentials: no softmax.
// CHECK-LABEL: func.func @no_softmax
// CHECK-NOT:     attention.sdpa
func.func @no_softmax(%q: tensor<8x4x16xf32>, %k: tensor<8x6x16xf32>, %v: tensor<8x6x16xf32>) -> tensor<8x4x16xf32> {
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %scale = arith.constant 0.25 : f32
  %e0 = tensor.empty() : tensor<8x4x6xf32>
  %i0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<8x4x6xf32>) -> tensor<8x4x6xf32>
  %s = linalg.generic {indexing_maps = [#left, #rightT, #out], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%q, %k : tensor<8x4x16xf32>, tensor<8x6x16xf32>) outs(%i0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %o, %p : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %t = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%s : tensor<8x4x6xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.mulf %a, %scale : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %e1 = tensor.empty() : tensor<8x4x1xf32>
  %maxi = linalg.fill ins(%lowest : f32) outs(%e1 : tensor<8x4x1xf32>) -> tensor<8x4x1xf32>
  %max = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "reduction"]} ins(%t : tensor<8x4x6xf32>) outs(%maxi : tensor<8x4x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.maximumf %a, %o : f32
    linalg.yield %r : f32
  } -> tensor<8x4x1xf32>
  %d = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%t, %max : tensor<8x4x6xf32>, tensor<8x4x1xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.subf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %x = linalg.generic {indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%d : tensor<8x4x6xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = math.exp %a : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %sumi = linalg.fill ins(%zero : f32) outs(%e1 : tensor<8x4x1xf32>) -> tensor<8x4x1xf32>
  %sum = linalg.generic {indexing_maps = [#full, #row], iterator_types = ["parallel", "parallel", "reduction"]} ins(%d : tensor<8x4x6xf32>) outs(%sumi : tensor<8x4x1xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %o : f32
    linalg.yield %r : f32
  } -> tensor<8x4x1xf32>
  %soft = linalg.generic {indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel", "parallel"]} ins(%x, %sum : tensor<8x4x6xf32>, tensor<8x4x1xf32>) outs(%e0 : tensor<8x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.divf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<8x4x6xf32>
  %e2 = tensor.empty() : tensor<8x4x16xf32>
  %i2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<8x4x16xf32>) -> tensor<8x4x16xf32>
  %y = linalg.generic {indexing_maps = [#left, #right, #out], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%soft, %v : tensor<8x4x6xf32>, tensor<8x6x16xf32>) outs(%i2 : tensor<8x4x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %r = arith.addf %o, %p : f32
    linalg.yield %r : f32
  } -> tensor<8x4x16xf32>
  func.return %y : tensor<8x4x16xf32>
}
