// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC

// CHECK-LABEL:   func.func @linear_in_parts
// CHECK-NEXT:      %q, %s = ternary.quantize %x : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf32>)
// CHECK-NEXT:      %a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
// CHECK-NEXT:      %a2 = ternary.matmul %q, %w acc %a : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>, tensor<4x32xi32>) -> tensor<4x32xi32>
// CHECK-NEXT:      %y = ternary.dequantize %a, %s, %scale : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xf32>
// CHECK-NEXT:      %y2 = ternary.dequantize %a2, %s, %rows bias %b : (tensor<4x32xi32>, tensor<4xf32>, tensor<32xf32>, tensor<32xbf16>) -> tensor<4x32xbf16>
// GENERIC:         "ternary.quantize"(%x) : (tensor<4x64xf32>) -> (tensor<4x64xi8>, tensor<4xf32>)
// GENERIC-NEXT:    "ternary.matmul"(%q, %w) : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
// GENERIC-NEXT:    "ternary.matmul"(%q, %w, %a) : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>, tensor<4x32xi32>) -> tensor<4x32xi32>
// GENERIC-NEXT:    "ternary.dequantize"(%a, %s, %scale) : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xf32>
// GENERIC-NEXT:    "ternary.dequantize"(%a2, %s, %rows, %b) : (tensor<4x32xi32>, tensor<4xf32>, tensor<32xf32>, tensor<32xbf16>) -> tensor<4x32xbf16>
func.func @linear_in_parts(%x: tensor<4x64xf32>, %w: tensor<32x64x!ternary.trit>, %scale: tensor<f32>, %rows: tensor<32xf32>, %b: tensor<32xbf16>) -> (tensor<4x32xf32>, tensor<4x32xbf16>) {
  %q, %s = ternary.quantize %x : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf32>)
  %a = ternary.matmul %q, %w : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
  %a2 = ternary.matmul %q, %w acc %a : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>, tensor<4x32xi32>) -> tensor<4x32xi32>
  %y = ternary.dequantize %a, %s, %scale : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xf32>
  %y2 = ternary.dequantize %a2, %s, %rows bias %b : (tensor<4x32xi32>, tensor<4xf32>, tensor<32xf32>, tensor<32xbf16>) -> tensor<4x32xbf16>
  func.return %y, %y2 : tensor<4x32xf32>, tensor<4x32xbf16>
}

// CHECK-LABEL:   func.func @linear
// CHECK-NEXT:      %y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>
// CHECK-NEXT:      %z = ternary.linear %h, %w scale %rows bias %b {accel.unit = "tlmm"} : (tensor<4x64xf16>, tensor<32x64x!ternary.trit>, tensor<32xf32>, tensor<32xf16>) -> tensor<4x32xf16>
// GENERIC:         "ternary.linear"(%x, %w, %scale) : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>
// GENERIC-NEXT:    "ternary.linear"(%h, %w, %rows, %b) {accel.unit = "tlmm"} : (tensor<4x64xf16>, tensor<32x64x!ternary.trit>, tensor<32xf32>, tensor<32xf16>) -> tensor<4x32xf16>
func.func @linear(%x: tensor<4x64xf32>, %h: tensor<4x64xf16>, %w: tensor<32x64x!ternary.trit>, %scale: tensor<f32>, %rows: tensor<32xf32>, %b: tensor<32xf16>) -> (tensor<4x32xf32>, tensor<4x32xf16>) {
  %y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>
  %z = ternary.linear %h, %w scale %rows bias %b {accel.unit = "tlmm"} : (tensor<4x64xf16>, tensor<32x64x!ternary.trit>, tensor<32xf32>, tensor<32xf16>) -> tensor<4x32xf16>
  func.return %y, %z : tensor<4x32xf32>, tensor<4x32xf16>
}

// CHECK-LABEL:   func.func @lookup
// CHECK-NEXT:      %t = ternary.build_tables %q {group = 3 : i64} : tensor<4x64xi8> -> tensor<4x22x27xi16>
// CHECK-NEXT:      %a = ternary.lookup_matmul %t, %w : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
// CHECK-NEXT:      %b = ternary.lookup_matmul %t, %w acc %a : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>, tensor<4x32xi32>) -> tensor<4x32xi32>
// GENERIC:         "ternary.build_tables"(%q) <{group = 3 : i64}> : (tensor<4x64xi8>) -> tensor<4x22x27xi16>
// GENERIC-NEXT:    "ternary.lookup_matmul"(%t, %w) : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
// GENERIC-NEXT:    "ternary.lookup_matmul"(%t, %w, %a) : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>, tensor<4x32xi32>) -> tensor<4x32xi32>
func.func @lookup(%q: tensor<4x64xi8>, %w: tensor<32x64x!ternary.trit>) -> tensor<4x32xi32> {
  %t = ternary.build_tables %q {group = 3 : i64} : tensor<4x64xi8> -> tensor<4x22x27xi16>
  %a = ternary.lookup_matmul %t, %w : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
  %b = ternary.lookup_matmul %t, %w acc %a : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>, tensor<4x32xi32>) -> tensor<4x32xi32>
  func.return %b : tensor<4x32xi32>
}

// The bytes of a tile follow from the packing; tiles at the edge are padded.
// CHECK-LABEL:   func.func @pack
// CHECK-NEXT:      %p = ternary.pack %w {packing = #ternary.packing<trits1in2, order = rows>, tile = array<i64: 16, 64>} : tensor<32x64x!ternary.trit> -> tensor<2x256xi8>
// CHECK-NEXT:      %p2 = ternary.pack %w {packing = #ternary.packing<trits5in8, order = rows>, tile = array<i64: 32, 48>} : tensor<32x64x!ternary.trit> -> tensor<2x308xi8>
// CHECK-NEXT:      %p3 = ternary.pack %w {packing = #ternary.packing<trits1in2, order = interleaved>, tile = array<i64: 24, 64>} : tensor<32x64x!ternary.trit> -> tensor<2x512xi8>
// CHECK-NEXT:      %p4 = ternary.pack %w {packing = #ternary.packing<trits3in5, order = beats, block = 84, beat = 96>, tile = array<i64: 32, 84>} : tensor<32x64x!ternary.trit> -> tensor<1x672xi8>
// GENERIC:         "ternary.pack"(%w) <{packing = #ternary.packing<trits1in2, order = rows>, tile = array<i64: 16, 64>}> : (tensor<32x64x!ternary.trit>) -> tensor<2x256xi8>
func.func @pack(%w: tensor<32x64x!ternary.trit>) -> (tensor<2x256xi8>, tensor<2x308xi8>, tensor<2x512xi8>, tensor<1x672xi8>) {
  %p = ternary.pack %w {packing = #ternary.packing<trits1in2, order = rows>, tile = array<i64: 16, 64>} : tensor<32x64x!ternary.trit> -> tensor<2x256xi8>
  %p2 = ternary.pack %w {packing = #ternary.packing<trits5in8>, tile = array<i64: 32, 48>} : tensor<32x64x!ternary.trit> -> tensor<2x308xi8>
  %p3 = ternary.pack %w {packing = #ternary.packing<trits1in2, order = interleaved>, tile = array<i64: 24, 64>} : tensor<32x64x!ternary.trit> -> tensor<2x512xi8>
  %p4 = ternary.pack %w {packing = #ternary.packing<trits3in5, order = beats, block = 84, beat = 96>, tile = array<i64: 32, 84>} : tensor<32x64x!ternary.trit> -> tensor<1x672xi8>
  func.return %p, %p2, %p3, %p4 : tensor<2x256xi8>, tensor<2x308xi8>, tensor<2x512xi8>, tensor<1x672xi8>
}

// CHECK-LABEL:   func.func @unpack
// CHECK-NEXT:      %w = ternary.unpack %bytes {packing = #ternary.packing<trits1in2, order = rows>} : tensor<256xi8> -> tensor<16x64x!ternary.trit>
// CHECK-NEXT:      %v = ternary.unpack %row {packing = #ternary.packing<trits1in2, order = rows>} : tensor<1x256xi8> -> tensor<16x64x!ternary.trit>
// GENERIC:         "ternary.unpack"(%bytes) <{packing = #ternary.packing<trits1in2, order = rows>}> : (tensor<256xi8>) -> tensor<16x64x!ternary.trit>
func.func @unpack(%bytes: tensor<256xi8>, %row: tensor<1x256xi8>) -> (tensor<16x64x!ternary.trit>, tensor<16x64x!ternary.trit>) {
  %w = ternary.unpack %bytes {packing = #ternary.packing<trits1in2, order = rows>} : tensor<256xi8> -> tensor<16x64x!ternary.trit>
  %v = ternary.unpack %row {packing = #ternary.packing<trits1in2, order = rows>} : tensor<1x256xi8> -> tensor<16x64x!ternary.trit>
  func.return %w, %v : tensor<16x64x!ternary.trit>, tensor<16x64x!ternary.trit>
}

// CHECK-LABEL:   func.func @ternarize
// CHECK-NEXT:      %t, %scale = ternary.ternarize %w {rule = "absmean"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
// CHECK-NEXT:      %t2, %scale2 = ternary.ternarize %w : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
// CHECK-NEXT:      %t3, %scale3 = ternary.ternarize %i {rule = "exact"} : tensor<32x64xi8> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
// CHECK-NEXT:      %t4, %scale4 = ternary.ternarize %w by %f : tensor<1xbf16> {rule = "exact"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
// GENERIC:         "ternary.ternarize"(%w) <{rule = "absmean"}> : (tensor<32x64xf32>) -> (tensor<32x64x!ternary.trit>, tensor<f32>)
func.func @ternarize(%w: tensor<32x64xf32>, %i: tensor<32x64xi8>, %f: tensor<1xbf16>) -> tensor<32x64x!ternary.trit> {
  %t, %scale = ternary.ternarize %w {rule = "absmean"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
  %t2, %scale2 = ternary.ternarize %w : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
  %t3, %scale3 = ternary.ternarize %i {rule = "exact"} : tensor<32x64xi8> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
  %t4, %scale4 = ternary.ternarize %w by %f : tensor<1xbf16> {rule = "exact"} : tensor<32x64xf32> -> (tensor<32x64x!ternary.trit>, tensor<f32>)
  func.return %t : tensor<32x64x!ternary.trit>
}
