// RUN: xdsl-opt %s -p canonicalize,cse | filecheck %s

// A weight packed as one tile and unpacked again is the weight.
// CHECK-LABEL: func.func @unpack_of_pack
// CHECK-NEXT:    func.return %w
func.func @unpack_of_pack(%w: tensor<16x64x!ternary.trit>) -> tensor<16x64x!ternary.trit> {
  %p = ternary.pack %w {packing = #ternary.packing<trits1in2>, tile = array<i64: 16, 64>} : tensor<16x64x!ternary.trit> -> tensor<1x256xi8>
  %v = ternary.unpack %p {packing = #ternary.packing<trits1in2>} : tensor<1x256xi8> -> tensor<16x64x!ternary.trit>
  func.return %v : tensor<16x64x!ternary.trit>
}

// The bytes have the same size in another packing, and mean other trits.
// CHECK-LABEL: func.func @another_packing
// CHECK:         ternary.pack
// CHECK:         [[V:%.*]] = ternary.unpack
// CHECK:         func.return [[V]]
func.func @another_packing(%w: tensor<16x64x!ternary.trit>) -> tensor<16x64x!ternary.trit> {
  %p = ternary.pack %w {packing = #ternary.packing<trits1in2>, tile = array<i64: 16, 64>} : tensor<16x64x!ternary.trit> -> tensor<1x256xi8>
  %v = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<1x256xi8> -> tensor<16x64x!ternary.trit>
  func.return %v : tensor<16x64x!ternary.trit>
}

// Another shape of as many trits: unpacking reads them as other rows.
// CHECK-LABEL: func.func @another_shape
// CHECK:         ternary.pack
// CHECK:         ternary.unpack
func.func @another_shape(%w: tensor<16x64x!ternary.trit>) -> tensor<32x32x!ternary.trit> {
  %p = ternary.pack %w {packing = #ternary.packing<trits1in2>, tile = array<i64: 16, 64>} : tensor<16x64x!ternary.trit> -> tensor<1x256xi8>
  %v = ternary.unpack %p {packing = #ternary.packing<trits1in2>} : tensor<1x256xi8> -> tensor<32x32x!ternary.trit>
  func.return %v : tensor<32x32x!ternary.trit>
}

// A tile larger than the weight: its first bytes are not rows of 64 trits.
// CHECK-LABEL: func.func @padded_tile
// CHECK:         ternary.pack
// CHECK:         ternary.unpack
func.func @padded_tile(%w: tensor<16x63x!ternary.trit>) -> tensor<16x63x!ternary.trit> {
  %p = ternary.pack %w {packing = #ternary.packing<trits1in2, order = interleaved>, tile = array<i64: 16, 64>} : tensor<16x63x!ternary.trit> -> tensor<1x256xi8>
  %v = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<1x256xi8> -> tensor<16x63x!ternary.trit>
  func.return %v : tensor<16x63x!ternary.trit>
}

// One whole tile unpacked and packed as it was: the bytes themselves.
// CHECK-LABEL: func.func @pack_of_unpack
// CHECK-NEXT:    func.return %p
func.func @pack_of_unpack(%p: tensor<1x256xi8>) -> tensor<1x256xi8> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = quarters>} : tensor<1x256xi8> -> tensor<16x64x!ternary.trit>
  %q = ternary.pack %w {packing = #ternary.packing<trits1in2, order = quarters>, tile = array<i64: 16, 64>} : tensor<16x64x!ternary.trit> -> tensor<1x256xi8>
  func.return %q : tensor<1x256xi8>
}

// CHECK-LABEL: func.func @pack_of_unpacked_row
// CHECK-NEXT:    [[Q:%.*]] = tensor.expand_shape %p {{.*}} : tensor<256xi8> into tensor<1x256xi8>
// CHECK-NEXT:    func.return [[Q]]
func.func @pack_of_unpacked_row(%p: tensor<256xi8>) -> tensor<1x256xi8> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<256xi8> -> tensor<16x64x!ternary.trit>
  %q = ternary.pack %w {packing = #ternary.packing<trits1in2, order = interleaved>, tile = array<i64: 16, 64>} : tensor<16x64x!ternary.trit> -> tensor<1x256xi8>
  func.return %q : tensor<1x256xi8>
}

// Packed in another order: other bytes of the same size.
// CHECK-LABEL: func.func @packed_otherwise
// CHECK:         ternary.unpack
// CHECK:         [[Q:%.*]] = ternary.pack
// CHECK:         func.return [[Q]]
func.func @packed_otherwise(%p: tensor<1x256xi8>) -> tensor<1x256xi8> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = quarters>} : tensor<1x256xi8> -> tensor<16x64x!ternary.trit>
  %q = ternary.pack %w {packing = #ternary.packing<trits1in2, order = interleaved>, tile = array<i64: 16, 64>} : tensor<16x64x!ternary.trit> -> tensor<1x256xi8>
  func.return %q : tensor<1x256xi8>
}

// Cut into smaller tiles: the same bytes in another order.
// CHECK-LABEL: func.func @packed_in_tiles
// CHECK:         ternary.unpack
// CHECK:         [[Q:%.*]] = ternary.pack
// CHECK:         func.return [[Q]]
func.func @packed_in_tiles(%p: tensor<1x256xi8>) -> tensor<2x128xi8> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = rows>} : tensor<1x256xi8> -> tensor<16x64x!ternary.trit>
  %q = ternary.pack %w {packing = #ternary.packing<trits1in2, order = rows>, tile = array<i64: 16, 32>} : tensor<16x64x!ternary.trit> -> tensor<2x128xi8>
  func.return %q : tensor<2x128xi8>
}

// The ops are pure: a dead one vanishes, equal ones merge.
// CHECK-LABEL: func.func @pure
// CHECK-NEXT:    [[Y:%.*]] = ternary.linear
// CHECK-NEXT:    func.return [[Y]], [[Y]]
func.func @pure(%x: tensor<4x64xf32>, %w: tensor<32x64x!ternary.trit>, %scale: tensor<f32>) -> (tensor<4x32xf32>, tensor<4x32xf32>) {
  %q, %s = ternary.quantize %x : tensor<4x64xf32> -> (tensor<4x64xi8>, tensor<4xf32>)
  %t = ternary.build_tables %q {group = 3 : i64} : tensor<4x64xi8> -> tensor<4x22x27xi16>
  %a = ternary.lookup_matmul %t, %w : (tensor<4x22x27xi16>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
  %b = ternary.matmul %q, %w acc %a : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>, tensor<4x32xi32>) -> tensor<4x32xi32>
  %d = ternary.dequantize %b, %s, %scale : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xf32>
  %u, %us = ternary.ternarize %x : tensor<4x64xf32> -> (tensor<4x64x!ternary.trit>, tensor<f32>)
  %y = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>
  %z = ternary.linear %x, %w scale %scale : (tensor<4x64xf32>, tensor<32x64x!ternary.trit>, tensor<f32>) -> tensor<4x32xf32>
  func.return %y, %z : tensor<4x32xf32>, tensor<4x32xf32>
}
