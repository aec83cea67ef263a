// RUN: xdsl-opt %s --split-input-file --verify-diagnostics | filecheck %s

// `accel.kernel` (C1): memrefs at the boundary are in a tier
// CHECK: expected a memref in a tier, got memref<4xf32>
%x = "test.op"() : () -> memref<4xf32>
accel.kernel "k" ins(%x : memref<4xf32>) {
^bb0(%a: memref<4xf32>):
}

// -----

// `accel.kernel` (C2): memrefs at the boundary hold elements of whole bytes
// CHECK: expected a memref of whole-byte elements, got i1
%x = "test.op"() : () -> memref<4xi1, "ddr">
accel.kernel "k" ins(%x : memref<4xi1, "ddr">) {
^bb0(%a: memref<4xi1, "ddr">):
}

// -----

// `accel.kernel` (C3): the body's arguments have the types of `inputs`, then `outs`
// CHECK: expected body arguments tensor<4xf32>, got tensor<8xf32>
%x = "test.op"() : () -> tensor<4xf32>
%y = accel.kernel "k" ins(%x : tensor<4xf32>) -> (tensor<4xf32>) {
^bb0(%a: tensor<8xf32>):
  %b = "test.op"() : () -> tensor<4xf32>
  accel.yield %b : tensor<4xf32>
}

// -----

// `accel.kernel` (C4): there are results or `outs`, not both
// CHECK: expected results or `outs`, got both
%x = "test.op"() : () -> tensor<4xf32>
%o = "test.op"() : () -> memref<4xf32, "ddr">
%y = accel.kernel "k" ins(%x : tensor<4xf32>) outs(%o : memref<4xf32, "ddr">) -> (tensor<4xf32>) {
^bb0(%a: tensor<4xf32>, %c: memref<4xf32, "ddr">):
  %b = "test.op"() : () -> tensor<4xf32>
  accel.yield %b : tensor<4xf32>
}

// -----

// `accel.kernel` (C5): with `outs`, an input is a memref, an index or an i1
// CHECK: expected an input that is a memref, an index or an i1, got tensor<4xf32>
%x = "test.op"() : () -> tensor<4xf32>
%o = "test.op"() : () -> memref<4xf32, "ddr">
accel.kernel "k" ins(%x : tensor<4xf32>) outs(%o : memref<4xf32, "ddr">) {
^bb0(%a: tensor<4xf32>, %c: memref<4xf32, "ddr">):
}

// -----

// `accel.kernel` (C6): the body yields the results
// CHECK: expected a yield of tensor<4xf32>, got tensor<8xf32>
%x = "test.op"() : () -> tensor<4xf32>
%y = accel.kernel "k" ins(%x : tensor<4xf32>) -> (tensor<4xf32>) {
^bb0(%a: tensor<4xf32>):
  %b = "test.op"() : () -> tensor<8xf32>
  accel.yield %b : tensor<8xf32>
}

// -----

// `accel.kernel` (C7): `operand_values` has a name per input
// CHECK: expected 1 names in `operand_values`, got 2
%x = "test.op"() : () -> tensor<4xf32>
%y = accel.kernel "k" ins(%x : tensor<4xf32>) -> (tensor<4xf32>) {
^bb0(%a: tensor<4xf32>):
  %b = "test.op"() : () -> tensor<4xf32>
  accel.yield %b : tensor<4xf32>
} {operand_values = ["a", "b"]}

// -----

// `accel.kernel` (C8): `result_values` has a name per result, or per memref of `outs`
// CHECK: expected 1 names in `result_values`, got 0
%x = "test.op"() : () -> tensor<4xf32>
%y = accel.kernel "k" ins(%x : tensor<4xf32>) -> (tensor<4xf32>) {
^bb0(%a: tensor<4xf32>):
  %b = "test.op"() : () -> tensor<4xf32>
  accel.yield %b : tensor<4xf32>
} {result_values = []}

// -----

// `accel.kernel` (C9): the body uses no value from outside
// CHECK: Operation using value defined out of its IsolatedFromAbove parent
%x = "test.op"() : () -> tensor<4xf32>
accel.kernel "k" {
  "test.op"(%x) : (tensor<4xf32>) -> ()
}

// -----

// `accel.launch` (C1): an input is a memref, an index or an i1
// CHECK: expected an input that is a memref, an index or an i1, got tensor<4xf32>
%x = "test.op"() : () -> tensor<4xf32>
%y = "test.op"() : () -> memref<4xf32, "ddr">
%e = accel.launch on "u" ins(%x : tensor<4xf32>) outs(%y : memref<4xf32, "ddr">) {
^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
  %r = "test.op"() : () -> tensor<4xf32>
  accel.yield %r : tensor<4xf32>
}

// -----

// `accel.launch` (C2): memrefs are in a tier
// CHECK: expected a memref in a tier, got memref<4xf32>
%x = "test.op"() : () -> memref<4xf32>
%y = "test.op"() : () -> memref<4xf32, "ddr">
%e = accel.launch on "u" ins(%x : memref<4xf32>) outs(%y : memref<4xf32, "ddr">) {
^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
  %r = "test.op"() : () -> tensor<4xf32>
  accel.yield %r : tensor<4xf32>
}

// -----

// `accel.launch` (C3): memrefs hold elements of whole bytes
// CHECK: expected a memref of whole-byte elements, got i4
%x = "test.op"() : () -> memref<4xf32, "ddr">
%y = "test.op"() : () -> memref<4xi4, "ddr">
%e = accel.launch on "u" ins(%x : memref<4xf32, "ddr">) outs(%y : memref<4xi4, "ddr">) {
^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
  %r = "test.op"() : () -> tensor<4xf32>
  accel.yield %r : tensor<4xf32>
}

// -----

// `accel.launch` (C4): the body's arguments have the types of `inputs`, then `outs`, with tensors for memrefs
// CHECK: expected body arguments tensor<4xf32>, tensor<4xf32>, got memref<4xf32, "ddr">, tensor<4xf32>
%x = "test.op"() : () -> memref<4xf32, "ddr">
%y = "test.op"() : () -> memref<4xf32, "ddr">
%e = accel.launch on "u" ins(%x : memref<4xf32, "ddr">) outs(%y : memref<4xf32, "ddr">) {
^bb0(%a: memref<4xf32, "ddr">, %b: tensor<4xf32>):
  %r = "test.op"() : () -> tensor<4xf32>
  accel.yield %r : tensor<4xf32>
}

// -----

// `accel.launch` (C5): the body yields a tensor for each of `outs`
// CHECK: expected a yield of tensor<4xf32>, got tensor<4xf16>
%x = "test.op"() : () -> memref<4xf32, "ddr">
%y = "test.op"() : () -> memref<4xf32, "ddr">
%e = accel.launch on "u" ins(%x : memref<4xf32, "ddr">) outs(%y : memref<4xf32, "ddr">) {
^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
  %r = "test.op"() : () -> tensor<4xf16>
  accel.yield %r : tensor<4xf16>
}

// -----

// `accel.launch` (C6): the body uses no value from outside
// CHECK: Operation using value defined out of its IsolatedFromAbove parent
%x = "test.op"() : () -> tensor<4xf32>
%e = accel.launch on "u" {
  "test.op"(%x) : (tensor<4xf32>) -> ()
  accel.yield
}

// -----

// `accel.wait` (C1): there is an event to wait for
// CHECK: expected an event to wait for, got none
"accel.wait"() : () -> ()

// -----

// `accel.yield` (C1): it stands directly in an `accel.kernel` or `accel.launch`
// CHECK: 'accel.yield' expects parent op to be one of 'accel.kernel', 'accel.launch'
"test.op"() ({
  accel.yield
}) : () -> ()
