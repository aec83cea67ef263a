// RUN: xdsl-opt %s -p convert-ternary-to-vector | filecheck %s
// RUN: xdsl-opt %s -p 'convert-ternary-to-vector{isa="avx2"}' | filecheck %s --check-prefix=AVX2
// RUN: xdsl-opt %s -p 'convert-ternary-to-vector{isa="avx512-vnni"}' | filecheck %s --check-prefix=VNNI
// RUN: xdsl-opt %s -p 'convert-ternary-to-vector{isa="avx512-vbmi"}' | filecheck %s --check-prefix=VBMI

// Pointers from the table of arguments; one token, and tiles of them, each over the parts asked for. A
// block of a weight is 64 bytes; the codes of a field are multiplied by four activations.
// CHECK-LABEL: func.func @blocks(%0: !llvm.ptr, %1: i64, %2: i64) attributes {dfc.origin = "up", dfc.isa = "portable", dfc.parts = 3 : i64}
// CHECK:         [[Q:%[0-9]+]] = llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> !llvm.ptr
// CHECK:         [[M:%[0-9]+]] = llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> i64
// CHECK:         [[FIRST:%[0-9]+]] = arith.minsi
// CHECK:         [[END:%[0-9]+]] = arith.minsi
// CHECK:         [[ONE:%[0-9]+]] = arith.cmpi eq, [[M]]
// CHECK:         scf.if [[ONE]] {
// CHECK:           scf.for %{{[0-9]+}} = [[FIRST]] to [[END]]
// CHECK:             scf.for
// CHECK:               llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> vector<64xi8>
// CHECK:               arith.muli %{{[0-9]+}}, %{{[0-9]+}} : vector<32xi16>
// CHECK:             llvm.intr.masked.store
// CHECK:         scf.if
// CHECK:           scf.for
// CHECK-NOT:     ternary
// CHECK:         func.return

// AVX2-LABEL:  func.func @blocks
// AVX2:          llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> vector<32xi8>
// AVX2:          llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// AVX2:          llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"

// One token: codes stay where they are in their byte, and the sums are shifted at the end.
// VNNI-LABEL:  func.func @blocks
// VNNI:          llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> vector<64xi8>
// VNNI-NOT:      arith.shrui
// VNNI:          llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// VNNI:          arith.shrsi
func.func @blocks(%q: tensor<5x43xi8>, %p: tensor<576xi8>) -> tensor<5x35xi32> attributes {dfc.origin = "up"} {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<576xi8> -> tensor<35x43x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<5x43xi8>, tensor<35x43x!ternary.trit>) -> tensor<5x35xi32>
  func.return %a : tensor<5x35xi32>
}

// Whole blocks of rows are stored without a mask; the result is dequantised before.
// CHECK-LABEL: func.func @dequantised
// CHECK:         llvm.sitofp
// CHECK:         arith.divf
// CHECK:         arith.mulf
// CHECK:         arith.truncf %{{[0-9]+}} : vector<16xf32> to vector<16xbf16>
// CHECK-NOT:     llvm.intr.masked.store
// CHECK:         func.return
func.func @dequantised(%q: tensor<5x48xi8>, %p: tensor<384xi8>, %s: tensor<5xf32>, %c: tensor<f32>) -> tensor<5x32xbf16> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<384xi8> -> tensor<32x48x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<5x48xi8>, tensor<32x48x!ternary.trit>) -> tensor<5x32xi32>
  %y = ternary.dequantize %a, %s, %c : (tensor<5x32xi32>, tensor<5xf32>, tensor<f32>) -> tensor<5x32xbf16>
  func.return %y : tensor<5x32xbf16>
}

// A weight in rows: a part is a row, which is unpacked to bytes first.
// CHECK-LABEL: func.func @rows
// CHECK-SAME:    dfc.parts = 35
// CHECK:         [[ROOM:%[0-9]+]] = llvm.alloca
// CHECK:         scf.for
// CHECK:           arith.remui
// CHECK:           vector.reduction <add>
func.func @rows(%q: tensor<5x43xi8>, %p: tensor<314xi8>) -> tensor<5x35xi32> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits3in5, order = rows>} : tensor<314xi8> -> tensor<35x43x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<5x43xi8>, tensor<35x43x!ternary.trit>) -> tensor<5x35xi32>
  func.return %a : tensor<5x35xi32>
}

// Several products: the parts are those of the first result (3), then those of the second (35), each with what a
// call has of them; ops and arguments stand in any order.
// CHECK-LABEL: func.func @several
// CHECK-SAME:    dfc.parts = 38
// CHECK:         [[THREE:%[0-9]+]] = arith.constant 3 : i64
// CHECK:         [[FIRST:%[0-9]+]] = arith.minsi %{{[0-9]+}}, [[THREE]] : i64
// CHECK:         [[END:%[0-9]+]] = arith.minsi %{{[0-9]+}}, [[THREE]] : i64
// CHECK:         [[SOME:%[0-9]+]] = arith.cmpi slt, [[FIRST]], [[END]]
// CHECK:         scf.if [[SOME]] {
// CHECK:           scf.for %{{[0-9]+}} = [[FIRST]] to [[END]]
// CHECK:         arith.cmpi slt
// CHECK:         scf.if
// CHECK:           llvm.alloca
// CHECK-NOT:     ternary
// CHECK:         func.return
func.func @several(%p2: tensor<314xi8>, %q: tensor<5x43xi8>, %p: tensor<576xi8>, %c: tensor<f32>, %s: tensor<5xf32>) -> (tensor<5x35xi32>, tensor<5x35xf32>) {
  %w2 = ternary.unpack %p2 {packing = #ternary.packing<trits3in5, order = rows>} : tensor<314xi8> -> tensor<35x43x!ternary.trit>
  %a2 = ternary.matmul %q, %w2 : (tensor<5x43xi8>, tensor<35x43x!ternary.trit>) -> tensor<5x35xi32>
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<576xi8> -> tensor<35x43x!ternary.trit>
  %y2 = ternary.dequantize %a2, %s, %c : (tensor<5x35xi32>, tensor<5xf32>, tensor<f32>) -> tensor<5x35xf32>
  %a = ternary.matmul %q, %w : (tensor<5x43xi8>, tensor<35x43x!ternary.trit>) -> tensor<5x35xi32>
  func.return %a, %y2 : tensor<5x35xi32>, tensor<5x35xf32>
}

// A weight of int8 in rows: the last vector ends with the row, and the
// activations that the vectors before had are zeros in it.
// CHECK-LABEL: func.func @bytes
// CHECK-SAME:    dfc.parts = 3
// CHECK:         scf.for
// CHECK:           scf.for
// CHECK:             llvm.sext
// CHECK:             arith.muli %{{[0-9]+}}, %{{[0-9]+}} : vector<16xi16>
// CHECK:           arith.constant dense<[0, 0, 0, 0, 0, -1, -1,
// CHECK:           arith.andi
// CHECK:           vector.reduction <add>
// CHECK-NOT:     linalg
// CHECK:         func.return

// AVX2-LABEL:  func.func @bytes
// AVX2:          llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"

// Bytes of the weight are made unsigned: 128 times the sum of the activations is taken off.
// VNNI-LABEL:  func.func @bytes
// VNNI:          arith.xori %{{[0-9]+}}, %{{[0-9]+}} : vector<64xi8>
// VNNI:          llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// VNNI:          arith.subi
func.func @bytes(%q: tensor<5x75xi8>, %w: tensor<35x75xi8>, %s: tensor<5xf32>, %c: tensor<35xf32>) -> tensor<5x35xf32> {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<5x35xi32>
  %zeros = linalg.fill ins(%zero : i32) outs(%empty : tensor<5x35xi32>) -> tensor<5x35xi32>
  %a = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%q, %w : tensor<5x75xi8>, tensor<35x75xi8>) outs(%zeros : tensor<5x35xi32>) {
  ^bb0(%one: i8, %other: i8, %sum: i32):
    %0 = arith.extsi %one : i8 to i32
    %1 = arith.extsi %other : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %sum, %2 : i32
    linalg.yield %3 : i32
  } -> tensor<5x35xi32>
  %y = ternary.dequantize %a, %s, %c : (tensor<5x35xi32>, tensor<5xf32>, tensor<35xf32>) -> tensor<5x35xf32>
  func.return %y : tensor<5x35xf32>
}

// Bytes without a sign, and a weight whose columns are the rows of the result: not these products.
// CHECK-LABEL: func.func @unsigned
// CHECK:         linalg.generic
func.func @unsigned(%q: tensor<5x75xi8>, %w: tensor<35x75xi8>) -> tensor<5x35xi32> {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<5x35xi32>
  %zeros = linalg.fill ins(%zero : i32) outs(%empty : tensor<5x35xi32>) -> tensor<5x35xi32>
  %a = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%q, %w : tensor<5x75xi8>, tensor<35x75xi8>) outs(%zeros : tensor<5x35xi32>) {
  ^bb0(%one: i8, %other: i8, %sum: i32):
    %0 = arith.extui %one : i8 to i32
    %1 = arith.extsi %other : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %sum, %2 : i32
    linalg.yield %3 : i32
  } -> tensor<5x35xi32>
  func.return %a : tensor<5x35xi32>
}

// CHECK-LABEL: func.func @columns
// CHECK:         linalg.generic
func.func @columns(%q: tensor<5x75xi8>, %w: tensor<75x35xi8>) -> tensor<5x35xi32> {
  %zero = arith.constant 0 : i32
  %empty = tensor.empty() : tensor<5x35xi32>
  %zeros = linalg.fill ins(%zero : i32) outs(%empty : tensor<5x35xi32>) -> tensor<5x35xi32>
  %a = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]} ins(%q, %w : tensor<5x75xi8>, tensor<75x35xi8>) outs(%zeros : tensor<5x35xi32>) {
  ^bb0(%one: i8, %other: i8, %sum: i32):
    %0 = arith.extsi %one : i8 to i32
    %1 = arith.extsi %other : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %sum, %2 : i32
    linalg.yield %3 : i32
  } -> tensor<5x35xi32>
  func.return %a : tensor<5x35xi32>
}

// One product given back twice, and products of different numbers of tokens: a table has one number of tokens.
// CHECK-LABEL: func.func @twice
// CHECK:         ternary.matmul
func.func @twice(%q: tensor<5x16xi8>, %p: tensor<64xi8>) -> (tensor<5x16xi32>, tensor<5x16xi32>) {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<64xi8> -> tensor<16x16x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<5x16xi8>, tensor<16x16x!ternary.trit>) -> tensor<5x16xi32>
  func.return %a, %a : tensor<5x16xi32>, tensor<5x16xi32>
}

// CHECK-LABEL: func.func @unequal
// CHECK:         ternary.matmul
func.func @unequal(%q: tensor<5x16xi8>, %r: tensor<4x16xi8>, %p: tensor<64xi8>) -> (tensor<5x16xi32>, tensor<4x16xi32>) {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<64xi8> -> tensor<16x16x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<5x16xi8>, tensor<16x16x!ternary.trit>) -> tensor<5x16xi32>
  %b = ternary.matmul %r, %w : (tensor<4x16xi8>, tensor<16x16x!ternary.trit>) -> tensor<4x16xi32>
  func.return %a, %b : tensor<5x16xi32>, tensor<4x16xi32>
}

// A quantisation is a program of rows, which is another pass's.
// CHECK-LABEL: func.func @quantised
// CHECK:         ternary.quantize
func.func @quantised(%x: tensor<5x43xf16>) -> (tensor<5x43xi8>, tensor<5xf32>) {
  %q, %s = ternary.quantize %x : tensor<5x43xf16> -> (tensor<5x43xi8>, tensor<5xf32>)
  func.return %q, %s : tensor<5x43xi8>, tensor<5xf32>
}

// A product that goes on from another: not a whole kernel.
// CHECK-LABEL: func.func @accumulating
// CHECK:         ternary.matmul %q, %w acc %c
func.func @accumulating(%q: tensor<5x16xi8>, %p: tensor<64xi8>, %c: tensor<5x16xi32>) -> tensor<5x16xi32> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<64xi8> -> tensor<16x16x!ternary.trit>
  %a = ternary.matmul %q, %w acc %c : (tensor<5x16xi8>, tensor<16x16x!ternary.trit>, tensor<5x16xi32>) -> tensor<5x16xi32>
  func.return %a : tensor<5x16xi32>
}

// 3 trits in 5 bits: 64 bytes are read at steps of 40, decoded, and three fields multiplied; the last 40
// bytes are read for themselves, eight at a time.
// CHECK-LABEL: func.func @trits
// CHECK-NOT:     call_intrinsic
// CHECK:         func.return
// VBMI-LABEL:  func.func @trits
// VBMI:          scf.for
// VBMI:          [[W:%[0-9]+]] = llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> vector<64xi8>
// VBMI:          [[B:%[0-9]+]] = llvm.call_intrinsic "llvm.x86.avx512.permvar.qi.512"([[W]],
// VBMI:          [[C:%[0-9]+]] = llvm.call_intrinsic "llvm.x86.avx512.pmultishift.qb.512"(%{{[0-9]+}}, [[B]])
// VBMI:          [[T:%[0-9]+]] = llvm.call_intrinsic "llvm.x86.avx512.permvar.qi.512"(%{{[0-9]+}}, [[C]])
// VBMI:          llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// VBMI:          scf.yield
// VBMI-NOT:      llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> vector<64xi8>
// VBMI:          llvm.load %{{[0-9]+}} {alignment = 1 : i64} : !llvm.ptr -> i64
func.func @trits(%q: tensor<5x60xi8>, %p: tensor<200xi8>) -> tensor<5x16xi32> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits3in5, order = interleaved>} : tensor<200xi8> -> tensor<16x60x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<5x60xi8>, tensor<16x60x!ternary.trit>) -> tensor<5x16xi32>
  func.return %a : tensor<5x16xi32>
}

// An order that the host does not read.
// CHECK-LABEL: func.func @beats
// CHECK:         ternary.unpack
func.func @beats(%q: tensor<1x6xi8>, %p: tensor<6xi8>) -> tensor<1x4xi32> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits3in5, order = beats, block = 6, beat = 3>} : tensor<6xi8> -> tensor<4x6x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<1x6xi8>, tensor<4x6x!ternary.trit>) -> tensor<1x4xi32>
  func.return %a : tensor<1x4xi32>
}

// The result is used in another way, or something else is given back.
// CHECK-LABEL: func.func @both
// CHECK:         ternary.matmul
func.func @both(%q: tensor<5x16xi8>, %p: tensor<64xi8>) -> (tensor<5x16xi32>, tensor<5x16xi8>) {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<64xi8> -> tensor<16x16x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<5x16xi8>, tensor<16x16x!ternary.trit>) -> tensor<5x16xi32>
  func.return %a, %q : tensor<5x16xi32>, tensor<5x16xi8>
}

// No product.
// CHECK-LABEL: func.func @other
// CHECK-NEXT:    func.return %x
func.func @other(%x: tensor<4xf32>) -> tensor<4xf32> {
  func.return %x : tensor<4xf32>
}
