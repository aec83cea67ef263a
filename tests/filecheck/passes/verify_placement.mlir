// RUN: xdsl-opt %s --split-input-file --verify-diagnostics -p verify-placement | filecheck %s

// Two buffers at one offset, but never live at the same time.
// CHECK-LABEL: func.func @in_turn
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @in_turn(%x: memref<64xf32, "ddr">, %y: memref<64xf32, "ddr">) {
    %a = tier.alloc offset 0 : memref<64xf32, "sram">
    %b = tier.alloc offset 0 : memref<64xf32, "sram">
    %0 = tier.copy %x to %a : memref<64xf32, "ddr"> to memref<64xf32, "sram">
    %1 = tier.copy %a to %y after(%0) : memref<64xf32, "sram"> to memref<64xf32, "ddr">
    %2 = tier.copy %x to %b after(%1) : memref<64xf32, "ddr"> to memref<64xf32, "sram">
    %3 = tier.copy %b to %y after(%2) : memref<64xf32, "sram"> to memref<64xf32, "ddr">
    func.return
  }
}

// -----

// CHECK: buffer `%a` (bytes 0 to 256) and buffer `%b` (bytes 128 to 384) overlap in tier `sram` while both are live
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @at_once(%x: memref<64xf32, "ddr">, %y: memref<64xf32, "ddr">) {
    %a = tier.alloc offset 0 : memref<64xf32, "sram">
    %b = tier.alloc offset 128 : memref<64xf32, "sram">
    %0 = tier.copy %x to %a : memref<64xf32, "ddr"> to memref<64xf32, "sram">
    %1 = tier.copy %x to %b : memref<64xf32, "ddr"> to memref<64xf32, "sram">
    %2 = tier.copy %a to %y after(%0) : memref<64xf32, "sram"> to memref<64xf32, "ddr">
    func.return
  }
}

// -----

// CHECK: buffer `%a` (bytes 1048576 to 1048832) does not fit in tier `sram` of 1048576 bytes
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @too_far(%x: memref<64xf32, "ddr">) {
    %a = tier.alloc offset 1048576 : memref<64xf32, "sram">
    %0 = tier.copy %x to %a : memref<64xf32, "ddr"> to memref<64xf32, "sram">
    func.return
  }
}

// -----

// What has no buffers is left as it is.
// CHECK-LABEL: func.func @nothing
// CHECK-NEXT:    func.return
builtin.module attributes {accel.target = "tiny-npu"} {
  func.func @nothing() {
    func.return
  }
}
