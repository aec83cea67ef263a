// RUN: xdsl-opt %s --split-input-file -p convert-attention-to-stream | filecheck %s

// Attention at function level becomes a kernel. The default schedule is naive: each score is a token,
// the row's maximum and sum are folded and given again for each of its scores.
// CHECK-LABEL: func.func @naive
// CHECK-NEXT:    accel.kernel "attention" ins(%q, %k, %v :
// CHECK:           stream.graph -> tensor<1x1x4x2xf32>
// CHECK-NEXT:        [[Q:%[0-9]+]] = stream.read %{{.*}} {label = "q"} : {{.*}} -> !stream.stream<tensor<1x1x1x2xf32>, [1, 1, 4],
// CHECK-NEXT:        [[QS:%[0-9]+]] = stream.repeat [[Q]] : {{.*}} -> !stream.stream<tensor<1x1x1x2xf32>, [1, 1, 4, 4],
// CHECK-NEXT:        [[K:%[0-9]+]] = stream.read %{{.*}} {label = "k"} : {{.*}} -> !stream.stream<tensor<1x1x1x2xf32>, [1, 1, 4, 4], affine_map<(d0, d1, d2, d3) -> (d0, d1, d3, 0)>>
// CHECK-NEXT:        [[S:%[0-9]+]] = stream.map([[QS]], [[K]] :
// CHECK:             {label = "qk"}
// CHECK-NEXT:        [[V:%[0-9]+]] = stream.read %{{.*}} {label = "v"}
// CHECK-NEXT:        [[S1:%[0-9]+]], [[S2:%[0-9]+]] = stream.fork [[S]]
// CHECK-NEXT:        [[M:%[0-9]+]] = stream.reduce([[S1]] : {{.*}}) inits [-3.40282347e+38 : f32] -> (!stream.stream<tensor<1x1x1x1xf32>, [1, 1, 4],
// CHECK:             {label = "rowmax"}
// CHECK-NEXT:        [[MS:%[0-9]+]] = stream.repeat [[M]]
// CHECK-NEXT:        [[D:%[0-9]+]] = stream.map([[S2]], [[MS]] :
// CHECK:             {label = "sub"}
// CHECK-NEXT:        [[E:%[0-9]+]] = stream.map([[D]] :
// CHECK:             {label = "exp"}
// CHECK-NEXT:        [[E1:%[0-9]+]], [[E2:%[0-9]+]] = stream.fork [[E]]
// CHECK-NEXT:        [[L:%[0-9]+]] = stream.reduce([[E1]] :
// CHECK:             {label = "rowsum"}
// CHECK-NEXT:        [[LS:%[0-9]+]] = stream.repeat [[L]]
// CHECK-NEXT:        [[P:%[0-9]+]] = stream.map([[E2]], [[LS]] :
// CHECK:             {label = "div"}
// CHECK-NEXT:        [[Y:%[0-9]+]] = stream.reduce([[P]], [[V]] :
// CHECK:             {label = "pv"}
// CHECK-NEXT:        stream.write [[Y]] {label = "write"}
func.func @naive(%q: tensor<1x1x4x2xf32>, %k: tensor<1x1x4x2xf32>, %v: tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32> {
  %y = attention.sdpa %q, %k, %v : tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32> -> tensor<1x1x4x2xf32>
  func.return %y : tensor<1x1x4x2xf32>
}

// -----

// In a kernel of its own; nodes run on the op's unit. The division is a firing per row, and rounds.
// CHECK-LABEL: func.func @reordered
// CHECK-NEXT:    accel.kernel "mine" ins(%q, %k
// CHECK:           stream.map on "fabric"
// CHECK:             arith.extf
// CHECK:             {label = "exp"}
// CHECK:           [[L:%[0-9]+]] = stream.reduce on "fabric"
// CHECK:             {label = "rowsum"}
// CHECK-NEXT:      [[O:%[0-9]+]] = stream.reduce on "fabric"
// CHECK:             {label = "pv"}
// CHECK-NEXT:      [[Y:%[0-9]+]] = stream.map on "fabric"([[O]], [[L]] : {{.*}}) -> (!stream.stream<tensor<1x1x1x2xf16>, [1, 1, 4],
// CHECK:             arith.truncf
// CHECK:             {label = "div"}
// CHECK-NEXT:      stream.write [[Y]] {label = "write"}
func.func @reordered(%q: tensor<1x1x4x2xf16>, %k: tensor<1x1x4x2xf16>) -> tensor<1x1x4x2xf16> {
  %y = accel.kernel "mine" ins(%q, %k : tensor<1x1x4x2xf16>, tensor<1x1x4x2xf16>) -> (tensor<1x1x4x2xf16>) {
  ^bb0(%q1: tensor<1x1x4x2xf16>, %k1: tensor<1x1x4x2xf16>):
    %y1 = attention.sdpa %q1, %k1, %k1 {schedule = #attention.schedule<reordered>, accel.unit = "fabric"} : tensor<1x1x4x2xf16>, tensor<1x1x4x2xf16>, tensor<1x1x4x2xf16> -> tensor<1x1x4x2xf16>
    accel.yield %y1 : tensor<1x1x4x2xf16>
  }
  func.return %y : tensor<1x1x4x2xf16>
}

// -----

// The scan's factors and exponentials both go to the sum and to the product with V. Four query heads
// share two key heads. With a position the graph ends at the last key written.
// CHECK-LABEL: func.func @streaming
// CHECK:           stream.graph bound affine_map<(d0, d1, d2)[s0] -> ((s0 + 3))>(%{{.*}})
// CHECK:             stream.read %{{.*}} {label = "k"} : {{.*}} -> !stream.stream<tensor<1x1x1x2xf32>, [1, 4, 3, 8], affine_map<(d0, d1, d2, d3) -> (d0, (d1 floordiv 2), d3, 0)>>
// CHECK:             [[R:%[0-9]+]], [[E:%[0-9]+]] = stream.scan({{.*}}) inits [-3.40282347e+38 : f32] over 1
// CHECK:             {label = "scan"}
// CHECK-NEXT:        [[R1:%[0-9]+]], [[R2:%[0-9]+]] = stream.fork [[R]]
// CHECK-NEXT:        [[E1:%[0-9]+]], [[E2:%[0-9]+]] = stream.fork [[E]]
// CHECK-NEXT:        [[L:%[0-9]+]] = stream.reduce([[R1]], [[E1]] :
// CHECK:             {label = "sum"}
// CHECK-NEXT:        [[O:%[0-9]+]] = stream.reduce([[R2]], [[E2]], %{{.*}} :
// CHECK:             {label = "pv"}
// CHECK-NEXT:        stream.map([[O]], [[L]] :
func.func @streaming(%q: tensor<1x4x3x2xf32>, %k: tensor<1x2x8x2xf32>, %v: tensor<1x2x8x2xf32>, %p: index) -> tensor<1x4x3x2xf32> {
  %y = attention.sdpa %q, %k, %v at %p {schedule = #attention.schedule<streaming>} : tensor<1x4x3x2xf32>, tensor<1x2x8x2xf32>, tensor<1x2x8x2xf32> -> tensor<1x4x3x2xf32>
  func.return %y : tensor<1x4x3x2xf32>
}

// -----

// Blocks of two rows, the last first, none further than its last row; the graph's bound says so, the
// node of the scores hides what lies above the diagonal within a block.
// CHECK-LABEL: func.func @reversed
// CHECK:           stream.graph bound affine_map<(d0, d1, d2) -> (((d2 * -2) + 8))>()
// CHECK:             stream.read %{{.*}} {label = "q"} : {{.*}} -> !stream.stream<tensor<1x1x2x2xf32>, [1, 1, 4], affine_map<(d0, d1, d2) -> (d0, d1, ((d2 * -1) + 3), 0)>>
// CHECK:               arith.cmpi sge
// CHECK:               arith.constant 0xff800000 : f32
// CHECK:             {label = "qk"}
// CHECK:             {label = "scan"}
func.func @reversed(%q: tensor<1x1x8x2xf32>, %k: tensor<1x1x8x2xf32>, %v: tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32> {
  %y = attention.sdpa %q, %k, %v {causal, schedule = #attention.schedule<reversed, rows = 2>} : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32> -> tensor<1x1x8x2xf32>
  func.return %y : tensor<1x1x8x2xf32>
}

// -----

// Each key and value is read once and stays for three rows.
// CHECK-LABEL: func.func @windowed
// CHECK:           [[K:%[0-9]+]] = stream.read %{{.*}} {label = "k"} : {{.*}} -> !stream.stream<tensor<1x1x1x2xf32>, [1, 1, 8],
// CHECK-NEXT:      stream.window [[K]] size 3 {label = "k_window"} : {{.*}} -> !stream.stream<tensor<1x1x1x2xf32>, [1, 1, 8, 3],
// CHECK:           [[V:%[0-9]+]] = stream.read %{{.*}} {label = "v"} : {{.*}} -> !stream.stream<tensor<1x1x1x2xf32>, [1, 1, 8],
// CHECK-NEXT:      stream.window [[V]] size 3 {label = "v_window"}
func.func @windowed(%q: tensor<1x1x8x2xf32>, %k: tensor<1x1x8x2xf32>, %v: tensor<1x1x8x2xf32>) -> tensor<1x1x8x2xf32> {
  %y = attention.sdpa %q, %k, %v {causal, window = 3 : i64, schedule = #attention.schedule<windowed>} : tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32>, tensor<1x1x8x2xf32> -> tensor<1x1x8x2xf32>
  func.return %y : tensor<1x1x8x2xf32>
}

// -----

// No exponential waits for a maximum; where the flag is set, a streaming graph computes the result.
// CHECK-LABEL: func.func @unified_max
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]], [[F:%[a-z0-9_]+]] = accel.kernel "attention" ins(%q, %k, %v : {{.*}}) -> (tensor<1x1x4x2xf32>, tensor<1x1x1x1xi8>)
// CHECK:           {label = "exp"}
// CHECK:           {label = "rowmax"}
// CHECK:           {label = "flag"}
// CHECK:         [[X:%[a-z0-9_]+]] = tensor.extract [[F]]
// CHECK:         [[C:%[a-z0-9_]+]] = arith.cmpi ne, [[X]],
// CHECK-NEXT:    [[R:%[a-z0-9_]+]] = scf.if [[C]] -> (tensor<1x1x4x2xf32>) {
// CHECK-NEXT:      [[Z:%[a-z0-9_]+]] = accel.kernel "attention_fallback" ins(%q, %k, %v :
// CHECK:             {label = "scan"}
// CHECK:           scf.yield [[Z]]
// CHECK-NEXT:    } else {
// CHECK-NEXT:      scf.yield [[Y]]
// CHECK:         func.return [[R]]
func.func @unified_max(%q: tensor<1x1x4x2xf32>, %k: tensor<1x1x4x2xf32>, %v: tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32> {
  %y = attention.sdpa %q, %k, %v {schedule = #attention.schedule<unified_max>} : tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32> -> tensor<1x1x4x2xf32>
  func.return %y : tensor<1x1x4x2xf32>
}

// -----

// The unit runs attention as it is.
// CHECK-LABEL: func.func @on_engine
// CHECK:           attention.sdpa
// CHECK-NOT:       stream.graph
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @on_engine(%q: tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32> {
    %y = accel.kernel "mine" ins(%q : tensor<1x1x4x2xf32>) -> (tensor<1x1x4x2xf32>) {
    ^bb0(%q1: tensor<1x1x4x2xf32>):
      %y1 = attention.sdpa %q1, %q1, %q1 {accel.unit = "attention"} : tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32> -> tensor<1x1x4x2xf32>
      accel.yield %y1 : tensor<1x1x4x2xf32>
    }
    func.return %y : tensor<1x1x4x2xf32>
  }
}

// -----

// The kernel holds more than attention: it stays.
// CHECK-LABEL: func.func @with_others
// CHECK:           attention.sdpa
// CHECK-NOT:       stream.graph
func.func @with_others(%q: tensor<1x1x4x2xf32>, %k: tensor<1x1x4x2xf32>) -> tensor<1x1x4x2xf32> {
  %y = accel.kernel "mine" ins(%q, %k : tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>) -> (tensor<1x1x4x2xf32>) {
  ^bb0(%q1: tensor<1x1x4x2xf32>, %k1: tensor<1x1x4x2xf32>):
    %y1 = attention.sdpa %q1, %k1, %k1 : tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32>, tensor<1x1x4x2xf32> -> tensor<1x1x4x2xf32>
    %z1 = arith.addf %y1, %q1 : tensor<1x1x4x2xf32>
    accel.yield %z1 : tensor<1x1x4x2xf32>
  }
  func.return %y : tensor<1x1x4x2xf32>
}
