// RUN: xdsl-opt %s -p canonicalize,cse | filecheck %s

// A copy that nothing uses goes; the only copy left is the stream itself.
// CHECK-LABEL: func.func @fork_of_one
// CHECK:           [[S:%.*]] = stream.read
// CHECK-NEXT:      stream.write [[S]]
// CHECK-NOT:       stream.fork
func.func @fork_of_one(%x: tensor<16xf32>) -> tensor<16xf32> {
  %r = stream.graph -> tensor<16xf32> {
    %s = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>
    %a, %b = stream.fork %s : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>> -> (!stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>, !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>)
    %y = stream.write %b : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>> -> tensor<16xf32>
    stream.yield %y : tensor<16xf32>
  }
  func.return %r : tensor<16xf32>
}

// CHECK-LABEL: func.func @fork_of_two
// CHECK:           [[A:%.*]], [[B:%.*]] = stream.fork %s {dfc.origin = "l:x", latency = 3 : i64} :
// CHECK-NEXT:      stream.write [[A]]
// CHECK-NEXT:      stream.write [[B]]
func.func @fork_of_two(%x: tensor<16xf32>, %m: memref<16xf32, "ddr">, %n: memref<16xf32, "ddr">) {
  stream.graph {
    %s = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>
    %a, %b, %c = stream.fork %s {latency = 3 : i64, dfc.origin = "l:x"} : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>> -> (!stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>, !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>, !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>)
    stream.write %a to %m : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>, memref<16xf32, "ddr">
    stream.write %c to %n : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>, memref<16xf32, "ddr">
  }
  func.return
}

// Two equal reads stay two streams, each with its one use.
// CHECK-LABEL: func.func @linear
// CHECK:           [[S:%.*]] = stream.read
// CHECK-NEXT:      [[T:%.*]] = stream.read
// CHECK-NEXT:      stream.write [[S]]
// CHECK-NEXT:      stream.write [[T]]
func.func @linear(%x: memref<16xf32, "ddr">, %m: memref<16xf32, "ddr">, %n: memref<16xf32, "ddr">) {
  stream.graph {
    %s = stream.read %x : memref<16xf32, "ddr"> -> !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>
    %t = stream.read %x : memref<16xf32, "ddr"> -> !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>
    stream.write %s to %m : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>, memref<16xf32, "ddr">
    stream.write %t to %n : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>, memref<16xf32, "ddr">
  }
  func.return
}

// Nodes that lead nowhere go: a map, its FIFO, its read; a tensor that is written and not used.
// CHECK-LABEL: func.func @dead_nodes
// CHECK-NEXT:    stream.graph -> tensor<16xf32> {
// CHECK-NEXT:      [[S:%.*]] = stream.read
// CHECK-NEXT:      [[Y:%.*]] = stream.write [[S]]
// CHECK-NEXT:      stream.yield [[Y]]
func.func @dead_nodes(%x: tensor<16xf32>) -> tensor<16xf32> {
  %r = stream.graph -> tensor<16xf32> {
    %s = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>
    %t = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>
    %u = stream.fifo %t depth 4 : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>
    %v = stream.map (%u : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>) {
    ^bb0(%a: tensor<8xf32>):
      %b = arith.addf %a, %a : tensor<8xf32>
      stream.yield %b : tensor<8xf32>
    }
    %z = stream.write %v : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>> -> tensor<16xf32>
    %y = stream.write %s : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>> -> tensor<16xf32>
    stream.yield %y : tensor<16xf32>
  }
  func.return %r : tensor<16xf32>
}

// A body with an effect keeps its node, though nothing uses the stream.
// CHECK-LABEL: func.func @effects
// CHECK:           stream.map
// CHECK:             "test.op"()
func.func @effects(%x: tensor<16xf32>) {
  stream.graph {
    %s = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>
    %v = stream.map (%s : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>) -> (!stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>) {
    ^bb0(%a: tensor<8xf32>):
      "test.op"() : () -> ()
      stream.yield %a : tensor<8xf32>
    }
  }
  func.return
}

// Trips of one body merge; those of two bodies do not: bodies are isolated.
// CHECK-LABEL: func.func @index
// CHECK:           stream.reduce
// CHECK:             [[I:%.*]] = stream.index 1
// CHECK-NEXT:        "test.op"({{.*}}, [[I]], [[I]])
// CHECK:           stream.map
// CHECK:             stream.index 0
func.func @index(%x: tensor<8x8xf32>) -> tensor<8xf32> {
  %r = stream.graph -> tensor<8xf32> {
    %s = stream.read %x : tensor<8x8xf32> -> !stream.stream<tensor<1x1xf32>, [8, 8], affine_map<(i, j) -> (i, j)>>
    %t = stream.reduce (%s : !stream.stream<tensor<1x1xf32>, [8, 8], affine_map<(i, j) -> (i, j)>>) inits [0.0 : f32] -> (!stream.stream<tensor<1xf32>, [8], affine_map<(i) -> (i)>>) {
    ^bb0(%acc: tensor<1xf32>, %a: tensor<1x1xf32>):
      %i = stream.index 1
      %j = stream.index 1
      %b = "test.op"(%acc, %a, %i, %j) : (tensor<1xf32>, tensor<1x1xf32>, index, index) -> tensor<1xf32>
      stream.yield %b : tensor<1xf32>
    }
    %u = stream.map (%t : !stream.stream<tensor<1xf32>, [8], affine_map<(i) -> (i)>>) -> (!stream.stream<tensor<1xf32>, [8], affine_map<(i) -> (i)>>) {
    ^bb0(%a: tensor<1xf32>):
      %i = stream.index 0
      %b = "test.op"(%a, %i) : (tensor<1xf32>, index) -> tensor<1xf32>
      stream.yield %b : tensor<1xf32>
    }
    %y = stream.write %u : !stream.stream<tensor<1xf32>, [8], affine_map<(i) -> (i)>> -> tensor<8xf32>
    stream.yield %y : tensor<8xf32>
  }
  func.return %r : tensor<8xf32>
}

// A stream converted to its own type is itself; to another order it is not.
// CHECK-LABEL: func.func @converted
// CHECK:           [[S:%.*]] = stream.read
// CHECK-NEXT:      [[T:%.*]] = stream.convert [[S]]
// CHECK-NEXT:      stream.write [[T]]
func.func @converted(%x: tensor<16xf32>) -> tensor<16xf32> {
  %r = stream.graph -> tensor<16xf32> {
    %s = stream.read %x : tensor<16xf32> -> !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>
    %t = stream.convert %s : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>> -> !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>>
    %u = stream.convert %t : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (i)>> -> !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (1 - i)>>
    %y = stream.write %u : !stream.stream<tensor<8xf32>, [2], affine_map<(i) -> (1 - i)>> -> tensor<16xf32>
    stream.yield %y : tensor<16xf32>
  }
  func.return %r : tensor<16xf32>
}
