// RUN: xdsl-opt %s --split-input-file --verify-diagnostics | filecheck %s

// `tier.alloc` (C1): the memory space of `buffer` is a tier, a string
// CHECK: expected a memref in a tier, got memref<8xi8, 1 : i32>
%b = tier.alloc : memref<8xi8, 1 : i32>

// -----

// `tier.alloc` (C2): the elements of `buffer` are whole bytes
// CHECK: expected a memref of whole-byte elements, got i1
%b = tier.alloc : memref<8xi1, "ddr">

// -----

// `tier.alloc` (C3): `buffer` has a static shape
// CHECK: expected `buffer` of static shape, got memref<?xi8, "ddr">
%b = tier.alloc : memref<?xi8, "ddr">

// -----

// `tier.alloc` (C4): `buffer` has no layout
// CHECK: expected a buffer without a layout, got strided<[8, 1]>
%b = tier.alloc : memref<2x4xi8, strided<[8, 1]>, "ddr">

// -----

// `tier.alloc` (C5): `offset_bytes` is at least 0
// CHECK: expected `offset` of at least 0, got -4
%b = tier.alloc offset -4 : memref<8xi8, "ddr">

// -----

// `tier.copy` (C1): `source` and `target` are in a tier
// CHECK: expected a memref in a tier, got memref<8xi8>
%a = "test.op"() : () -> memref<8xi8>
%b = "test.op"() : () -> memref<8xi8, "sram">
%e = tier.copy %a to %b : memref<8xi8> to memref<8xi8, "sram">

// -----

// `tier.copy` (C2): the elements of both are whole bytes
// CHECK: expected a memref of whole-byte elements, got !ternary.trit
%a = "test.op"() : () -> memref<8xi8, "ddr">
%b = "test.op"() : () -> memref<8x!ternary.trit, "sram">
%e = tier.copy %a to %b : memref<8xi8, "ddr"> to memref<8x!ternary.trit, "sram">

// -----

// `tier.copy` (C3): `source` has a static shape
// CHECK: expected `source` of static shape, got memref<?xi8, "ddr">
%a = "test.op"() : () -> memref<?xi8, "ddr">
%b = "test.op"() : () -> memref<8xi8, "sram">
%e = tier.copy %a to %b : memref<?xi8, "ddr"> to memref<8xi8, "sram">

// -----

// `tier.copy` (C4): `target` has the shape of `source`
// CHECK: expected `target` of shape 8, got shape 2x4
%a = "test.op"() : () -> memref<8xi8, "ddr">
%b = "test.op"() : () -> memref<2x4xi8, "sram">
%e = tier.copy %a to %b : memref<8xi8, "ddr"> to memref<2x4xi8, "sram">

// -----

// `tier.copy` (C5): `target` has the element type of `source`
// CHECK: expected `target` of i8, got i16
%a = "test.op"() : () -> memref<8xi8, "ddr">
%b = "test.op"() : () -> memref<8xi16, "sram">
%e = tier.copy %a to %b : memref<8xi8, "ddr"> to memref<8xi16, "sram">
