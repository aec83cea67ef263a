"""A dense product as a function: `@linear` of rows `%x`, weight `%w` and, with a bias, `%b`, all of one kind."""

PRODUCT = """\
#rows = affine_map<(m, n) -> (m, n)>
#columns = affine_map<(m, n) -> (n)>
func.func @linear(%x: tensor<{m}x{k}x{kind}>, %w: tensor<{n}x{k}x{kind}>{argument}) -> tensor<{m}x{n}x{kind}> {{
  %none = arith.constant 0.0 : f32
  %wide = tensor.empty() : tensor<{m}x{n}xf32>
  %zero = linalg.fill ins(%none : f32) outs(%wide : tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>
  %product = linalg.generic {{indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}} ins(%x, %w : tensor<{m}x{k}x{kind}>, tensor<{n}x{k}x{kind}>) outs(%zero : tensor<{m}x{n}xf32>) {{
  ^bb0(%a: {kind}, %d: {kind}, %t: f32):{factors}
    %r = arith.addf %t, %p : f32
    linalg.yield %r : f32
  }} -> tensor<{m}x{n}xf32>{bias}{rounding}
  func.return {result} : tensor<{m}x{n}x{kind}>
}}
"""

NARROW_FACTORS = """
    %f = arith.extf %a : {kind} to f32
    %g = arith.extf %d : {kind} to f32
    %p = arith.mulf %f, %g : f32"""

FACTORS = """
    %p = arith.mulf %a, %d : f32"""

WIDENED = """
  %each = tensor.empty() : tensor<{n}xf32>
  %bias = linalg.generic {{indexing_maps = [affine_map<(n) -> (n)>, affine_map<(n) -> (n)>], iterator_types = ["parallel"]}} ins(%b : tensor<{n}x{kind}>) outs(%each : tensor<{n}xf32>) {{
  ^bb0(%a: {kind}, %o: f32):
    %r = arith.extf %a : {kind} to f32
    linalg.yield %r : f32
  }} -> tensor<{n}xf32>"""

SUM = """
  %sum = linalg.generic {{indexing_maps = [#rows, #columns, #rows], iterator_types = ["parallel", "parallel"]}} ins(%product, {added} : tensor<{m}x{n}xf32>, tensor<{n}xf32>) outs(%wide : tensor<{m}x{n}xf32>) {{
  ^bb0(%a: f32, %c: f32, %o: f32):
    %r = arith.addf %a, %c : f32
    linalg.yield %r : f32
  }} -> tensor<{m}x{n}xf32>"""

ROUNDING = """
  %narrow = tensor.empty() : tensor<{m}x{n}x{kind}>
  %y = linalg.generic {{indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}} ins({sums} : tensor<{m}x{n}xf32>) outs(%narrow : tensor<{m}x{n}x{kind}>) {{
  ^bb0(%a: f32, %o: {kind}):
    %r = arith.truncf %a : f32 to {kind}
    linalg.yield %r : {kind}
  }} -> tensor<{m}x{n}x{kind}>"""


def linear_text(m: int, n: int, k: int, kind: str, *, biased: bool) -> str:
    """`x @ w.T` of m x k and n x k, plus a bias of n, summed in f32 and rounded once to `kind`: f32, f16 or bf16."""
    narrow = kind != "f32"
    sizes: dict[str, object] = {"m": m, "n": n, "k": k, "kind": kind}
    bias = ""
    if biased:
        bias = (WIDENED if narrow else "") + SUM
    sums = "%sum" if biased else "%product"
    return PRODUCT.format(
        **sizes,
        argument=f", %b: tensor<{n}x{kind}>" if biased else "",
        factors=(NARROW_FACTORS if narrow else FACTORS).format(**sizes),
        bias=bias.format(**sizes, added="%bias" if narrow else "%b"),
        rounding=ROUNDING.format(**sizes, sums=sums) if narrow else "",
        result="%y" if narrow else sums,
    )
