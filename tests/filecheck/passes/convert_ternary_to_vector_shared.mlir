// RUN: xdsl-opt %s -p 'convert-ternary-to-vector{shared=true}' | filecheck %s

// Two weights of 43 columns: both kernels call one function with their pointers, parts, tokens and rows.
// CHECK-LABEL: func.func @several
// CHECK-SAME:    dfc.parts = 4
// CHECK:         [[ROWS:%[0-9]+]] = arith.constant 35 : i64
// CHECK:         [[Q:%[0-9]+]] = llvm.load
// CHECK:         [[ONE:%[0-9]+]] = llvm.load
// CHECK:         [[TWO:%[0-9]+]] = llvm.load
// CHECK:         scf.if
// CHECK-NEXT:      func.call @products_of_43([[Q]], [[ONE]], {{.*}}, [[ROWS]])
// CHECK:         scf.if
// CHECK-NEXT:      func.call @products_of_43([[Q]], [[TWO]]
// CHECK-NOT:     scf.for
// CHECK:         func.return
func.func @several(%q: tensor<5x43xi8>, %p: tensor<576xi8>, %p2: tensor<192xi8>) -> (tensor<5x35xi32>, tensor<5x11xi32>) {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<576xi8> -> tensor<35x43x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<5x43xi8>, tensor<35x43x!ternary.trit>) -> tensor<5x35xi32>
  %w2 = ternary.unpack %p2 {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<192xi8> -> tensor<11x43x!ternary.trit>
  %a2 = ternary.matmul %q, %w2 : (tensor<5x43xi8>, tensor<11x43x!ternary.trit>) -> tensor<5x11xi32>
  func.return %a, %a2 : tensor<5x35xi32>, tensor<5x11xi32>
}

// No other product has 42 columns, and another without dequantisation has no code in common with one that has it.
// CHECK-LABEL: func.func @alone
// CHECK-NOT:     func.call
// CHECK:         func.return
func.func @alone(%q: tensor<5x42xi8>, %p: tensor<576xi8>) -> tensor<5x35xi32> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<576xi8> -> tensor<35x42x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<5x42xi8>, tensor<35x42x!ternary.trit>) -> tensor<5x35xi32>
  func.return %a : tensor<5x35xi32>
}

// CHECK-LABEL: func.func @finished
// CHECK-NOT:     func.call
// CHECK:         func.return
func.func @finished(%q: tensor<5x43xi8>, %p: tensor<576xi8>, %s: tensor<5xf32>, %c: tensor<f32>) -> tensor<5x35xf32> {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<576xi8> -> tensor<35x43x!ternary.trit>
  %a = ternary.matmul %q, %w : (tensor<5x43xi8>, tensor<35x43x!ternary.trit>) -> tensor<5x35xi32>
  %y = ternary.dequantize %a, %s, %c : (tensor<5x35xi32>, tensor<5xf32>, tensor<f32>) -> tensor<5x35xf32>
  func.return %y : tensor<5x35xf32>
}

// CHECK-LABEL: func.func private @products_of_43
// CHECK-SAME:    attributes {dfc.isa = "portable"}
// CHECK:         scf.for
// CHECK:         llvm.intr.masked.store
// CHECK:         func.return
