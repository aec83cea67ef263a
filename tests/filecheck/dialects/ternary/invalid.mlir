// RUN: xdsl-opt %s --split-input-file --verify-diagnostics | filecheck %s

// `#ternary.packing` (C1): `code` is one of the three
// CHECK: expected a code of trits1in2, trits3in5, trits5in8, got trits2in3
"test.op"() {packing = #ternary.packing<trits2in3>} : () -> ()

// -----

// `#ternary.packing` (C2): `order` is one of the four
// CHECK: expected an order of rows, interleaved, beats, quarters, got columns
"test.op"() {packing = #ternary.packing<trits1in2, order = columns>} : () -> ()

// -----

// `#ternary.packing` (C3): order `interleaved` has code `trits1in2` or `trits3in5`
// CHECK: expected a code of trits1in2, trits3in5 for order interleaved, got trits5in8
"test.op"() {packing = #ternary.packing<trits5in8, order = interleaved>} : () -> ()

// -----

// `#ternary.packing` (C4): order `quarters` has code `trits1in2`
// CHECK: expected trits1in2 for order quarters, got trits3in5
"test.op"() {packing = #ternary.packing<trits3in5, order = quarters>} : () -> ()

// -----

// `#ternary.packing` (C5): `block` and `beat` are given for order `beats` only
// CHECK: expected `block` and `beat` for order beats, got rows
"test.op"() {packing = #ternary.packing<trits1in2, block = 16>} : () -> ()

// -----

// `#ternary.packing` (C6): `block` and `beat` are above 0 for order `beats`
// CHECK: expected `block` and `beat` above 0, got (16, 0)
"test.op"() {packing = #ternary.packing<trits1in2, order = beats, block = 16>} : () -> ()

// -----

// `#ternary.packing` (C7): `block` is whole groups of trits
// CHECK: expected `block` a multiple of 3, got 85
"test.op"() {packing = #ternary.packing<trits3in5, order = beats, block = 85, beat = 96>} : () -> ()

// -----

// `#ternary.packing` (C8): a beat holds at least one vector
// CHECK: expected a beat of at least 140 bits, got 136
"test.op"() {packing = #ternary.packing<trits3in5, order = beats, block = 84, beat = 17>} : () -> ()

// -----

// `ternary.quantize` (C1): `x` has 2 dimensions
// CHECK: expected 2-d `x`, got shape (4,)
%x = "test.op"() : () -> tensor<4xf32>
%q, %s = ternary.quantize %x : tensor<4xf32> -> (tensor<4x64xi8>, tensor<4xf32>)

// -----

// `ternary.quantize` (C2): `x` is of f32, bf16 or f16
// CHECK: expected `x` of f32, bf16 or f16, got f64
%x = "test.op"() : () -> tensor<4x64xf64>
%q, %s = ternary.quantize %x : tensor<4x64xf64> -> (tensor<4x64xi8>, tensor<4xf32>)

// -----

// `ternary.quantize` (C3): `q` has the shape of `x`
// CHECK: expected `q` of shape 4x64, got shape 4x32
%x = "test.op"() : () -> tensor<4x64xf32>
%q, %s = ternary.quantize %x : tensor<4x64xf32> -> (tensor<4x32xi8>, tensor<4xf32>)

// -----

// `ternary.quantize` (C4): `q` is of i8
// CHECK: expected `q` of i8, got i16
%x = "test.op"() : () -> tensor<4x64xf32>
%q, %s = ternary.quantize %x : tensor<4x64xf32> -> (tensor<4x64xi16>, tensor<4xf32>)

// -----

// `ternary.quantize` (C5): `s` has one element per row of `x`
// CHECK: expected `s` of shape 4, got shape 64
%x = "test.op"() : () -> tensor<4x64xf32>
%q, %s = ternary.quantize %x : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<64xf32>)

// -----

// `ternary.quantize` (C6): `s` is of f32
// CHECK: expected `s` of f32, got f16
%x = "test.op"() : () -> tensor<4x64xf32>
%q, %s = ternary.quantize %x : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf16>)

// -----

// `ternary.matmul` (C1): `q` has 2 dimensions
// CHECK: expected 2-d `q`, got shape (64,)
%q = "test.op"() : () -> tensor<64xi8>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%a = ternary.matmul %q, %w : (tensor<64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.matmul` (C2): `q` is of i8
// CHECK: expected `q` of i8, got f32
%q = "test.op"() : () -> tensor<4x64xf32>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%a = ternary.matmul %q, %w : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.matmul` (C3): the elements of `w` are trits
// CHECK: expected `w` of !ternary.trit, got i8
%q = "test.op"() : () -> tensor<4x64xi8>
%w = "test.op"() : () -> tensor<32x64xi8>
%a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<32x64xi8>) -> tensor<4x32xi32>

// -----

// `ternary.matmul` (C4): `w` has 2 dimensions
// CHECK: expected 2-d `w`, got shape (2, 32, 64)
%q = "test.op"() : () -> tensor<4x64xi8>
%w = "test.op"() : () -> tensor<2x32x64x!ternary.trit>
%a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<2x32x64x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.matmul` (C5): `w` has a static shape
// CHECK: expected `w` of static shape, got tensor<?x64x!ternary.trit>
%q = "test.op"() : () -> tensor<4x64xi8>
%w = "test.op"() : () -> tensor<?x64x!ternary.trit>
%a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<?x64x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.matmul` (C6): `w` has as many columns as `q`
// CHECK: expected `w` with 64 columns, got 60
%q = "test.op"() : () -> tensor<4x64xi8>
%w = "test.op"() : () -> tensor<32x60x!ternary.trit>
%a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<32x60x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.matmul` (C7): `a` has a row per row of `q` and a column per row of `w`
// CHECK: expected `a` of shape 4x32, got shape 32x4
%q = "test.op"() : () -> tensor<4x64xi8>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<32x4xi32>

// -----

// `ternary.matmul` (C8): `a` is of i32
// CHECK: expected `a` of i32, got i16
%q = "test.op"() : () -> tensor<4x64xi8>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi16>

// -----

// `ternary.matmul` (C9): `acc` has the type of `a`
// CHECK: expected `acc` of type tensor<4x32xi32>, got tensor<4x32xi64>
%q = "test.op"() : () -> tensor<4x64xi8>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%acc = "test.op"() : () -> tensor<4x32xi64>
%a = ternary.matmul %q, %w acc %acc : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>, tensor<4x32xi64>) -> tensor<4x32xi32>

// -----

// `ternary.dequantize` (C1): `a` has 2 dimensions
// CHECK: expected 2-d `a`, got shape (32,)
%a = "test.op"() : () -> tensor<32xi32>
%s = "test.op"() : () -> tensor<4xf32>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.dequantize %a, %s, %scale : (tensor<32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xf32>

// -----

// `ternary.dequantize` (C2): `a` is of i32
// CHECK: expected `a` of i32, got i16
%a = "test.op"() : () -> tensor<4x32xi16>
%s = "test.op"() : () -> tensor<4xf32>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.dequantize %a, %s, %scale : (tensor<4x32xi16>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xf32>

// -----

// `ternary.dequantize` (C3): `s` has one element per row of `a`
// CHECK: expected `s` of shape 4, got shape 32
%a = "test.op"() : () -> tensor<4x32xi32>
%s = "test.op"() : () -> tensor<32xf32>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.dequantize %a, %s, %scale : (tensor<4x32xi32>, tensor<32xf32>, tensor<f32>) -> tensor<4x32xf32>

// -----

// `ternary.dequantize` (C4): `s` is of f32
// CHECK: expected `s` of f32, got f16
%a = "test.op"() : () -> tensor<4x32xi32>
%s = "test.op"() : () -> tensor<4xf16>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.dequantize %a, %s, %scale : (tensor<4x32xi32>, tensor<4xf16>, tensor<f32>) -> tensor<4x32xf32>

// -----

// `ternary.dequantize` (C5): `scale` is one f32, or one per column of `a`
// CHECK: expected `scale` of type tensor<f32> or tensor<32xf32>, got tensor<4xf32>
%a = "test.op"() : () -> tensor<4x32xi32>
%s = "test.op"() : () -> tensor<4xf32>
%scale = "test.op"() : () -> tensor<4xf32>
%y = ternary.dequantize %a, %s, %scale : (tensor<4x32xi32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4x32xf32>

// -----

// `ternary.dequantize` (C6): `bias` is of f32, bf16 or f16
// CHECK: expected `bias` of f32, bf16 or f16, got i32
%a = "test.op"() : () -> tensor<4x32xi32>
%s = "test.op"() : () -> tensor<4xf32>
%scale = "test.op"() : () -> tensor<f32>
%b = "test.op"() : () -> tensor<32xi32>
%y = ternary.dequantize %a, %s, %scale bias %b : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>, tensor<32xi32>) -> tensor<4x32xf32>

// -----

// `ternary.dequantize` (C7): `bias` has one element per column of `a`
// CHECK: expected `bias` of shape 32, got shape 4
%a = "test.op"() : () -> tensor<4x32xi32>
%s = "test.op"() : () -> tensor<4xf32>
%scale = "test.op"() : () -> tensor<f32>
%b = "test.op"() : () -> tensor<4xf32>
%y = ternary.dequantize %a, %s, %scale bias %b : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>, tensor<4xf32>) -> tensor<4x32xf32>

// -----

// `ternary.dequantize` (C8): `y` has the shape of `a`
// CHECK: expected `y` of shape 4x32, got shape 4x64
%a = "test.op"() : () -> tensor<4x32xi32>
%s = "test.op"() : () -> tensor<4xf32>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.dequantize %a, %s, %scale : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x64xf32>

// -----

// `ternary.dequantize` (C9): `y` is of f32, bf16 or f16
// CHECK: expected `y` of f32, bf16 or f16, got i8
%a = "test.op"() : () -> tensor<4x32xi32>
%s = "test.op"() : () -> tensor<4xf32>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.dequantize %a, %s, %scale : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xi8>

// -----

// `ternary.linear` (C1): `x` has 2 dimensions
// CHECK: expected 2-d `x`, got shape (64,)
%x = "test.op"() : () -> tensor<64xf32>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.linear %x, %w scale %scale : (tensor<64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>

// -----

// `ternary.linear` (C2): `x` is of f32, bf16 or f16
// CHECK: expected `x` of f32, bf16 or f16, got i8
%x = "test.op"() : () -> tensor<4x64xi8>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.linear %x, %w scale %scale : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>

// -----

// `ternary.linear` (C3): the elements of `w` are trits
// CHECK: expected `w` of !ternary.trit, got i8
%x = "test.op"() : () -> tensor<4x64xf32>
%w = "test.op"() : () -> tensor<32x64xi8>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<32x64xi8>, tensor<f32>) -> tensor<4x32xf32>

// -----

// `ternary.linear` (C4): `w` has 2 dimensions
// CHECK: expected 2-d `w`, got shape (2, 32, 64)
%x = "test.op"() : () -> tensor<4x64xf32>
%w = "test.op"() : () -> tensor<2x32x64x!ternary.trit>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<2x32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>

// -----

// `ternary.linear` (C5): `w` has a static shape
// CHECK: expected `w` of static shape, got tensor<?x64x!ternary.trit>
%x = "test.op"() : () -> tensor<4x64xf32>
%w = "test.op"() : () -> tensor<?x64x!ternary.trit>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<?x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>

// -----

// `ternary.linear` (C6): `w` has as many columns as `x`
// CHECK: expected `w` with 64 columns, got 60
%x = "test.op"() : () -> tensor<4x64xf32>
%w = "test.op"() : () -> tensor<32x60x!ternary.trit>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<32x60x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>

// -----

// `ternary.linear` (C7): `scale` is one f32, or one per row of `w`
// CHECK: expected `scale` of type tensor<f32> or tensor<32xf32>, got tensor<32xf16>
%x = "test.op"() : () -> tensor<4x64xf32>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%scale = "test.op"() : () -> tensor<32xf16>
%y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<32xf16>) -> tensor<4x32xf32>

// -----

// `ternary.linear` (C8): `bias` is of f32, bf16 or f16
// CHECK: expected `bias` of f32, bf16 or f16, got i32
%x = "test.op"() : () -> tensor<4x64xf32>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%scale = "test.op"() : () -> tensor<f32>
%b = "test.op"() : () -> tensor<32xi32>
%y = ternary.linear %x, %w scale %scale bias %b : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>, tensor<32xi32>) -> tensor<4x32xf32>

// -----

// `ternary.linear` (C9): `bias` has one element per row of `w`
// CHECK: expected `bias` of shape 32, got shape 64
%x = "test.op"() : () -> tensor<4x64xf32>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%scale = "test.op"() : () -> tensor<f32>
%b = "test.op"() : () -> tensor<64xf32>
%y = ternary.linear %x, %w scale %scale bias %b : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>, tensor<64xf32>) -> tensor<4x32xf32>

// -----

// `ternary.linear` (C10): `y` has a row per row of `x` and a column per row of `w`
// CHECK: expected `y` of shape 4x32, got shape 4x64
%x = "test.op"() : () -> tensor<4x64xf32>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x64xf32>

// -----

// `ternary.linear` (C11): `y` has the dtype of `x`
// CHECK: expected `y` of f32, got f16
%x = "test.op"() : () -> tensor<4x64xf32>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%scale = "test.op"() : () -> tensor<f32>
%y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf16>

// -----

// `ternary.build_tables` (C1): `q` has 2 dimensions
// CHECK: expected 2-d `q`, got shape (64,)
%q = "test.op"() : () -> tensor<64xi8>
%t = ternary.build_tables %q {group = 3 : i64} : tensor<64xi8> -> tensor<4x22x27xi16>

// -----

// `ternary.build_tables` (C2): `q` is of i8
// CHECK: expected `q` of i8, got i16
%q = "test.op"() : () -> tensor<4x64xi16>
%t = ternary.build_tables %q {group = 3 : i64} : tensor<4x64xi16> -> tensor<4x22x27xi16>

// -----

// `ternary.build_tables` (C3): `group` is 3
// CHECK: expected `group` 3, got 4
%q = "test.op"() : () -> tensor<4x64xi8>
%t = ternary.build_tables %q {group = 4 : i64} : tensor<4x64xi8> -> tensor<4x22x27xi16>

// -----

// `ternary.build_tables` (C4): `t` has 27 entries for each group of 3 inputs, the last one padded
// CHECK: expected `t` of shape 4x22x27, got shape 4x21x27
%q = "test.op"() : () -> tensor<4x64xi8>
%t = ternary.build_tables %q {group = 3 : i64} : tensor<4x64xi8> -> tensor<4x21x27xi16>

// -----

// `ternary.build_tables` (C5): `t` is of i16
// CHECK: expected `t` of i16, got i32
%q = "test.op"() : () -> tensor<4x64xi8>
%t = ternary.build_tables %q {group = 3 : i64} : tensor<4x64xi8> -> tensor<4x22x27xi32>

// -----

// `ternary.lookup_matmul` (C1): `t` has 3 dimensions
// CHECK: expected 3-d `t`, got shape (22, 27)
%t = "test.op"() : () -> tensor<22x27xi16>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%a = ternary.lookup_matmul %t, %w : (tensor<22x27xi16>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.lookup_matmul` (C2): `t` is of i16
// CHECK: expected `t` of i16, got i8
%t = "test.op"() : () -> tensor<4x22x27xi8>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%a = ternary.lookup_matmul %t, %w : (tensor<4x22x27xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.lookup_matmul` (C3): a table has 27 entries
// CHECK: expected 27 entries in each table, got 32
%t = "test.op"() : () -> tensor<4x22x32xi16>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%a = ternary.lookup_matmul %t, %w : (tensor<4x22x32xi16>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.lookup_matmul` (C4): the elements of `w` are trits
// CHECK: expected `w` of !ternary.trit, got i8
%t = "test.op"() : () -> tensor<4x22x27xi16>
%w = "test.op"() : () -> tensor<32x64xi8>
%a = ternary.lookup_matmul %t, %w : (tensor<4x22x27xi16>, tensor<32x64xi8>) -> tensor<4x32xi32>

// -----

// `ternary.lookup_matmul` (C5): `w` has 2 dimensions
// CHECK: expected 2-d `w`, got shape (2, 32, 64)
%t = "test.op"() : () -> tensor<4x22x27xi16>
%w = "test.op"() : () -> tensor<2x32x64x!ternary.trit>
%a = ternary.lookup_matmul %t, %w : (tensor<4x22x27xi16>, tensor<2x32x64x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.lookup_matmul` (C6): `w` has a static shape
// CHECK: expected `w` of static shape, got tensor<?x64x!ternary.trit>
%t = "test.op"() : () -> tensor<4x22x27xi16>
%w = "test.op"() : () -> tensor<?x64x!ternary.trit>
%a = ternary.lookup_matmul %t, %w : (tensor<4x22x27xi16>, tensor<?x64x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.lookup_matmul` (C7): `t` has a table per group of 3 columns of `w`
// CHECK: expected 22 groups in `t`, got 21
%t = "test.op"() : () -> tensor<4x21x27xi16>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%a = ternary.lookup_matmul %t, %w : (tensor<4x21x27xi16>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>

// -----

// `ternary.lookup_matmul` (C8): `a` has a row per row of `t` and a column per row of `w`
// CHECK: expected `a` of shape 4x32, got shape 4x64
%t = "test.op"() : () -> tensor<4x22x27xi16>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%a = ternary.lookup_matmul %t, %w : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>) -> tensor<4x64xi32>

// -----

// `ternary.lookup_matmul` (C9): `a` is of i32
// CHECK: expected `a` of i32, got i16
%t = "test.op"() : () -> tensor<4x22x27xi16>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%a = ternary.lookup_matmul %t, %w : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi16>

// -----

// `ternary.lookup_matmul` (C10): `acc` has the type of `a`
// CHECK: expected `acc` of type tensor<4x32xi32>, got tensor<1x32xi32>
%t = "test.op"() : () -> tensor<4x22x27xi16>
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%acc = "test.op"() : () -> tensor<1x32xi32>
%a = ternary.lookup_matmul %t, %w acc %acc : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>, tensor<1x32xi32>) -> tensor<4x32xi32>

// -----

// `ternary.pack` (C1): the elements of `w` are trits
// CHECK: expected `w` of !ternary.trit, got i8
%w = "test.op"() : () -> tensor<32x64xi8>
%p = ternary.pack %w {packing = #ternary.packing<trits1in2>, tile = array<i64: 16, 64>} : tensor<32x64xi8> -> tensor<2x256xi8>

// -----

// `ternary.pack` (C2): `w` has 2 dimensions
// CHECK: expected 2-d `w`, got shape (2, 32, 64)
%w = "test.op"() : () -> tensor<2x32x64x!ternary.trit>
%p = ternary.pack %w {packing = #ternary.packing<trits1in2>, tile = array<i64: 16, 64>} : tensor<2x32x64x!ternary.trit> -> tensor<2x256xi8>

// -----

// `ternary.pack` (C3): `w` has a static shape
// CHECK: expected `w` of static shape, got tensor<?x64x!ternary.trit>
%w = "test.op"() : () -> tensor<?x64x!ternary.trit>
%p = ternary.pack %w {packing = #ternary.packing<trits1in2>, tile = array<i64: 16, 64>} : tensor<?x64x!ternary.trit> -> tensor<2x256xi8>

// -----

// `ternary.pack` (C4): `tile` is two sizes above 0
// CHECK: expected a `tile` of two sizes above 0, got [64]
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%p = ternary.pack %w {packing = #ternary.packing<trits1in2>, tile = array<i64: 64>} : tensor<32x64x!ternary.trit> -> tensor<2x256xi8>

// -----

// `ternary.pack` (C5): `packed` has a row per tile, of the bytes of a tile
// CHECK: expected `packed` of shape 2x256, got shape 1x512
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%p = ternary.pack %w {packing = #ternary.packing<trits1in2>, tile = array<i64: 16, 64>} : tensor<32x64x!ternary.trit> -> tensor<1x512xi8>

// -----

// `ternary.pack` (C6): `packed` is of i8
// CHECK: expected `packed` of i8, got i16
%w = "test.op"() : () -> tensor<32x64x!ternary.trit>
%p = ternary.pack %w {packing = #ternary.packing<trits1in2>, tile = array<i64: 16, 64>} : tensor<32x64x!ternary.trit> -> tensor<2x256xi16>

// -----

// `ternary.unpack` (C1): `packed` is of i8
// CHECK: expected `packed` of i8, got i16
%b = "test.op"() : () -> tensor<256xi16>
%w = ternary.unpack %b {packing = #ternary.packing<trits1in2>} : tensor<256xi16> -> tensor<16x64x!ternary.trit>

// -----

// `ternary.unpack` (C2): the elements of `w` are trits
// CHECK: expected `w` of !ternary.trit, got i8
%b = "test.op"() : () -> tensor<256xi8>
%w = ternary.unpack %b {packing = #ternary.packing<trits1in2>} : tensor<256xi8> -> tensor<32x64xi8>

// -----

// `ternary.unpack` (C3): `w` has 2 dimensions
// CHECK: expected 2-d `w`, got shape (2, 32, 64)
%b = "test.op"() : () -> tensor<256xi8>
%w = ternary.unpack %b {packing = #ternary.packing<trits1in2>} : tensor<256xi8> -> tensor<2x32x64x!ternary.trit>

// -----

// `ternary.unpack` (C4): `w` has a static shape
// CHECK: expected `w` of static shape, got tensor<?x64x!ternary.trit>
%b = "test.op"() : () -> tensor<256xi8>
%w = ternary.unpack %b {packing = #ternary.packing<trits1in2>} : tensor<256xi8> -> tensor<?x64x!ternary.trit>

// -----

// `ternary.unpack` (C5): `packed` holds the bytes of one tile of the shape of `w`
// CHECK: expected `packed` of 256 bytes, got shape (2, 256)
%b = "test.op"() : () -> tensor<2x256xi8>
%w = ternary.unpack %b {packing = #ternary.packing<trits1in2>} : tensor<2x256xi8> -> tensor<16x64x!ternary.trit>

// -----

// `ternary.ternarize` (C1): `rule` is one of the two
// CHECK: expected `rule` of absmean, exact, got mean
%w = "test.op"() : () -> tensor<32x64xf32>
%t, %s = ternary.ternarize %w {rule = "mean"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)

// -----

// `ternary.ternarize` (C2): `w` has 2 dimensions
// CHECK: expected 2-d `w`, got shape (64,)
%w = "test.op"() : () -> tensor<64xf32>
%t, %s = ternary.ternarize %w {rule = "absmean"} : tensor<64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)

// -----

// `ternary.ternarize` (C3): `w` is of f32, bf16 or f16, or of i8 with rule `exact`
// CHECK: expected `w` of f32, bf16 or f16 (or of i8 with rule exact), got i8
%w = "test.op"() : () -> tensor<32x64xi8>
%t, %s = ternary.ternarize %w {rule = "absmean"} : tensor<32x64xi8> -> (tensor<32x64x!ternary.trit>, tensor<f32>)

// -----

// `ternary.ternarize` (C4): the elements of `t` are trits
// CHECK: expected `t` of !ternary.trit, got i8
%w = "test.op"() : () -> tensor<32x64xf32>
%t, %s = ternary.ternarize %w {rule = "absmean"} : tensor<32x64xf32> -> (tensor<32x64xi8>, tensor<f32>)

// -----

// `ternary.ternarize` (C5): `t` has 2 dimensions
// CHECK: expected 2-d `t`, got shape (2, 32, 64)
%w = "test.op"() : () -> tensor<32x64xf32>
%t, %s = ternary.ternarize %w {rule = "absmean"} : tensor<32x64xf32> -> (tensor<2x32x64x!ternary.trit>, tensor<f32>)

// -----

// `ternary.ternarize` (C6): `t` has a static shape
// CHECK: expected `t` of static shape, got tensor<?x64x!ternary.trit>
%w = "test.op"() : () -> tensor<32x64xf32>
%t, %s = ternary.ternarize %w {rule = "absmean"} : tensor<32x64xf32> -> (tensor<?x64x!ternary.trit>, tensor<f32>)

// -----

// `ternary.ternarize` (C7): `t` has the shape of `w`
// CHECK: expected `t` of shape 32x64, got shape 64x32
%w = "test.op"() : () -> tensor<32x64xf32>
%t, %s = ternary.ternarize %w {rule = "absmean"} : tensor<32x64xf32> -> (tensor<64x32x!ternary.trit>, tensor<f32>)

// -----

// `ternary.ternarize` (C8): `scale` is one f32
// CHECK: expected `scale` of type tensor<f32>, got tensor<32xf32>
%w = "test.op"() : () -> tensor<32x64xf32>
%t, %s = ternary.ternarize %w {rule = "absmean"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<32xf32>)

// -----

// `ternary.ternarize` (C9): `by` is of f32, bf16 or f16
// CHECK: expected `by` of f32, bf16 or f16, got i8
%w, %f = "test.op"() : () -> (tensor<32x64xf32>, tensor<1xi8>)
%t, %s = ternary.ternarize %w by %f : tensor<1xi8> {rule = "exact"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)

// -----

// `ternary.ternarize` (C10): `by` has one element
// CHECK: expected `by` of one element, got shape (32,)
%w, %f = "test.op"() : () -> (tensor<32x64xf32>, tensor<32xf32>)
%t, %s = ternary.ternarize %w by %f : tensor<32xf32> {rule = "exact"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
