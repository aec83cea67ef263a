// RUN: dfc simulate %s -t tiny-npu | filecheck %s
// RUN: dfc simulate %s -t tiny-npu --json | filecheck %s --check-prefix=JSON
// RUN: dfc run %s -t tiny-npu | filecheck %s --check-prefix=VALUES

// Eight rows of 256 bytes go on chip, are doubled, and come back.
// CHECK:      target {{.*}} tiny-npu
// CHECK:      Kernels
// CHECK:      main {{.*}} vector
// CHECK:      ddr {{.*}} 2,048 {{.*}} 2,048

// JSON:       "target": "tiny-npu"
// JSON:       "read_bytes": 2048

// VALUES:     main.0 {{.*}} 8x64 {{.*}} float32
// VALUES:     lowered: 100%
func.func @main(%x: memref<8x64xf32, "ddr">) -> memref<8x64xf32, "ddr"> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %start = accel.start
  %in = tier.alloc offset 0 : memref<1x64xf32, "sram">
  %out = tier.alloc offset 256 : memref<1x64xf32, "sram">
  %y = tier.alloc offset 0 : memref<8x64xf32, "ddr">
  %end = scf.for %i = %c0 to %c8 step %c1 iter_args(%last = %start) -> (!accel.event) {
    %from = memref.subview %x[%i, 0] [1, 64] [1, 1] : memref<8x64xf32, "ddr"> to memref<1x64xf32, strided<[64, 1], offset: ?>, "ddr">
    %to = memref.subview %y[%i, 0] [1, 64] [1, 1] : memref<8x64xf32, "ddr"> to memref<1x64xf32, strided<[64, 1], offset: ?>, "ddr">
    %there = tier.copy %from to %in after(%last) : memref<1x64xf32, strided<[64, 1], offset: ?>, "ddr"> to memref<1x64xf32, "sram">
    %ran = accel.launch on "vector" after(%there) ins(%in : memref<1x64xf32, "sram">) outs(%out : memref<1x64xf32, "sram">) {
    ^bb0(%v: tensor<1x64xf32>, %old: tensor<1x64xf32>):
      %w = arith.addf %v, %v : tensor<1x64xf32>
      accel.yield %w : tensor<1x64xf32>
    }
    %back = tier.copy %out to %to after(%ran) : memref<1x64xf32, "sram"> to memref<1x64xf32, strided<[64, 1], offset: ?>, "ddr">
    scf.yield %back : !accel.event
  }
  accel.wait %end
  func.return %y : memref<8x64xf32, "ddr">
}
