// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s --print-op-generic | filecheck %s --check-prefix=GENERIC

// A tier is the memory space; the offset is there once a buffer is placed. i1 stands in memory as i8.
// CHECK-LABEL:   func.func @alloc
// CHECK-NEXT:      %b = tier.alloc offset 4096 : memref<2x24576xi8, "uram">
// CHECK-NEXT:      %c = tier.alloc : memref<8xf16, "ddr">
// CHECK-NEXT:      %d = tier.alloc {dfc.origin = "l:x"} : memref<i32, "ddr">
// GENERIC:         "tier.alloc"() <{offset_bytes = 4096 : i64}> : () -> memref<2x24576xi8, "uram">
// GENERIC-NEXT:    "tier.alloc"() : () -> memref<8xf16, "ddr">
// GENERIC-NEXT:    "tier.alloc"() {dfc.origin = "l:x"} : () -> memref<i32, "ddr">
func.func @alloc() {
  %b = tier.alloc offset 4096 : memref<2x24576xi8, "uram">
  %c = tier.alloc : memref<8xf16, "ddr">
  %d = tier.alloc {dfc.origin = "l:x"} : memref<i32, "ddr">
  func.return
}

// CHECK-LABEL:   func.func @copy
// CHECK-NEXT:      %there = tier.copy %from to %slot after(%old) : memref<24576xi8, "ddr"> to memref<24576xi8, "uram">
// CHECK-NEXT:      %now = tier.copy %from to %slot : memref<24576xi8, "ddr"> to memref<24576xi8, "uram">
// GENERIC:         "tier.copy"(%from, %slot, %old) : (memref<24576xi8, "ddr">, memref<24576xi8, "uram">, !accel.event) -> !accel.event
// GENERIC-NEXT:    "tier.copy"(%from, %slot) : (memref<24576xi8, "ddr">, memref<24576xi8, "uram">) -> !accel.event
func.func @copy(%from: memref<24576xi8, "ddr">, %slot: memref<24576xi8, "uram">, %old: !accel.event) {
  %there = tier.copy %from to %slot after(%old) : memref<24576xi8, "ddr"> to memref<24576xi8, "uram">
  %now = tier.copy %from to %slot : memref<24576xi8, "ddr"> to memref<24576xi8, "uram">
  func.return
}

// Views are subviews; source and target have one shape, not one layout.
// CHECK-LABEL:   func.func @views
// CHECK:           %there = tier.copy %from to %slot : memref<4x8xf32, strided<[32, 1], offset: ?>, "ddr"> to memref<4x8xf32, "sram">
func.func @views(%x: memref<64x32xf32, "ddr">, %slot: memref<4x8xf32, "sram">, %i: index) {
  %from = memref.subview %x[%i, 0] [4, 8] [1, 1] : memref<64x32xf32, "ddr"> to memref<4x8xf32, strided<[32, 1], offset: ?>, "ddr">
  %there = tier.copy %from to %slot : memref<4x8xf32, strided<[32, 1], offset: ?>, "ddr"> to memref<4x8xf32, "sram">
  func.return
}
