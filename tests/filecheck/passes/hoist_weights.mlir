// RUN: xdsl-opt %s --split-input-file -p hoist-weights | filecheck %s

// Both entries need the same trits: they are made once. The order of results is that of first use.
// CHECK-LABEL: func.func @weights
// CHECK-SAME:      %{{.*}}: tensor<16xf32> {dfc.weight = "norm"}
// CHECK-SAME:      [[W:%[a-z0-9_]+]]: tensor<16x16xf32> {dfc.weight = "up"}
// CHECK-NEXT:    [[T:%[a-z0-9_]+]], [[C:%[a-z0-9_]+]] = ternary.ternarize [[W]]
// CHECK-NEXT:    func.return %{{.*}}, [[T]], [[C]]
// CHECK-LABEL: func.func @prefill
// CHECK-SAME:      %x: tensor<4x16xf32>, %{{.*}}: tensor<16xf32> {dfc.weight = "@weights:0"}, [[T:%[a-z0-9_]+]]: tensor<16x16x!ternary.trit> {dfc.weight = "@weights:1"}, [[C:%[a-z0-9_]+]]: tensor<f32> {dfc.weight = "@weights:2"})
// CHECK-NEXT:    ternary.linear %x, [[T]] scale [[C]]
// CHECK-LABEL: func.func @decode
// CHECK-SAME:      %x: tensor<1x16xf32>, [[T:%[a-z0-9_]+]]: tensor<16x16x!ternary.trit> {dfc.weight = "@weights:1"}, [[C:%[a-z0-9_]+]]: tensor<f32> {dfc.weight = "@weights:2"})
// CHECK-NEXT:    ternary.linear %x, [[T]] scale [[C]]
func.func @prefill(%g: tensor<16xf32> {dfc.weight = "norm"}, %w: tensor<16x16xf32> {dfc.weight = "up"}, %x: tensor<4x16xf32>) -> (tensor<4x16xf32>, tensor<16xf32>) {
  %t, %c = ternary.ternarize %w {dfc.origin = "up:a"} : tensor<16x16xf32> -> (tensor<16x16x!ternary.trit>, tensor<f32>)
  %y = ternary.linear %x, %t scale %c : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  func.return %y, %g : tensor<4x16xf32>, tensor<16xf32>
}
func.func @decode(%x: tensor<1x16xf32>, %w: tensor<16x16xf32> {dfc.weight = "up"}) -> tensor<1x16xf32> {
  %t, %c = ternary.ternarize %w {dfc.origin = "up:b"} : tensor<16x16xf32> -> (tensor<16x16x!ternary.trit>, tensor<f32>)
  %y = ternary.linear %x, %t scale %c : (tensor<1x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<1x16xf32>
  func.return %y : tensor<1x16xf32>
}

// -----

// The work of a repeated layer is done for each of its calls, under that layer's name.
// CHECK-LABEL: func.func @weights
// CHECK:         ternary.ternarize %{{.*}} {dfc.origin = "layers.0.up:t"}
// CHECK-NEXT:    ternary.ternarize %{{.*}} {dfc.origin = "layers.1.up:t"}
// CHECK-LABEL: func.func @layers
// CHECK-SAME:      [[T0:%[a-z0-9_]+]]: tensor<16x16x!ternary.trit> {dfc.weight = "@weights:0"}, [[C0:%[a-z0-9_]+]]: tensor<f32> {dfc.weight = "@weights:1"}, [[T1:%[a-z0-9_]+]]: tensor<16x16x!ternary.trit> {dfc.weight = "@weights:2"}, [[C1:%[a-z0-9_]+]]: tensor<f32> {dfc.weight = "@weights:3"})
// CHECK-NEXT:    [[Y:%[a-z0-9_]+]] = func.call @layer(%x, [[T0]], [[C0]])
// CHECK-NEXT:    func.call @layer([[Y]], [[T1]], [[C1]])
// CHECK-LABEL: func.func private @layer
// CHECK-NEXT:    ternary.linear
func.func @layers(%x: tensor<4x16xf32>, %u: tensor<16x16xf32> {dfc.weight = "layers.0.up"}, %v: tensor<16x16xf32> {dfc.weight = "layers.1.up"}) -> tensor<4x16xf32> {
  %y = func.call @layer(%x, %u) {dfc.origin = "layers.0:call"} : (tensor<4x16xf32>, tensor<16x16xf32>) -> tensor<4x16xf32>
  %z = func.call @layer(%y, %v) {dfc.origin = "layers.1:call"} : (tensor<4x16xf32>, tensor<16x16xf32>) -> tensor<4x16xf32>
  func.return %z : tensor<4x16xf32>
}
func.func private @layer(%x: tensor<4x16xf32>, %w: tensor<16x16xf32>) -> tensor<4x16xf32> {
  %t, %c = ternary.ternarize %w {dfc.origin = "layers.*.up:t"} : tensor<16x16xf32> -> (tensor<16x16x!ternary.trit>, tensor<f32>)
  %y = ternary.linear %x, %t scale %c : (tensor<4x16xf32>, tensor<16x16x!ternary.trit>, tensor<f32>) -> tensor<4x16xf32>
  func.return %y : tensor<4x16xf32>
}

// -----

// Packing has appeared since the last run: it joins the other work, and the trits are no result any more.
// CHECK-LABEL: func.func @weights
// CHECK-NEXT:    [[T:%[a-z0-9_]+]], [[C:%[a-z0-9_]+]] = ternary.ternarize %w
// CHECK-NEXT:    [[P:%[a-z0-9_]+]] = ternary.pack [[T]]
// CHECK-NEXT:    func.return [[C]], [[P]] : tensor<f32>, tensor<1x64xi8>
// CHECK-LABEL: func.func @again
// CHECK-SAME:      (%c: tensor<f32> {dfc.weight = "@weights:0"}, [[P:%[a-z0-9_]+]]: tensor<1x64xi8> {dfc.weight = "@weights:1"})
// CHECK-NEXT:    func.return %c, [[P]]
func.func @weights(%w: tensor<16x16xf32> {dfc.weight = "up"}) -> (tensor<16x16x!ternary.trit>, tensor<f32>) {
  %t, %c = ternary.ternarize %w : tensor<16x16xf32> -> (tensor<16x16x!ternary.trit>, tensor<f32>)
  func.return %t, %c : tensor<16x16x!ternary.trit>, tensor<f32>
}
func.func @again(%t: tensor<16x16x!ternary.trit> {dfc.weight = "@weights:0"}, %c: tensor<f32> {dfc.weight = "@weights:1"}) -> (tensor<f32>, tensor<1x64xi8>) {
  %p = ternary.pack %t {packing = #ternary.packing<trits1in2, order = rows>, tile = array<i64: 16, 16>} : tensor<16x16x!ternary.trit> -> tensor<1x64xi8>
  func.return %c, %p : tensor<f32>, tensor<1x64xi8>
}

// -----

// The second call gives the layer an input, not a weight: its work stays. There is no weight at all.
// CHECK-NOT:   @weights
// CHECK-LABEL: func.func @inputs
// CHECK-LABEL: func.func private @layer
// CHECK-NEXT:    ternary.ternarize
func.func @inputs(%u: tensor<16x16xf32>, %v: tensor<16x16xf32>) -> tensor<f32> {
  %y = func.call @layer(%u) : (tensor<16x16xf32>) -> tensor<f32>
  %z = func.call @layer(%v) : (tensor<16x16xf32>) -> tensor<f32>
  func.return %z : tensor<f32>
}
func.func private @layer(%w: tensor<16x16xf32>) -> tensor<f32> {
  %t, %c = ternary.ternarize %w : tensor<16x16xf32> -> (tensor<16x16x!ternary.trit>, tensor<f32>)
  func.return %c : tensor<f32>
}

// -----

// Bytes in the packing that is wanted are the result themselves; in another order they are packed again.
// CHECK-LABEL: func.func @weights
// CHECK-SAME:      (%p: tensor<1x64xi8> {dfc.weight = "up"})
// CHECK-NEXT:    [[W:%[a-z0-9_]+]] = ternary.unpack %p
// CHECK-NEXT:    [[R:%[a-z0-9_]+]] = ternary.pack [[W]] {{.*}}order = rows
// CHECK-NEXT:    func.return %p, [[R]]
func.func @packed(%p: tensor<1x64xi8> {dfc.weight = "up"}) -> (tensor<1x64xi8>, tensor<1x64xi8>) {
  %w = ternary.unpack %p {packing = #ternary.packing<trits1in2, order = quarters>} : tensor<1x64xi8> -> tensor<16x16x!ternary.trit>
  %s = ternary.pack %w {packing = #ternary.packing<trits1in2, order = quarters>, tile = array<i64: 16, 16>} : tensor<16x16x!ternary.trit> -> tensor<1x64xi8>
  %r = ternary.pack %w {packing = #ternary.packing<trits1in2, order = rows>, tile = array<i64: 16, 16>} : tensor<16x16x!ternary.trit> -> tensor<1x64xi8>
  func.return %s, %r : tensor<1x64xi8>, tensor<1x64xi8>
}
