"""Tests of the simulator on functions, nests, branches and causal work: maps against the op-by-op run, and arithmetic."""

import pytest
from machine_testing import parse
from test_simulator_loop import run, toy

from dfc.runtime.errors import ExecutionError
from dfc.runtime.machine import load_target
from dfc.runtime.simulator import Simulator, simulate_call

LAUNCH = """
accel.launch on "tlmm" after(AFTER) ins(%q : memref<1x84xi8, "bram">) outs(%y : memref<1x84xi8, "bram">) {
^bb0(%qv: tensor<1x84xi8>, %y0: tensor<1x84xi8>):
  %t = ternary.build_tables %qv {group = 3 : i64} : tensor<1x84xi8> -> tensor<1x28x27xi16>
  accel.yield %qv : tensor<1x84xi8>
}
"""
"""84 ticks of reading the inputs of one block, and what building takes."""

LAYERS = (
    """
func.func private @work(%q: memref<1x84xi8, "bram">, %y: memref<1x84xi8, "bram">, %before: !accel.event) -> !accel.event attributes {accel.kernel = "work", dfc.origin = "a:b"} {
  %ran = """
    + LAUNCH.replace("AFTER", "%before")
    + """
  func.return %ran : !accel.event
}
func.func private @layer(%q: memref<1x84xi8, "bram">, %y: memref<1x84xi8, "bram">, %before: !accel.event) -> !accel.event {
  %a = func.call @work(%q, %y, %before) : (memref<1x84xi8, "bram">, memref<1x84xi8, "bram">, !accel.event) -> !accel.event
  %b = func.call @work(%q, %y, %a) : (memref<1x84xi8, "bram">, memref<1x84xi8, "bram">, !accel.event) -> !accel.event
  func.return %b : !accel.event
}
func.func @f(%q: memref<1x84xi8, "bram">, %y: memref<1x84xi8, "bram">) {
  %e0 = accel.start
CALLS
  accel.wait %e3
  func.return
}
"""
)
CALL = (
    '  %eOUT = func.call @layer(%q, %y, %eIN) : (memref<1x84xi8, "bram">,'
    ' memref<1x84xi8, "bram">, !accel.event) -> !accel.event'
)


def layers(count: int):
    """An entry function that calls one layer so many times."""
    calls = [
        CALL.replace("OUT", str(i + 1)).replace("IN", str(i)) for i in range(count)
    ]
    text = LAYERS.replace("CALLS", "\n".join(calls))
    return parse(text.replace("accel.wait %e3", f"accel.wait %e{count}"))


def test_equal_layers_take_equal_times():
    found, _ = run(layers(3), toy(build=16))
    assert found.cycles == 3 * 2 * (84 + 16)


def test_calls_and_kernels_are_counted():
    found, _ = run(layers(5), toy())
    table = {(key.quantity, key.kernel): n for key, n in found.counters.items()}
    assert table["calls", "work"] == 10
    assert table["calls", "layer"] == 5
    assert {key.kernel for key in found.composition} == {"work"}


def test_issue_is_hidden_behind_work_but_for_the_first():
    found, _ = run(layers(3), toy(issue=10))
    assert found.cycles == 10 + 6 * 84


NEST = (
    """
func.func @f(%q: memref<1x84xi8, "bram">, %y: memref<1x84xi8, "bram">) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant 6 : index
  %start = accel.start
  %all = scf.for %i = %c0 to %n step %c1 iter_args(%last = %start) -> (!accel.event) {
    %up = arith.addi %i, %c1 : index
    %inner = scf.for %j = %c0 to %up step %c1 iter_args(%l = %last) -> (!accel.event) {
      %ran = """
    + LAUNCH.replace("AFTER", "%l")
    + """
      scf.yield %ran : !accel.event
    }
    scf.yield %inner : !accel.event
  }
  accel.wait %all
  func.return
}
"""
)


def test_a_triangle_of_rounds():
    found, _ = run(parse(NEST), toy())
    assert found.cycles == (1 + 2 + 3 + 4 + 5 + 6) * 84


BRANCH = (
    """
func.func @f(%q: memref<1x84xi8, "bram">, %y: memref<1x84xi8, "bram">) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %n = arith.constant 10 : index
  %start = accel.start
  %all = scf.for %i = %c0 to %n step %c1 iter_args(%last = %start) -> (!accel.event) {
    %odd = arith.remui %i, %c2 : index
    %test = arith.cmpi eq, %odd, %c1 : index
    %next = scf.if %test -> (!accel.event) {
      %ran = """
    + LAUNCH.replace("AFTER", "%last")
    + """
      scf.yield %ran : !accel.event
    } else {
      scf.yield %last : !accel.event
    }
    scf.yield %next : !accel.event
  }
  accel.wait %all
  func.return
}
"""
)


def test_a_branch_follows_its_condition():
    found, _ = run(parse(BRANCH), toy())
    assert found.cycles == 5 * 84


CARRIED = (
    """
func.func @f(%q: memref<1x84xi8, "bram">, %y: memref<1x84xi8, "bram">) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %n = arith.constant 4 : index
  %start = accel.start
  %all, %count = scf.for %i = %c0 to %n step %c1 iter_args(%last = %start, %k = %c1) -> (!accel.event, index) {
    %inner = scf.for %j = %c0 to %k step %c1 iter_args(%l = %last) -> (!accel.event) {
      %ran = """
    + LAUNCH.replace("AFTER", "%l")
    + """
      scf.yield %ran : !accel.event
    }
    %twice = arith.muli %k, %c2 : index
    scf.yield %inner, %twice : !accel.event, index
  }
  %end = scf.for %j = %c0 to %count step %c1 iter_args(%l = %all) -> (!accel.event) {
    %ran = """
    + LAUNCH.replace("AFTER", "%l")
    + """
    scf.yield %ran : !accel.event
  }
  accel.wait %end
  func.return
}
"""
)


def test_a_control_value_that_goes_round():
    # 1, 2, 4, 8 rounds, and 16 after the loop
    found, _ = run(parse(CARRIED), toy())
    assert found.cycles == (1 + 2 + 4 + 8 + 16) * 84


ATTENTION = """
func.func @f(%q: memref<1x2x1x32xf32, "sram">, %k: memref<1x2x256x32xf32, "ddr">, %v: memref<1x2x256x32xf32, "ddr">, %p: index, %unused: index) {
  %c8 = arith.constant 8 : index
  %at = arith.addi %p, %c8 : index
  %e = accel.launch on "attention" ins(%q, %k, %v, %at : memref<1x2x1x32xf32, "sram">, memref<1x2x256x32xf32, "ddr">, memref<1x2x256x32xf32, "ddr">, index) outs(%q : memref<1x2x1x32xf32, "sram">) {
  ^bb0(%qv: tensor<1x2x1x32xf32>, %kv: tensor<1x2x256x32xf32>, %vv: tensor<1x2x256x32xf32>, %pos: index, %o: tensor<1x2x1x32xf32>):
    %y = attention.sdpa %qv, %kv, %vv at %pos {causal} : tensor<1x2x1x32xf32>, tensor<1x2x256x32xf32>, tensor<1x2x256x32xf32> -> tensor<1x2x1x32xf32>
    accel.yield %y : tensor<1x2x1x32xf32>
  }
  accel.wait %e
  func.return
}
"""


def test_a_cost_follows_its_position():
    target = load_target("tiny-npu")
    simulator = Simulator(parse(ATTENTION), target)
    # per key 2 heads of one beat of 2 ticks, 2 softmax ticks, and 12 or 8 of fill; 20 to issue;
    # keys of 256 bytes take 256 / 32 = 8 ticks of their port, 4 more than the beats, and the
    # channel of 40.96 bytes a tick is faster
    per_key = (4 + 4 + 2 + 12) + (4 + 4 + 2 + 8)
    for position in (0, 5, 90):
        found = simulator.call("f", {3: position})
        assert found.cycles == 20 + (position + 8 + 1) * per_key
        assert found.cycles == simulator.record("f", {3: position}).cycles
        table = {(key.quantity, key.where): n for key, n in found.counters.items()}
        assert table["read", "ddr"] == 2 * (position + 9) * 2 * 32 * 4


def test_only_the_arguments_that_matter_are_asked_for():
    simulator = Simulator(parse(ATTENTION), load_target("tiny-npu"))
    with pytest.raises(ExecutionError, match="depends on its arguments 3, whose"):
        simulator.call("f")


def test_an_unknown_function_is_named():
    with pytest.raises(ExecutionError, match="expected a function `g`"):
        Simulator(layers(1), toy()).call("g")


def test_a_module_above_program_level_is_refused():
    text = "func.func @f(%a: tensor<4xf32>) { %b = math.exp %a : tensor<4xf32> func.return }"
    with pytest.raises(ExecutionError, match="expected a module at program level"):
        Simulator(parse(text), toy()).call("f")


def test_a_module_names_its_own_target():
    module = parse(
        'builtin.module attributes {accel.target = "tiny-npu"} {' + ATTENTION + "}"
    )
    found = simulate_call(module, "f", {3: 4})
    assert found.cycles == simulate_call(module, "f", {3: 4}, record=True).cycles


def test_a_million_rounds():
    text = NEST.replace("constant 6", "constant 1000").replace(
        "%up = arith.addi %i, %c1 : index", "%up = arith.constant 1000 : index"
    )
    simulator = Simulator(parse(text), toy())
    assert simulator.call("f").cycles == 1000 * 1000 * 84
