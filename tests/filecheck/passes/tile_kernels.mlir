// RUN: xdsl-opt %s --split-input-file -p tile-kernels | filecheck %s

// What fits on chip is one token; ops that follow each other on a unit are one node. The weight is
// packed in front of the kernel and unpacked in the body that uses it.
// CHECK-LABEL: func.func @one_token
// CHECK-NEXT:    [[P:%[a-z0-9_]+]] = ternary.pack %w {packing = #ternary.packing<trits1in2, order = rows>, tile = array<i64: 32, 64>}
// CHECK-NEXT:    accel.kernel "up" ins(%q, [[P]], %s, %c :
// CHECK-COUNT-4:     stream.read %{{.*}} -> !stream.stream<tensor<{{.*}}>, [], affine_map
// CHECK:           [[A:%[a-z0-9_]+]] = stream.map on "array"
// CHECK:             ternary.unpack %{{.*}} : tensor<1x512xi8> -> tensor<32x64x!ternary.trit>
// CHECK-NEXT:        ternary.matmul
// CHECK:           [[Y:%[a-z0-9_]+]] = stream.map on "vector"([[A]],
// CHECK:             ternary.dequantize
// CHECK:           stream.write [[Y]]
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @one_token(%q: tensor<4x64xi8>, %w: tensor<32x64x!ternary.trit>, %s: tensor<4xf32>, %c: tensor<f32>) -> tensor<4x32xf32> {
    %y = accel.kernel "up" ins(%q, %w, %s, %c : tensor<4x64xi8>, tensor<32x64x!ternary.trit>, tensor<4xf32>, tensor<f32>) -> (tensor<4x32xf32>) {
    ^bb0(%q1: tensor<4x64xi8>, %w1: tensor<32x64x!ternary.trit>, %s1: tensor<4xf32>, %c1: tensor<f32>):
      %a1 = ternary.matmul %q1, %w1 {accel.unit = "array"} : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
      %y1 = ternary.dequantize %a1, %s1, %c1 {accel.unit = "vector"} : (tensor<4x32xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x32xf32>
      accel.yield %y1 : tensor<4x32xf32>
    }
    func.return %y : tensor<4x32xf32>
  }
}

// -----

// The row of inputs alone is half of the memory: its sum is cut.
// CHECK-LABEL: func.func @sum
// CHECK:         stream.reduce on "array"({{.*}}) inits [0 : i32]
// CHECK-NEXT:    ^bb0([[ACC:%[a-z0-9_]+]]: tensor<{{.*}}xi32>, %{{.*}}: tensor<{{.*}}xi8>, %{{.*}}: tensor<{{.*}}xi8>):
// CHECK:           [[A:%[a-z0-9_]+]] = ternary.matmul %{{.*}}, %{{.*}} acc [[ACC]]
// CHECK-NEXT:      stream.yield [[A]]
builtin.module attributes {accel.target = "tiny-npu", accel.target_set = {"tier.sram.capacity_mib" = 0.00390625 : f64}} {
  func.func @sum(%q: tensor<1x4096xi8>, %w: tensor<32x4096x!ternary.trit>) -> tensor<1x32xi32> {
    %y = accel.kernel "up" ins(%q, %w : tensor<1x4096xi8>, tensor<32x4096x!ternary.trit>) -> (tensor<1x32xi32>) {
    ^bb0(%q1: tensor<1x4096xi8>, %w1: tensor<32x4096x!ternary.trit>):
      %a1 = ternary.matmul %q1, %w1 {accel.unit = "array"} : (tensor<1x4096xi8>, tensor<32x4096x!ternary.trit>) -> tensor<1x32xi32>
      accel.yield %a1 : tensor<1x32xi32>
    }
    func.return %y : tensor<1x32xi32>
  }
}

// -----

// Attention is cut into the rows of its schedule, each tile at its own position.
// CHECK-LABEL: func.func @rows
// CHECK:         stream.read %{{.*}} -> !stream.stream<tensor<1x4x2x32xf32>, [4], affine_map<(d0) -> (0, 0, d0, 0)>>
// CHECK:         stream.map on "attention"({{.*}}) control([[P:%[a-z0-9_]+]]) ->
// CHECK:           [[I:%[a-z0-9_]+]] = stream.index 0
// CHECK-NEXT:      [[TWO:%[a-z0-9_]+]] = arith.constant 2 : index
// CHECK-NEXT:      [[M:%[a-z0-9_]+]] = arith.muli [[I]], [[TWO]] : index
// CHECK-NEXT:      [[AT:%[a-z0-9_]+]] = arith.addi %{{.*}}, [[M]] : index
// CHECK-NEXT:      attention.sdpa %{{.*}} at [[AT]]
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @rows(%q: tensor<1x4x8x32xf32>, %k: tensor<1x2x24x32xf32>, %p: index) -> tensor<1x4x8x32xf32> {
    %y = accel.kernel "attention" ins(%q, %k, %p : tensor<1x4x8x32xf32>, tensor<1x2x24x32xf32>, index) -> (tensor<1x4x8x32xf32>) {
    ^bb0(%q1: tensor<1x4x8x32xf32>, %k1: tensor<1x2x24x32xf32>, %p1: index):
      %y1 = attention.sdpa %q1, %k1, %k1 at %p1 {accel.unit = "attention", causal, schedule = #attention.schedule<streaming, rows = 2>} : tensor<1x4x8x32xf32>, tensor<1x2x24x32xf32>, tensor<1x2x24x32xf32> -> tensor<1x4x8x32xf32>
      accel.yield %y1 : tensor<1x4x8x32xf32>
    }
    func.return %y : tensor<1x4x8x32xf32>
  }
}

// -----

// A unit that works in the host's memory gains nothing by tiles: one token, however large.
// CHECK-LABEL: func.func @host
// CHECK-COUNT-1: stream.read %{{.*}} -> !stream.stream<tensor<4096x4096xf32>, [],
// CHECK:         stream.map on "host"
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @host(%x: tensor<4096x4096xf32>) -> tensor<4096x4096xf32> {
    %y = accel.kernel "double" ins(%x : tensor<4096x4096xf32>) -> (tensor<4096x4096xf32>) {
    ^bb0(%x1: tensor<4096x4096xf32>):
      %y1 = arith.addf %x1, %x1 {accel.unit = "host"} : tensor<4096x4096xf32>
      accel.yield %y1 : tensor<4096x4096xf32>
    }
    func.return %y : tensor<4096x4096xf32>
  }
}

// -----

// On a unit that holds graphs each op is a node and a token one element; what a reduction has taken is
// used again in its own loops. The second result of the reduction has no use and is left out. A node has the
// tiles of its op.
// CHECK-LABEL: func.func @held
// CHECK:         [[X:%[a-z0-9_]+]] = stream.read %{{.*}} -> !stream.stream<tensor<1x1xf32>, [4, 8], affine_map<(d0, d1) -> (d0, d1)>>
// CHECK-NEXT:    [[A:%[a-z0-9_]+]], [[B:%[a-z0-9_]+]] = stream.fork [[X]]
// CHECK-NEXT:    [[M:%[a-z0-9_]+]] = stream.reduce on "fabric"([[A]] : {{.*}}) inits [-1.000000e+00 : f32] -> (!stream.stream<tensor<1xf32>, [4], affine_map<(d0) -> (d0)>>)
// CHECK-NEXT:    ^bb0([[OLD:%[a-z0-9_]+]]: tensor<1xf32>, [[T:%[a-z0-9_]+]]: tensor<1x1xf32>):
// CHECK-NEXT:      linalg.generic {{.*}} ins([[T]] : tensor<1x1xf32>) outs([[OLD]] : tensor<1xf32>)
// CHECK-NOT:       linalg.index
// CHECK:         stream.map on "fabric"([[B]], [[M]] :
// CHECK-SAME:      -> (!stream.stream<tensor<1x1xf32>, [4, 8],
// CHECK:         } {accel.tiles = 3 : i64, label = "generic_2"}
#rc = affine_map<(r, c) -> (r, c)>
#r = affine_map<(r, c) -> (r)>
builtin.module attributes {accel.target = "stream-abstract"} {
  func.func @held(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    %y = accel.kernel "sub" ins(%x : tensor<4x8xf32>) -> (tensor<4x8xf32>) {
    ^bb0(%x1: tensor<4x8xf32>):
      %low = arith.constant dense<-1.0> : tensor<4xf32>
      %zero = arith.constant dense<0> : tensor<4xi64>
      %m, %at = linalg.generic {indexing_maps = [#rc, #r, #r], iterator_types = ["parallel", "reduction"]} ins(%x1 : tensor<4x8xf32>) outs(%low, %zero : tensor<4xf32>, tensor<4xi64>) attrs = {accel.unit = "fabric"} {
      ^bb1(%u: f32, %v: f32, %w: i64):
        %i = linalg.index 1 : index
        %j = arith.index_cast %i : index to i64
        %n = arith.maximumf %u, %v : f32
        %g = arith.cmpf ogt, %u, %v : f32
        %k = arith.select %g, %j, %w : i64
        linalg.yield %n, %k : f32, i64
      } -> tensor<4xf32>, tensor<4xi64>
      %e = tensor.empty() : tensor<4x8xf32>
      %y1 = linalg.generic {indexing_maps = [#rc, #r, #rc], iterator_types = ["parallel", "parallel"]} ins(%x1, %m : tensor<4x8xf32>, tensor<4xf32>) outs(%e : tensor<4x8xf32>) attrs = {accel.unit = "fabric", accel.tiles = 3 : i64} {
      ^bb2(%u: f32, %v: f32, %w: f32):
        %d = arith.subf %u, %v : f32
        linalg.yield %d : f32
      } -> tensor<4x8xf32>
      accel.yield %y1 : tensor<4x8xf32>
    }
    func.return %y : tensor<4x8xf32>
  }
}
