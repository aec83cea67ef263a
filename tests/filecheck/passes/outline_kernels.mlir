// RUN: xdsl-opt %s --split-input-file -p outline-kernels | filecheck %s
// RUN: xdsl-opt %s --split-input-file -p 'outline-kernels{alone=true}' | filecheck %s --check-prefix ALONE

// Alone, nothing is left of the callers.
// ALONE-NOT:   func.func @
// ALONE:       func.func private @up
// ALONE-NOT:   func.func @
// ALONE:       func.func private @sdpa
// ALONE-NOT:   func.func @

// Tiles of 4 tokens by 32 rows of the weight: on whole tensors, all packed tiles are one weight. The edge of
// the 39 tokens and of the 90 rows is where the tensors end.
// CHECK-LABEL: func.func @product
// CHECK:         [[Y:%[a-z0-9_]+]] = func.call @up(%q, %p, %s, %c) {dfc.origin = "up:linear"}
// CHECK-NEXT:    func.return [[Y]]
// CHECK:       func.func private @up([[Q:%[a-z0-9_]+]]: tensor<39x64xi8>, [[P:%[a-z0-9_]+]]: tensor<3x512xi8>, [[S:%[a-z0-9_]+]]: tensor<39xf32>, [[C:%[a-z0-9_]+]]: tensor<90xf32>) -> tensor<39x90xf32>
// CHECK-NEXT:    [[W:%[a-z0-9_]+]] = ternary.unpack [[P]] {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<3x512xi8> -> tensor<90x64x!ternary.trit>
// CHECK-NEXT:    [[A:%[a-z0-9_]+]] = ternary.matmul [[Q]], [[W]] : {{.*}} -> tensor<39x90xi32>
// CHECK-NEXT:    [[Z:%[a-z0-9_]+]] = ternary.dequantize [[A]], [[S]], [[C]] : {{.*}} -> tensor<39x90xf32>
// CHECK-NEXT:    func.return [[Z]]
func.func @product(%q: tensor<39x64xi8>, %w: tensor<90x64x!ternary.trit>, %s: tensor<39xf32>, %c: tensor<90xf32>) -> tensor<39x90xf32> {
  %p = ternary.pack %w {packing = #ternary.packing<trits1in2, order = interleaved>, tile = array<i64: 32, 64>} : tensor<90x64x!ternary.trit> -> tensor<3x512xi8>
  %y = accel.kernel "up" ins(%q, %p, %s, %c : tensor<39x64xi8>, tensor<3x512xi8>, tensor<39xf32>, tensor<90xf32>) -> (tensor<39x90xf32>) {
  ^bb0(%q1: tensor<39x64xi8>, %p1: tensor<3x512xi8>, %s1: tensor<39xf32>, %c1: tensor<90xf32>):
    %g = stream.graph -> tensor<39x90xf32> {
      %0 = stream.read %q1 : tensor<39x64xi8> -> !stream.stream<tensor<4x64xi8>, [3, 10], affine_map<(n, m) -> (m, 0)>>
      %1 = stream.read %p1 : tensor<3x512xi8> -> !stream.stream<tensor<1x512xi8>, [3], affine_map<(n) -> (n, 0)>>
      %2 = stream.map on "array"(%0, %1 : !stream.stream<tensor<4x64xi8>, [3, 10], affine_map<(n, m) -> (m, 0)>>, !stream.stream<tensor<1x512xi8>, [3], affine_map<(n) -> (n, 0)>>) -> (!stream.stream<tensor<4x32xi32>, [3, 10], affine_map<(n, m) -> (m, n)>>) {
      ^bb1(%q2: tensor<4x64xi8>, %p2: tensor<1x512xi8>):
        %t = ternary.unpack %p2 {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<1x512xi8> -> tensor<32x64x!ternary.trit>
        %a = ternary.matmul %q2, %t : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
        stream.yield %a : tensor<4x32xi32>
      }
      %3 = stream.read %s1 : tensor<39xf32> -> !stream.stream<tensor<4xf32>, [3, 10], affine_map<(n, m) -> (m)>>
      %4 = stream.read %c1 : tensor<90xf32> -> !stream.stream<tensor<32xf32>, [3], affine_map<(n) -> (n)>>
      %5 = stream.map on "vector"(%2, %3, %4 : !stream.stream<tensor<4x32xi32>, [3, 10], affine_map<(n, m) -> (m, n)>>, !stream.stream<tensor<4xf32>, [3, 10], affine_map<(n, m) -> (m)>>, !stream.stream<tensor<32xf32>, [3], affine_map<(n) -> (n)>>) -> (!stream.stream<tensor<4x32xf32>, [3, 10], affine_map<(n, m) -> (m, n)>>) {
      ^bb2(%a3: tensor<4x32xi32>, %s3: tensor<4xf32>, %c3: tensor<32xf32>):
        %z = ternary.dequantize %a3, %s3, %c3 : (tensor<4x32xi32>, tensor<4xf32>, tensor<32xf32>) -> tensor<4x32xf32>
        stream.yield %z : tensor<4x32xf32>
      }
      %6 = stream.write %5 : !stream.stream<tensor<4x32xf32>, [3, 10], affine_map<(n, m) -> (m, n)>> -> tensor<39x90xf32>
      stream.yield %6 : tensor<39x90xf32>
    }
    accel.yield %g : tensor<39x90xf32>
  } {dfc.origin = "up:linear"}
  func.return %y : tensor<39x90xf32>
}

// -----

// A sum over tiles stays a kernel.
// CHECK-LABEL: func.func @sum
// CHECK:         accel.kernel "up"
func.func @sum(%q: tensor<4x64xi8>, %w: tensor<32x64x!ternary.trit>) -> tensor<4x32xi32> {
  %p = ternary.pack %w {packing = #ternary.packing<trits1in2, order = rows>, tile = array<i64: 32, 32>} : tensor<32x64x!ternary.trit> -> tensor<2x256xi8>
  %y = accel.kernel "up" ins(%q, %p : tensor<4x64xi8>, tensor<2x256xi8>) -> (tensor<4x32xi32>) {
  ^bb0(%q1: tensor<4x64xi8>, %p1: tensor<2x256xi8>):
    %g = stream.graph -> tensor<4x32xi32> {
      %0 = stream.read %q1 : tensor<4x64xi8> -> !stream.stream<tensor<4x32xi8>, [2], affine_map<(k) -> (0, k)>>
      %1 = stream.read %p1 : tensor<2x256xi8> -> !stream.stream<tensor<1x256xi8>, [2], affine_map<(k) -> (k, 0)>>
      %2 = stream.reduce on "array"(%0, %1 : !stream.stream<tensor<4x32xi8>, [2], affine_map<(k) -> (0, k)>>, !stream.stream<tensor<1x256xi8>, [2], affine_map<(k) -> (k, 0)>>) inits [0 : i32] -> (!stream.stream<tensor<4x32xi32>, [], affine_map<() -> (0, 0)>>) {
      ^bb1(%old: tensor<4x32xi32>, %q2: tensor<4x32xi8>, %p2: tensor<1x256xi8>):
        %t = ternary.unpack %p2 {packing = #ternary.packing<trits1in2, order = rows>} : tensor<1x256xi8> -> tensor<32x32x!ternary.trit>
        %a = ternary.matmul %q2, %t acc %old : (tensor<4x32xi8>, tensor<32x32x!ternary.trit>, tensor<4x32xi32>) -> tensor<4x32xi32>
        stream.yield %a : tensor<4x32xi32>
      }
      %3 = stream.write %2 : !stream.stream<tensor<4x32xi32>, [], affine_map<() -> (0, 0)>> -> tensor<4x32xi32>
      stream.yield %3 : tensor<4x32xi32>
    }
    accel.yield %g : tensor<4x32xi32>
  }
  func.return %y : tensor<4x32xi32>
}

// -----

// The tiles of the result come in another order than those of the operand.
// CHECK-LABEL: func.func @turned
// CHECK-NEXT:    accel.kernel "negate"
func.func @turned(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %y = accel.kernel "negate" ins(%x : tensor<8x8xf32>) -> (tensor<8x8xf32>) {
  ^bb0(%x1: tensor<8x8xf32>):
    %g = stream.graph -> tensor<8x8xf32> {
      %0 = stream.read %x1 : tensor<8x8xf32> -> !stream.stream<tensor<4x4xf32>, [2, 2], affine_map<(i, j) -> (i, j)>>
      %1 = stream.map on "vector"(%0 : !stream.stream<tensor<4x4xf32>, [2, 2], affine_map<(i, j) -> (i, j)>>) -> (!stream.stream<tensor<4x4xf32>, [2, 2], affine_map<(i, j) -> (j, i)>>) {
      ^bb1(%t: tensor<4x4xf32>):
        %n = arith.negf %t : tensor<4x4xf32>
        stream.yield %n : tensor<4x4xf32>
      }
      %2 = stream.write %1 : !stream.stream<tensor<4x4xf32>, [2, 2], affine_map<(i, j) -> (j, i)>> -> tensor<8x8xf32>
      stream.yield %2 : tensor<8x8xf32>
    }
    accel.yield %g : tensor<8x8xf32>
  }
  func.return %y : tensor<8x8xf32>
}

// -----

// Packed tiles of 8 rows are padded to 16: one after the other they are not the packing of 16 rows.
// CHECK-LABEL: func.func @padded
// CHECK:         accel.kernel "up"
func.func @padded(%q: tensor<1x16xi8>, %w: tensor<16x16x!ternary.trit>) -> tensor<1x16xi32> {
  %p = ternary.pack %w {packing = #ternary.packing<trits1in2, order = interleaved>, tile = array<i64: 8, 16>} : tensor<16x16x!ternary.trit> -> tensor<2x64xi8>
  %y = accel.kernel "up" ins(%q, %p : tensor<1x16xi8>, tensor<2x64xi8>) -> (tensor<1x16xi32>) {
  ^bb0(%q1: tensor<1x16xi8>, %p1: tensor<2x64xi8>):
    %g = stream.graph -> tensor<1x16xi32> {
      %0 = stream.read %q1 : tensor<1x16xi8> -> !stream.stream<tensor<1x16xi8>, [], affine_map<() -> (0, 0)>>
      %1 = stream.read %p1 : tensor<2x64xi8> -> !stream.stream<tensor<1x64xi8>, [2], affine_map<(n) -> (n, 0)>>
      %2 = stream.map on "array"(%0, %1 : !stream.stream<tensor<1x16xi8>, [], affine_map<() -> (0, 0)>>, !stream.stream<tensor<1x64xi8>, [2], affine_map<(n) -> (n, 0)>>) -> (!stream.stream<tensor<1x8xi32>, [2], affine_map<(n) -> (0, n)>>) {
      ^bb1(%q2: tensor<1x16xi8>, %p2: tensor<1x64xi8>):
        %t = ternary.unpack %p2 {packing = #ternary.packing<trits1in2, order = interleaved>} : tensor<1x64xi8> -> tensor<8x16x!ternary.trit>
        %a = ternary.matmul %q2, %t : (tensor<1x16xi8>, tensor<8x16x!ternary.trit>) -> tensor<1x8xi32>
        stream.yield %a : tensor<1x8xi32>
      }
      %3 = stream.write %2 : !stream.stream<tensor<1x8xi32>, [2], affine_map<(n) -> (0, n)>> -> tensor<1x16xi32>
      stream.yield %3 : tensor<1x16xi32>
    }
    accel.yield %g : tensor<1x16xi32>
  }
  func.return %y : tensor<1x16xi32>
}

// -----

// Attention that is not cut; its position is an argument.
// CHECK-LABEL: func.func @attention
// CHECK-NEXT:    func.call @sdpa(%q, %k, %p)
// CHECK:       func.func private @sdpa([[Q:%[a-z0-9_]+]]: tensor<1x4x8x32xf32>, [[K:%[a-z0-9_]+]]: tensor<1x2x24x32xf32>, [[P:%[a-z0-9_]+]]: index)
// CHECK-NEXT:    attention.sdpa [[Q]], [[K]], [[K]] at [[P]] {causal}
func.func @attention(%q: tensor<1x4x8x32xf32>, %k: tensor<1x2x24x32xf32>, %p: index) -> tensor<1x4x8x32xf32> {
  %y = accel.kernel "sdpa" ins(%q, %k, %p : tensor<1x4x8x32xf32>, tensor<1x2x24x32xf32>, index) -> (tensor<1x4x8x32xf32>) {
  ^bb0(%q1: tensor<1x4x8x32xf32>, %k1: tensor<1x2x24x32xf32>, %p1: index):
    %g = stream.graph -> tensor<1x4x8x32xf32> {
      %0 = stream.read %q1 : tensor<1x4x8x32xf32> -> !stream.stream<tensor<1x4x8x32xf32>, [], affine_map<() -> (0, 0, 0, 0)>>
      %1 = stream.read %k1 : tensor<1x2x24x32xf32> -> !stream.stream<tensor<1x2x24x32xf32>, [], affine_map<() -> (0, 0, 0, 0)>>
      %2 = stream.map on "torch"(%0, %1 : !stream.stream<tensor<1x4x8x32xf32>, [], affine_map<() -> (0, 0, 0, 0)>>, !stream.stream<tensor<1x2x24x32xf32>, [], affine_map<() -> (0, 0, 0, 0)>>) control(%p1) -> (!stream.stream<tensor<1x4x8x32xf32>, [], affine_map<() -> (0, 0, 0, 0)>>) {
      ^bb1(%q2: tensor<1x4x8x32xf32>, %k2: tensor<1x2x24x32xf32>, %p2: index):
        %z = attention.sdpa %q2, %k2, %k2 at %p2 {causal} : tensor<1x4x8x32xf32>, tensor<1x2x24x32xf32>, tensor<1x2x24x32xf32> -> tensor<1x4x8x32xf32>
        stream.yield %z : tensor<1x4x8x32xf32>
      }
      %3 = stream.write %2 : !stream.stream<tensor<1x4x8x32xf32>, [], affine_map<() -> (0, 0, 0, 0)>> -> tensor<1x4x8x32xf32>
      stream.yield %3 : tensor<1x4x8x32xf32>
    }
    accel.yield %g : tensor<1x4x8x32xf32>
  }
  func.return %y : tensor<1x4x8x32xf32>
}

// -----

// Attention in tiles of query rows stays a kernel: each tile has a position of its own.
// CHECK-LABEL: func.func @rows
// CHECK-NEXT:    accel.kernel "sdpa"
func.func @rows(%q: tensor<1x4x8x32xf32>, %k: tensor<1x2x24x32xf32>) -> tensor<1x4x8x32xf32> {
  %y = accel.kernel "sdpa" ins(%q, %k : tensor<1x4x8x32xf32>, tensor<1x2x24x32xf32>) -> (tensor<1x4x8x32xf32>) {
  ^bb0(%q1: tensor<1x4x8x32xf32>, %k1: tensor<1x2x24x32xf32>):
    %g = stream.graph -> tensor<1x4x8x32xf32> {
      %0 = stream.read %q1 : tensor<1x4x8x32xf32> -> !stream.stream<tensor<1x4x1x32xf32>, [8], affine_map<(m) -> (0, 0, m, 0)>>
      %1 = stream.read %k1 : tensor<1x2x24x32xf32> -> !stream.stream<tensor<1x2x24x32xf32>, [], affine_map<() -> (0, 0, 0, 0)>>
      %2 = stream.map on "attention"(%0, %1 : !stream.stream<tensor<1x4x1x32xf32>, [8], affine_map<(m) -> (0, 0, m, 0)>>, !stream.stream<tensor<1x2x24x32xf32>, [], affine_map<() -> (0, 0, 0, 0)>>) -> (!stream.stream<tensor<1x4x1x32xf32>, [8], affine_map<(m) -> (0, 0, m, 0)>>) {
      ^bb1(%q2: tensor<1x4x1x32xf32>, %k2: tensor<1x2x24x32xf32>):
        %i = stream.index 0
        %z = attention.sdpa %q2, %k2, %k2 at %i {causal} : tensor<1x4x1x32xf32>, tensor<1x2x24x32xf32>, tensor<1x2x24x32xf32> -> tensor<1x4x1x32xf32>
        stream.yield %z : tensor<1x4x1x32xf32>
      }
      %3 = stream.write %2 : !stream.stream<tensor<1x4x1x32xf32>, [8], affine_map<(m) -> (0, 0, m, 0)>> -> tensor<1x4x8x32xf32>
      stream.yield %3 : tensor<1x4x8x32xf32>
    }
    accel.yield %g : tensor<1x4x8x32xf32>
  }
  func.return %y : tensor<1x4x8x32xf32>
}
