// RUN: xdsl-opt %s -p canonicalize,cse | filecheck %s

// A buffer that nothing uses is dropped; two equal ones are two buffers.
// CHECK-LABEL: func.func @buffers
// CHECK-NEXT:    [[A:%.*]] = tier.alloc : memref<4xi8, "sram">
// CHECK-NEXT:    [[B:%.*]] = tier.alloc : memref<4xi8, "sram">
// CHECK-NEXT:    func.return [[A]], [[B]]
func.func @buffers() -> (memref<4xi8, "sram">, memref<4xi8, "sram">) {
  %a = tier.alloc : memref<4xi8, "sram">
  %b = tier.alloc : memref<4xi8, "sram">
  %c = tier.alloc : memref<4xi8, "sram">
  func.return %a, %b : memref<4xi8, "sram">, memref<4xi8, "sram">
}

// A copy starts after nothing that has happened, and once after one event.
// CHECK-LABEL: func.func @events
// CHECK-NEXT:    tier.copy %from to %to : memref
// CHECK-NEXT:    tier.copy %from to %to after(%e) {dfc.origin = "l:x"} : memref
func.func @events(%from: memref<4xi8, "ddr">, %to: memref<4xi8, "sram">, %e: !accel.event) {
  %start = accel.start
  %a = tier.copy %from to %to after(%start) : memref<4xi8, "ddr"> to memref<4xi8, "sram">
  %b = tier.copy %from to %to after(%e, %start, %e) {dfc.origin = "l:x"} : memref<4xi8, "ddr"> to memref<4xi8, "sram">
  func.return
}

// A copy moves bytes: it stays though nothing waits for it, and equal ones do not merge.
// CHECK-LABEL: func.func @copies_stay
// CHECK-NEXT:    tier.copy %from to %to after(%e)
// CHECK-NEXT:    tier.copy %from to %to after(%e)
func.func @copies_stay(%from: memref<4xi8, "ddr">, %to: memref<4xi8, "sram">, %e: !accel.event) {
  %a = tier.copy %from to %to after(%e) : memref<4xi8, "ddr"> to memref<4xi8, "sram">
  %b = tier.copy %from to %to after(%e) : memref<4xi8, "ddr"> to memref<4xi8, "sram">
  func.return
}
