"""IR of the small kernels that `dfc bench host --describe` times; k columns, n rows, m tokens."""

PRODUCT = """
func.func @product(%q: tensor<1x{k}xi8>, %p: tensor<{size}xi8>, %s: tensor<1xf32>, %c: tensor<f32>) -> tensor<1x{n}xbf16> {{
  %w = ternary.unpack %p {{packing = {packing}}} : tensor<{size}xi8> -> tensor<{n}x{k}x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<1x{k}xi8>, tensor<{n}x{k}x!ternary.trit>) -> tensor<1x{n}xi32>
  %y = ternary.dequantize %a, %s, %c : (tensor<1x{n}xi32>, tensor<1xf32>, tensor<f32>) -> tensor<1x{n}xbf16>
  func.return %y : tensor<1x{n}xbf16>
}}
"""

NORM = """
#full = affine_map<(m, k) -> (m, k)>
#row = affine_map<(m, k) -> (m, 0)>
#column = affine_map<(m, k) -> (k)>
func.func @norm(%x: tensor<{m}x{k}xbf16>, %g: tensor<{k}xbf16>) -> (tensor<{m}x{k}xi8>, tensor<{m}xf32>) {{
  %none = arith.constant 0.0 : f32
  %size = arith.constant {k}.0 : f32
  %least = arith.constant 1.0e-05 : f32
  %wide = tensor.empty() : tensor<{m}x{k}xf32>
  %narrow = tensor.empty() : tensor<{m}x{k}xbf16>
  %each = tensor.empty() : tensor<{m}x1xf32>
  %zero = linalg.fill ins(%none : f32) outs(%each : tensor<{m}x1xf32>) -> tensor<{m}x1xf32>
  %f = linalg.generic {{indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel"]}} ins(%x : tensor<{m}x{k}xbf16>) outs(%wide : tensor<{m}x{k}xf32>) {{
  ^bb0(%a: bf16, %o: f32):
    %r = arith.extf %a : bf16 to f32
    linalg.yield %r : f32
  }} -> tensor<{m}x{k}xf32>
  %squares = linalg.generic {{indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel"]}} ins(%f : tensor<{m}x{k}xf32>) outs(%wide : tensor<{m}x{k}xf32>) {{
  ^bb0(%a: f32, %o: f32):
    %r = arith.mulf %a, %a : f32
    linalg.yield %r : f32
  }} -> tensor<{m}x{k}xf32>
  %sum = linalg.generic {{indexing_maps = [#full, #row], iterator_types = ["parallel", "reduction"]}} ins(%squares : tensor<{m}x{k}xf32>) outs(%zero : tensor<{m}x1xf32>) {{
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %o : f32
    linalg.yield %r : f32
  }} -> tensor<{m}x1xf32>
  %root = linalg.generic {{indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel"]}} ins(%sum : tensor<{m}x1xf32>) outs(%each : tensor<{m}x1xf32>) {{
  ^bb0(%a: f32, %o: f32):
    %mean = arith.divf %a, %size : f32
    %more = arith.addf %mean, %least : f32
    %r = math.rsqrt %more : f32
    linalg.yield %r : f32
  }} -> tensor<{m}x1xf32>
  %scaled = linalg.generic {{indexing_maps = [#full, #row, #full], iterator_types = ["parallel", "parallel"]}} ins(%f, %root : tensor<{m}x{k}xf32>, tensor<{m}x1xf32>) outs(%wide : tensor<{m}x{k}xf32>) {{
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.mulf %a, %b : f32
    linalg.yield %r : f32
  }} -> tensor<{m}x{k}xf32>
  %h = linalg.generic {{indexing_maps = [#full, #full], iterator_types = ["parallel", "parallel"]}} ins(%scaled : tensor<{m}x{k}xf32>) outs(%narrow : tensor<{m}x{k}xbf16>) {{
  ^bb0(%a: f32, %o: bf16):
    %r = arith.truncf %a : f32 to bf16
    linalg.yield %r : bf16
  }} -> tensor<{m}x{k}xbf16>
  %y = linalg.generic {{indexing_maps = [#column, #full, #full], iterator_types = ["parallel", "parallel"]}} ins(%g, %h : tensor<{k}xbf16>, tensor<{m}x{k}xbf16>) outs(%narrow : tensor<{m}x{k}xbf16>) {{
  ^bb0(%a: bf16, %b: bf16, %o: bf16):
    %r = arith.mulf %a, %b : bf16
    linalg.yield %r : bf16
  }} -> tensor<{m}x{k}xbf16>
  %q, %s = ternary.quantize %y : tensor<{m}x{k}xbf16> -> (tensor<{m}x{k}xi8>, tensor<{m}xf32>)
  func.return %q, %s : tensor<{m}x{k}xi8>, tensor<{m}xf32>
}}
"""
"""The norm of a BitNet layer and the quantisation behind it."""
