// RUN: xdsl-opt %s --split-input-file -p 'attach-target{target="tiny-npu" set="clock_mhz=400","name=tiny-npu"}' | filecheck %s

// CHECK:       builtin.module attributes {accel.target = "tiny-npu", accel.target_set = {clock_mhz = 400 : i64, name = "tiny-npu"}} {
// CHECK-LABEL:   func.func @none
builtin.module {
  func.func @none() {
    func.return
  }
}

// -----

// Another target is there: it goes, and its overrides with it. Other attributes stay.
// CHECK:       builtin.module attributes {accel.target = "tiny-npu", dfc.note = "kept", accel.target_set = {clock_mhz = 400 : i64, name = "tiny-npu"}} {
// CHECK-LABEL:   func.func @replace
builtin.module attributes {accel.target = "other", accel.target_set = {lanes = 3 : i64}, dfc.note = "kept"} {
  func.func @replace() {
    func.return
  }
}
