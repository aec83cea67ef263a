"""Tests of launches of whole stream graphs: makespan, bytes, energy and FIFOs, for a graph that text gives."""

import pytest
from machine_testing import parse

from dfc.runtime.errors import ExecutionError
from dfc.runtime.graph import DeadlockError
from dfc.runtime.report import Report
from dfc.runtime.simulator import simulate_function

ROW = "!stream.stream<tensor<1x1xf32>, [4, 8], affine_map<(d0, d1) -> (d0, d1)>>"
SUM = "!stream.stream<tensor<1x1xf32>, [4], affine_map<(d0) -> (d0, 0)>>"

SHARES = """
!row = ROW
!sum = SUM
builtin.module attributes {accel.target = "stream-abstract", accel.target_set = {SET}} {
  func.func @main(%x: memref<4x8xf32, "memory">, %p: index) -> memref<4x8xf32, "memory"> {
    %y = tier.alloc offset 0 : memref<4x8xf32, "memory">
    %e = func.call @shares(%x, %p, %y) : (memref<4x8xf32, "memory">, index, memref<4x8xf32, "memory">) -> !accel.event
    accel.wait %e
    func.return %y : memref<4x8xf32, "memory">
  }
  func.func private @shares(%x: memref<4x8xf32, "memory">, %p: index, %y: memref<4x8xf32, "memory">) -> !accel.event attributes {accel.kernel = "shares"} {
    %e = accel.launch on "fabric" ins(%x, %p : memref<4x8xf32, "memory">, index) outs(%y : memref<4x8xf32, "memory">) {
    ^bb0(%v: tensor<4x8xf32>, %i: index, %old: tensor<4x8xf32>):
      %g = stream.graph BOUND -> tensor<4x8xf32> {
        %s = stream.read %v {in_place} : tensor<4x8xf32> -> !row
        %a, %b = stream.map on "fabric" (%s : !row) -> (!row, !row) {
        ^bb1(%t: tensor<1x1xf32>):
          %u = math.exp %t : tensor<1x1xf32>
          stream.yield %u, %u : tensor<1x1xf32>, tensor<1x1xf32>
        } {label = "exp"}
        %c = stream.reduce on "fabric" (%a : !row) inits [0.0 : f32] -> (!sum) {
        ^bb2(%t: tensor<1x1xf32>, %u: tensor<1x1xf32>):
          %w = arith.addf %t, %u : tensor<1x1xf32>
          stream.yield %w : tensor<1x1xf32>
        } {label = "sum"}
        %f = stream.fifo %b depth DEPTH {label = "held"} : !row
        %d = stream.map on "fabric" (%f, %c : !row, !sum) -> (!row) {
        ^bb3(%t: tensor<1x1xf32>, %u: tensor<1x1xf32>):
          %w = arith.divf %t, %u : tensor<1x1xf32>
          stream.yield %w : tensor<1x1xf32>
        } {label = "div"}
        %r = stream.write %d {label = "write"} : !row -> tensor<4x8xf32>
        stream.yield %r : tensor<4x8xf32>
      }
      accel.yield %g : tensor<4x8xf32>
    }
    func.return %e : !accel.event
  }
}
"""


def report(depth: int = 10, bound: str = "", sets: str = "", position: int = 0):
    """The report of a softmax's last three nodes over 4 rows of 8."""
    text = SHARES.replace("ROW", ROW).replace("SUM", SUM).replace("SET", sets)
    text = text.replace("DEPTH", str(depth)).replace("BOUND", bound)
    return simulate_function(parse(text), "main", {1: position})


def fifo(found: Report, name: str):
    """The row of a FIFO."""
    (row,) = [row for row in found.fifos if row.name == name]
    return row


def test_a_launch_takes_the_makespan():
    # exp fires in cycles 0 ... 31, sum one later; div of the first row at 9, as its sum is visible
    # then, of the last element at 9 + 31, and write one later: cycle 41, so 42 cycles
    found = report()
    assert found.cycles == 42
    # the busiest nodes fire 4 x 8 times
    assert sorted(found.parts.values()) == [10, 32]


def test_bytes_are_those_of_the_tokens_that_go_in_and_out():
    (memory,) = report().tiers
    assert (memory.read_bytes, memory.written_bytes) == (4 * 8 * 4, 4 * 8 * 4)


def test_a_slow_memory_sets_the_time():
    # 128 bytes in and 128 out over one channel of 2 bytes a cycle are 128 cycles, beside 42 of firings
    found = report(sets='"tier.memory.bytes_per_cycle" = 2 : i64')
    assert found.cycles == 128
    assert found.parts["tier.memory: transfer"] == 128 - 42
    # 8 bytes a cycle are faster than the graph
    assert report(sets='"tier.memory.bytes_per_cycle" = 8 : i64').cycles == 42


def test_operations_are_one_per_node_and_firing():
    (kernel,) = report().kernels
    assert kernel.operations == 3 * 4 * 8
    assert kernel.unit == "fabric"


def test_fifos_say_how_full_they_were_and_what_they_stalled():
    found = report()
    held = fifo(found, "held")
    # from exp's first firing at 0 until div takes it at 9, as the sender sees it
    assert (held.kernel, held.depth, held.peak_occupancy) == ("shares", 10, 10)
    # div waits for the first sum 8 cycles longer than for the first element
    assert fifo(found, "sum->div").stalls["starved"] >= 8
    # one token less of room makes exp wait
    assert fifo(report(depth=9), "held").stalls["blocked"] > 0
    assert report(depth=9).cycles > found.cycles


def test_a_bound_makes_the_time_depend_on_its_control_value():
    bound = "bound affine_map<(d0)[s0] -> (s0 + d0 + 1)> (%i)"
    # rows of 1, 2, 3, 4 elements, then of 5, 6, 7, 8
    assert report(bound=bound).cycles < report(bound=bound, position=4).cycles
    (memory,) = report(bound=bound).tiers
    assert memory.read_bytes == (1 + 2 + 3 + 4) * 4


def test_a_deadlock_names_its_circle():
    message = "kernel `shares`: .*`exp` waits for room in `held`"
    with pytest.raises(ExecutionError, match=message) as found:
        report(depth=7)
    assert isinstance(found.value.__cause__, DeadlockError)
    nodes = [wait.node for wait in found.value.__cause__.cycle]
    assert nodes == ["exp", "div", "sum"]


def test_a_unit_that_takes_turns_holds_no_graph():
    text = SHARES.replace("ROW", ROW).replace("SUM", SUM).replace("SET", "")
    text = text.replace("DEPTH", "10").replace("BOUND", "")
    for old, new in (
        ("stream-abstract", "tiny-npu"),
        ("fabric", "vector"),
        ("memory", "ddr"),
    ):
        text = text.replace(f'"{old}"', f'"{new}"')
    with pytest.raises(
        ExecutionError,
        match="kernel `shares`: expected a unit that holds a graph as a whole, got `vector` of kind vector",
    ):
        simulate_function(parse(text), "main", {1: 0})


GATHER = """
!id = !stream.stream<tensor<1xi64>, [3], affine_map<(d0) -> (d0)>>
!row = !stream.stream<tensor<1x8xf32>, [3], affine_map<(d0) -> (d0, 0)>>
!table = !stream.stream<tensor<100x8xf32>, [], affine_map<() -> (0, 0)>>
builtin.module attributes {accel.target = "stream-abstract"} {
  func.func @main(%x: memref<3xi64, "memory">, %w: memref<100x8xf32, "memory">, %p: index) -> memref<3x8xf32, "memory"> {
    %y = tier.alloc offset 0 : memref<3x8xf32, "memory">
    %e = accel.launch on "fabric" ins(%x, %w, %p : memref<3xi64, "memory">, memref<100x8xf32, "memory">, index) outs(%y : memref<3x8xf32, "memory">) {
    ^bb0(%v: tensor<3xi64>, %t: tensor<100x8xf32>, %i: index, %old: tensor<3x8xf32>):
      %g = stream.graph -> tensor<3x8xf32> {
        %s = stream.read %v {in_place} : tensor<3xi64> -> !id
        %r = stream.read %t {in_place} : tensor<100x8xf32> -> !table
        %u = stream.map on "fabric" (%s, %r : !id, !table) control(%i) -> (!row) {
        ^bb1(%id: tensor<1xi64>, %rows: tensor<100x8xf32>, %at: index):
          %o = tensor.empty() : tensor<1x8xf32>
          %d = linalg.generic {indexing_maps = [affine_map<(a, b) -> (a)>, affine_map<(a, b) -> (a, b)>], iterator_types = ["parallel", "parallel"]} ins(%id : tensor<1xi64>) outs(%o : tensor<1x8xf32>) {
          ^bb2(%n: i64, %q: f32):
            %c = arith.index_cast %n : i64 to index
            %k = linalg.index 1 : index
            %z = tensor.extract %rows[%c, %k] : tensor<100x8xf32>
            linalg.yield %z : f32
          } -> tensor<1x8xf32>
          stream.yield %d : tensor<1x8xf32>
        }
        %b = stream.write %u : !row -> tensor<3x8xf32>
        stream.yield %b : tensor<3x8xf32>
      }
      accel.yield %g : tensor<3x8xf32>
    }
    accel.wait %e
    func.return %y : memref<3x8xf32, "memory">
  }
}
"""


def test_a_gather_reads_what_it_takes_of_a_table():
    (memory,) = simulate_function(parse(GATHER), "main", {2: 0}).tiers
    # three ids of 8 bytes and three rows of 32, of a table of 3,200
    assert memory.read_bytes == 3 * 8 + 3 * 32


def test_what_only_a_body_takes_does_not_set_the_time():
    # rates are static, so the index argument's value is not needed
    assert simulate_function(parse(GATHER), "main").cycles == 4
