// RUN: dfc opt %s -t tiny-npu --set clock_mhz=250 | filecheck %s

// CHECK:      builtin.module attributes {
// CHECK-SAME:   accel.target = "tiny-npu"
// CHECK-SAME:   accel.target_set = {clock_mhz = 250 : i64}
func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
  func.return %x : tensor<2xf32>
}
