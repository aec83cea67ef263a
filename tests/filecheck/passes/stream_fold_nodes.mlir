// RUN: xdsl-opt %s -p stream-fold-nodes | filecheck %s
// RUN: xdsl-opt %s -p 'stream-fold-nodes{nodes="fork","repeat"}' | filecheck %s --check-prefix=READS

// A softmax without its exponential: both forks, the repeat and the read go into their neighbours.
// CHECK-LABEL: func.func @all
// CHECK:         [[X:%.*]] = stream.read %x {in_place}
// CHECK-NEXT:    [[A:%.*]], [[B:%.*]] = stream.map([[X]] :
// CHECK-NEXT:    ^bb0
// CHECK-NEXT:      [[Y:%.*]] = arith.addf
// CHECK-NEXT:      stream.yield [[Y]], [[Y]]
// CHECK:         [[M:%.*]], [[N:%.*]] = stream.reduce([[A]] : {{.*}}) inits [0xff800000 : f32, 0xff800000 : f32] ->
// CHECK-NEXT:    ^bb0([[OLD:%.*]]: tensor<1x1xf32>, %{{.*}}: tensor<1x1xf32>, [[V:%.*]]: tensor<1x1xf32>):
// CHECK-NEXT:      [[TOP:%.*]] = arith.maximumf [[OLD]], [[V]]
// CHECK-NEXT:      stream.yield [[TOP]], [[TOP]]
// CHECK:         stream.map([[B]], [[M]] : {{.*}}, !stream.stream<tensor<1x1xf32>, [4], {{.*}}>) ->
// CHECK-NOT:     stream.repeat
// CHECK-NOT:     stream.fork
// CHECK:         stream.write [[N]]
// The read as a node of its own.
// READS-LABEL: func.func @all
// READS:         stream.read %x : tensor<4x6xf32>
// READS-NOT:     stream.repeat
// READS-NOT:     stream.fork
// READS:         func.return
func.func @all(%x: tensor<4x6xf32>) -> (tensor<4x6xf32>, tensor<4x1xf32>) {
  %r0, %r1 = stream.graph -> tensor<4x6xf32>, tensor<4x1xf32> {
    %s = stream.read %x : tensor<4x6xf32> -> !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>
    %t = stream.map (%s : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>):
      %y = arith.addf %v, %v : tensor<1x1xf32>
      stream.yield %y : tensor<1x1xf32>
    }
    %a, %b = stream.fork %t : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>> -> (!stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>)
    %m = stream.reduce (%a : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>) inits [0xFF800000 : f32] -> (!stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>) {
    ^bb0(%old: tensor<1x1xf32>, %v: tensor<1x1xf32>):
      %top = arith.maximumf %old, %v : tensor<1x1xf32>
      stream.yield %top : tensor<1x1xf32>
    }
    %c, %d = stream.fork %m : !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>> -> (!stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>, !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>)
    %e = stream.repeat %c : !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>> -> !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, 0)>>
    %f = stream.map (%b, %e : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, 0)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>, %top: tensor<1x1xf32>):
      %y = arith.subf %v, %top : tensor<1x1xf32>
      stream.yield %y : tensor<1x1xf32>
    }
    %w = stream.write %f : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>> -> tensor<4x6xf32>
    %u = stream.write %d : !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>> -> tensor<4x1xf32>
    stream.yield %w, %u : tensor<4x6xf32>, tensor<4x1xf32>
  }
  func.return %r0, %r1 : tensor<4x6xf32>, tensor<4x1xf32>
}

// A repeated stream that goes two ways is held by both nodes; the fork before them, which reads the
// tensor once for both, is the node that is left.
// CHECK-LABEL: func.func @both_ways
// CHECK:         [[X:%.*]] = stream.read %x {label = "rows", in_place}
// CHECK:         [[A:%.*]], [[B:%.*]] = stream.fork [[X]]
// CHECK:         stream.map(%{{.*}}, [[A]] :
// CHECK:         stream.scan([[B]], %{{.*}} : {{.*}}) inits [0.000000e+00 : f32] over 1 -> ({{.*}}, {{.*}}) {
// CHECK:           [[Y:%.*]] = arith.mulf
// CHECK-NEXT:      [[SUM:%.*]] = arith.addf
// CHECK-NEXT:      stream.yield [[SUM]], [[Y]], [[Y]]
func.func @both_ways(%x: tensor<4x1xf32>, %z: tensor<4x6xf32>) -> (tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>) {
  %r0, %r1, %r2 = stream.graph -> tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32> {
    %s = stream.read %x {label = "rows"} : tensor<4x1xf32> -> !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>
    %e = stream.repeat %s : !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>> -> !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, 0)>>
    %a, %b = stream.fork %e : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, 0)>> -> (!stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, 0)>>, !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, 0)>>)
    %c = stream.read %z : tensor<4x6xf32> -> !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>
    %d = stream.read %z : tensor<4x6xf32> -> !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>
    %f = stream.map (%c, %a : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, 0)>>) -> (!stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<1x1xf32>, %top: tensor<1x1xf32>):
      %y = arith.subf %v, %top : tensor<1x1xf32>
      stream.yield %y : tensor<1x1xf32>
    }
    %g = stream.scan (%b, %d : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, 0)>>, !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>) inits [0.0 : f32] over 1 -> (!stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%sum: tensor<1x1xf32>, %top: tensor<1x1xf32>, %v: tensor<1x1xf32>):
      %y = arith.mulf %v, %top : tensor<1x1xf32>
      %new = arith.addf %sum, %y : tensor<1x1xf32>
      stream.yield %new, %y : tensor<1x1xf32>, tensor<1x1xf32>
    }
    %h, %k = stream.fork %g : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>> -> (!stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>>)
    %w = stream.write %f : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>> -> tensor<4x6xf32>
    %u = stream.write %h : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>> -> tensor<4x6xf32>
    %o = stream.write %k : !stream.stream<tensor<1x1xf32>, [4, 6], affine_map<(i, j) -> (i, j)>> -> tensor<4x6xf32>
    stream.yield %w, %u, %o : tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>
  }
  func.return %r0, %r1, %r2 : tensor<4x6xf32>, tensor<4x6xf32>, tensor<4x6xf32>
}

// Nothing to do: the read stands over the edge, the repeat alone brings the inner trips, a FIFO keeps
// the fork away from the node before it, and a read that goes to a write is the node that copies.
// CHECK-LABEL: func.func @stay
// CHECK:         stream.read %x :
// CHECK-NEXT:    stream.repeat
// CHECK-NEXT:    stream.map
// CHECK:         [[F:%.*]] = stream.fifo
// CHECK-NEXT:    stream.fork [[F]]
// CHECK:         [[G:%.*]] = stream.read %z :
// CHECK-NEXT:    stream.write [[G]]
func.func @stay(%x: tensor<7x1xf32>, %z: tensor<4x1xf32>) -> (tensor<7x3xf32>, tensor<7x3xf32>, tensor<4x1xf32>) {
  %r0, %r1, %r2 = stream.graph -> tensor<7x3xf32>, tensor<7x3xf32>, tensor<4x1xf32> {
    %s = stream.read %x : tensor<7x1xf32> -> !stream.stream<tensor<2x1xf32>, [4], affine_map<(i) -> (i, 0)>>
    %e = stream.repeat %s : !stream.stream<tensor<2x1xf32>, [4], affine_map<(i) -> (i, 0)>> -> !stream.stream<tensor<2x1xf32>, [4, 3], affine_map<(i, j) -> (i, 0)>>
    %t = stream.map (%e : !stream.stream<tensor<2x1xf32>, [4, 3], affine_map<(i, j) -> (i, 0)>>) -> (!stream.stream<tensor<2x1xf32>, [4, 3], affine_map<(i, j) -> (i, j)>>) {
    ^bb0(%v: tensor<2x1xf32>):
      %y = arith.addf %v, %v : tensor<2x1xf32>
      stream.yield %y : tensor<2x1xf32>
    }
    %f = stream.fifo %t depth 4 : !stream.stream<tensor<2x1xf32>, [4, 3], affine_map<(i, j) -> (i, j)>>
    %a, %b = stream.fork %f : !stream.stream<tensor<2x1xf32>, [4, 3], affine_map<(i, j) -> (i, j)>> -> (!stream.stream<tensor<2x1xf32>, [4, 3], affine_map<(i, j) -> (i, j)>>, !stream.stream<tensor<2x1xf32>, [4, 3], affine_map<(i, j) -> (i, j)>>)
    %w = stream.write %a : !stream.stream<tensor<2x1xf32>, [4, 3], affine_map<(i, j) -> (i, j)>> -> tensor<7x3xf32>
    %u = stream.write %b : !stream.stream<tensor<2x1xf32>, [4, 3], affine_map<(i, j) -> (i, j)>> -> tensor<7x3xf32>
    %c = stream.read %z : tensor<4x1xf32> -> !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>>
    %o = stream.write %c : !stream.stream<tensor<1x1xf32>, [4], affine_map<(i) -> (i, 0)>> -> tensor<4x1xf32>
    stream.yield %w, %u, %o : tensor<7x3xf32>, tensor<7x3xf32>, tensor<4x1xf32>
  }
  func.return %r0, %r1, %r2 : tensor<7x3xf32>, tensor<7x3xf32>, tensor<4x1xf32>
}
