// RUN: xdsl-opt %s -p canonicalize,cse | filecheck %s

// What has happened needs no waiting for.
// CHECK-LABEL: func.func @happened
// CHECK-NEXT:    [[A:%.*]] = accel.launch on "vector" {
// CHECK:         [[B:%.*]] = accel.configure "vector" to "decode" after([[A]])
// CHECK:         accel.launch on "vector" after([[A]], [[B]]) ins(%x : memref<4xf32, "sram">) outs(%y : memref<4xf32, "sram">) {
// CHECK:         accel.wait [[A]]
// CHECK-NEXT:    func.return
func.func @happened(%x: memref<4xf32, "sram">, %y: memref<4xf32, "sram">) {
  %s = accel.start
  %t = accel.start
  %a = accel.launch on "vector" after(%s, %t) {
    accel.yield
  }
  %b = accel.configure "vector" to "decode" after(%t, %a)
  %c = accel.launch on "vector" after(%a, %s, %b, %a) ins(%x : memref<4xf32, "sram">) outs(%y : memref<4xf32, "sram">) {
  ^bb0(%v: tensor<4xf32>, %old: tensor<4xf32>):
    accel.yield %v : tensor<4xf32>
  }
  accel.wait %s, %t
  accel.wait %a, %s, %a
  func.return
}

// Events of a loop may be anything from its second round on: they stay, and so do launches nobody waits for.
// CHECK-LABEL: func.func @open
// CHECK:         scf.for
// CHECK:           accel.launch on "vector" after(%old)
// CHECK:         accel.launch on "vector" {
// CHECK:         accel.launch on "vector" {
// CHECK:         accel.wait
func.func @open() {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %start = accel.start
  %last = scf.for %i = %c0 to %c8 step %c1 iter_args(%old = %start) -> (!accel.event) {
    %e = accel.launch on "vector" after(%old) {
      accel.yield
    }
    scf.yield %e : !accel.event
  }
  %a = accel.launch on "vector" {
    accel.yield
  }
  %b = accel.launch on "vector" {
    accel.yield
  }
  accel.wait %last
  func.return
}

// A kernel over tensors whose results nothing uses is dropped.
// CHECK-LABEL: func.func @dead_kernel
// CHECK-NEXT:    func.return
func.func @dead_kernel(%x: tensor<4xf32>) {
  %y = accel.kernel "dead" ins(%x : tensor<4xf32>) -> (tensor<4xf32>) {
  ^bb0(%a: tensor<4xf32>):
    %b = arith.addf %a, %a : tensor<4xf32>
    accel.yield %b : tensor<4xf32>
  }
  func.return
}

// One that writes memory is not.
// CHECK-LABEL: func.func @writing_kernel
// CHECK-NEXT:    accel.kernel "copy"
func.func @writing_kernel(%x: memref<4xf32, "ddr">, %y: memref<4xf32, "ddr">) {
  accel.kernel "copy" ins(%x : memref<4xf32, "ddr">) outs(%y : memref<4xf32, "ddr">) {
  ^bb0(%a: memref<4xf32, "ddr">, %b: memref<4xf32, "ddr">):
    stream.graph {
      %s = stream.read %a : memref<4xf32, "ddr"> -> !stream.stream<tensor<4xf32>, [], affine_map<() -> (0)>>
      stream.write %s to %b : !stream.stream<tensor<4xf32>, [], affine_map<() -> (0)>>, memref<4xf32, "ddr">
    }
  }
  func.return
}

// Constants of a body stay in it: kernels are isolated.
// CHECK-LABEL: func.func @isolated
// CHECK:         arith.constant 1 : index
// CHECK:         accel.kernel
// CHECK:           arith.constant 1 : index
func.func @isolated() -> (index, index) {
  %a = arith.constant 1 : index
  %b = accel.kernel "one" -> (index) {
    %c = arith.constant 1 : index
    accel.yield %c : index
  }
  func.return %a, %b : index, index
}
