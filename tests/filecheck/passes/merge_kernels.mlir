// RUN: xdsl-opt %s --split-input-file -p merge-kernels | filecheck %s

// Three products of the same activations are one kernel; what they read together is one operand.
// CHECK-LABEL: func.func @attention
// CHECK-NEXT:    [[Q:%[a-z0-9_]+]], [[K:%[a-z0-9_]+]], [[V:%[a-z0-9_]+]] = accel.kernel "l_q_k_v_proj" ins(%q, %w, %s, %c, %v, %u :
// CHECK-NEXT:    ^bb0([[X:%[a-z0-9_]+]]: tensor<4x64xi8>, [[W1:%[a-z0-9_]+]]: tensor<64x64x!ternary.trit>, [[S:%[a-z0-9_]+]]: tensor<4xf32>, [[C:%[a-z0-9_]+]]: tensor<f32>, [[W2:%[a-z0-9_]+]]: tensor<32x64x!ternary.trit>, [[W3:%[a-z0-9_]+]]: tensor<32x64x!ternary.trit>):
// CHECK-NEXT:      [[A1:%[a-z0-9_]+]] = ternary.matmul [[X]], [[W1]]
// CHECK-NEXT:      [[Y1:%[a-z0-9_]+]] = ternary.dequantize [[A1]], [[S]], [[C]]
// CHECK-NEXT:      [[A2:%[a-z0-9_]+]] = ternary.matmul [[X]], [[W2]]
// CHECK-NEXT:      [[A3:%[a-z0-9_]+]] = ternary.matmul [[X]], [[W3]]
// CHECK-NEXT:      accel.yield [[Y1]], [[A2]], [[A3]]
// CHECK-NEXT:    } {dfc.origin = ["l.q_proj:linear", "l.k_proj:linear"], operand_values = ["", "", "", "", "", ""], result_values = ["q", "", ""]}
// CHECK-NEXT:    func.return [[Q]], [[K]], [[V]]
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @attention(%q: tensor<4x64xi8>, %s: tensor<4xf32>, %w: tensor<64x64x!ternary.trit>, %c: tensor<f32>, %v: tensor<32x64x!ternary.trit>, %u: tensor<32x64x!ternary.trit>) -> (tensor<4x64xf32>, tensor<4x32xi32>, tensor<4x32xi32>) {
    %0 = accel.kernel "l_q_proj" ins(%q, %w, %s, %c : tensor<4x64xi8>, tensor<64x64x!ternary.trit>, tensor<4xf32>, tensor<f32>) -> (tensor<4x64xf32>) {
    ^bb0(%q1: tensor<4x64xi8>, %w1: tensor<64x64x!ternary.trit>, %s1: tensor<4xf32>, %c1: tensor<f32>):
      %a1 = ternary.matmul %q1, %w1 {accel.unit = "array"} : (tensor<4x64xi8>, tensor<64x64x!ternary.trit>) -> tensor<4x64xi32>
      %y1 = ternary.dequantize %a1, %s1, %c1 {accel.unit = "array"} : (tensor<4x64xi32>, tensor<4xf32>, tensor<f32>) -> tensor<4x64xf32>
      accel.yield %y1 : tensor<4x64xf32>
    } {dfc.origin = "l.q_proj:linear", operand_values = ["", "", "", ""], result_values = ["q"]}
    %1 = accel.kernel "l_k_proj" ins(%q, %v : tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> (tensor<4x32xi32>) {
    ^bb1(%q2: tensor<4x64xi8>, %w2: tensor<32x64x!ternary.trit>):
      %a2 = ternary.matmul %q2, %w2 {accel.unit = "array"} : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
      accel.yield %a2 : tensor<4x32xi32>
    } {dfc.origin = "l.k_proj:linear"}
    %2 = accel.kernel "l_v_proj" ins(%q, %u : tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> (tensor<4x32xi32>) {
    ^bb2(%q3: tensor<4x64xi8>, %w3: tensor<32x64x!ternary.trit>):
      %a3 = ternary.matmul %q3, %w3 {accel.unit = "array"} : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
      accel.yield %a3 : tensor<4x32xi32>
    }
    func.return %0, %1, %2 : tensor<4x64xf32>, tensor<4x32xi32>, tensor<4x32xi32>
  }
}

// -----

// Other activations; another unit.
// CHECK-LABEL: func.func @apart
// CHECK:         accel.kernel "one"
// CHECK:         accel.kernel "two"
// CHECK:         accel.kernel "three"
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @apart(%q: tensor<4x64xi8>, %p: tensor<4x64xi8>, %w: tensor<32x64x!ternary.trit>) -> (tensor<4x32xi32>, tensor<4x32xi32>, tensor<4x32xi32>) {
    %0 = accel.kernel "one" ins(%q, %w : tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> (tensor<4x32xi32>) {
    ^bb0(%q1: tensor<4x64xi8>, %w1: tensor<32x64x!ternary.trit>):
      %a1 = ternary.matmul %q1, %w1 {accel.unit = "array"} : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
      accel.yield %a1 : tensor<4x32xi32>
    }
    %1 = accel.kernel "two" ins(%p, %w : tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> (tensor<4x32xi32>) {
    ^bb1(%q2: tensor<4x64xi8>, %w2: tensor<32x64x!ternary.trit>):
      %a2 = ternary.matmul %q2, %w2 {accel.unit = "array"} : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
      accel.yield %a2 : tensor<4x32xi32>
    }
    %2 = accel.kernel "three" ins(%q, %w : tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> (tensor<4x32xi32>) {
    ^bb2(%q3: tensor<4x64xi8>, %w3: tensor<32x64x!ternary.trit>):
      %a3 = ternary.matmul %q3, %w3 {accel.unit = "host"} : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
      accel.yield %a3 : tensor<4x32xi32>
    }
    func.return %0, %1, %2 : tensor<4x32xi32>, tensor<4x32xi32>, tensor<4x32xi32>
  }
}

// -----

// The second needs what the first makes, through a kernel between them.
// CHECK-LABEL: func.func @chain
// CHECK:         accel.kernel "one"
// CHECK:         accel.kernel "negated"
// CHECK:         accel.kernel "two"
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @chain(%q: tensor<4x64xi8>, %w: tensor<32x64x!ternary.trit>) -> tensor<4x32xi32> {
    %0 = accel.kernel "one" ins(%q, %w : tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> (tensor<4x32xi32>) {
    ^bb0(%q1: tensor<4x64xi8>, %w1: tensor<32x64x!ternary.trit>):
      %a1 = ternary.matmul %q1, %w1 {accel.unit = "array"} : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>) -> tensor<4x32xi32>
      accel.yield %a1 : tensor<4x32xi32>
    }
    %1 = accel.kernel "negated" ins(%0 : tensor<4x32xi32>) -> (tensor<4x32xi32>) {
    ^bb1(%a2: tensor<4x32xi32>):
      %b2 = arith.addi %a2, %a2 {accel.unit = "array"} : tensor<4x32xi32>
      accel.yield %b2 : tensor<4x32xi32>
    }
    %2 = accel.kernel "two" ins(%q, %w, %1 : tensor<4x64xi8>, tensor<32x64x!ternary.trit>, tensor<4x32xi32>) -> (tensor<4x32xi32>) {
    ^bb2(%q3: tensor<4x64xi8>, %w3: tensor<32x64x!ternary.trit>, %b3: tensor<4x32xi32>):
      %a3 = ternary.matmul %q3, %w3 acc %b3 {accel.unit = "array"} : (tensor<4x64xi8>, tensor<32x64x!ternary.trit>, tensor<4x32xi32>) -> tensor<4x32xi32>
      accel.yield %a3 : tensor<4x32xi32>
    }
    func.return %2 : tensor<4x32xi32>
  }
}

// -----

// One weight fits in the memory whole, two do not.
// CHECK-LABEL: func.func @large
// CHECK:         accel.kernel "gate_proj"
// CHECK:         accel.kernel "up_proj"
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @large(%q: tensor<1x1024xi8>, %w: tensor<1536x1024x!ternary.trit>, %v: tensor<1536x1024x!ternary.trit>) -> (tensor<1x1536xi32>, tensor<1x1536xi32>) {
    %0 = accel.kernel "gate_proj" ins(%q, %w : tensor<1x1024xi8>, tensor<1536x1024x!ternary.trit>) -> (tensor<1x1536xi32>) {
    ^bb0(%q1: tensor<1x1024xi8>, %w1: tensor<1536x1024x!ternary.trit>):
      %a1 = ternary.matmul %q1, %w1 {accel.unit = "array"} : (tensor<1x1024xi8>, tensor<1536x1024x!ternary.trit>) -> tensor<1x1536xi32>
      accel.yield %a1 : tensor<1x1536xi32>
    }
    %1 = accel.kernel "up_proj" ins(%q, %v : tensor<1x1024xi8>, tensor<1536x1024x!ternary.trit>) -> (tensor<1x1536xi32>) {
    ^bb1(%q2: tensor<1x1024xi8>, %w2: tensor<1536x1024x!ternary.trit>):
      %a2 = ternary.matmul %q2, %w2 {accel.unit = "array"} : (tensor<1x1024xi8>, tensor<1536x1024x!ternary.trit>) -> tensor<1x1536xi32>
      accel.yield %a2 : tensor<1x1536xi32>
    }
    func.return %0, %1 : tensor<1x1536xi32>, tensor<1x1536xi32>
  }
}
