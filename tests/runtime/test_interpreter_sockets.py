"""Collectives: what every socket gets, on values and through the modelled memories, and what is refused."""

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser
from xdsl.universe import Universe
from xdsl.utils.exceptions import VerifyException

from dfc.dialects.socket import sockets_of
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter import KernelHook, run


def parse(text: str) -> ModuleOp:
    context = Context()
    for name, load in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, load)
    module = Parser(context, text).parse_module()
    module.verify()
    return module


def on_sockets(
    line: str, given: str, made: str, sockets: int, dim: str = "socket.dim"
) -> ModuleOp:
    """A function of one collective whose argument and result are the sockets' parts along dimension 0."""
    return parse(f"""
shard.grid @sockets(shape = {sockets})
func.func @main(%x: {given} {{socket.dim = 0 : i64}}) -> ({made} {{{dim} = 0 : i64}}) {{
  %y = {line} : {given} -> {made}
  func.return %y : {made}
}}""")


X = np.arange(12, dtype=np.float32).reshape(6, 2) ** 2
"""Of three sockets, each has two rows."""


def test_all_reduce_gives_the_sum_to_all():
    kind = "tensor<2x2xf32>"
    module = on_sockets("shard.all_reduce %x on @sockets", kind, kind, 3, "any")
    (y,) = run(module, "main", [X])
    assert np.array_equal(y, X[:2] + X[2:4] + X[4:])


@pytest.mark.parametrize(
    ("kind", "by"), [("max", np.max), ("min", np.min), ("product", np.prod)]
)
def test_all_reduce_by_another_function(kind: str, by):
    line = f"shard.all_reduce %x on @sockets reduction = {kind}"
    module = on_sockets(line, "tensor<2x2xf32>", "tensor<2x2xf32>", 3, "any")
    (y,) = run(module, "main", [X])
    assert np.array_equal(y, by(X.reshape(3, 2, 2), axis=0))


def test_narrow_floats_are_summed_in_f32_and_rounded_once():
    line = "shard.all_reduce %x on @sockets"
    module = on_sockets(line, "tensor<1xf16>", "tensor<1xf16>", 3, "any")
    x = np.array([2048, 1, 1], np.float16)
    # in f16, 2048 + 1 is 2048 again
    assert run(module, "main", [x])[0] == np.float16(2050)


def test_all_gather_joins_the_parts_in_order():
    line = "socket.all_gather %x on @sockets dim 1"
    module = on_sockets(line, "tensor<2x2xf32>", "tensor<2x6xf32>", 3, "any")
    (y,) = run(module, "main", [X])
    assert np.array_equal(y, np.concatenate([X[:2], X[2:4], X[4:]], 1))


def test_reduce_scatter_gives_each_its_part_of_the_sum():
    line = "socket.reduce_scatter %x on @sockets dim 0"
    module = on_sockets(line, "tensor<3x2xf32>", "tensor<1x2xf32>", 3)
    x = np.arange(18, dtype=np.float32).reshape(9, 2)
    (y,) = run(module, "main", [x])
    assert np.array_equal(y, x[:3] + x[3:6] + x[6:])


def test_a_send_changes_the_receiver_alone():
    line = "socket.send %x on @sockets from 0 to 2"
    module = on_sockets(line, "tensor<2x2xf32>", "tensor<2x2xf32>", 3)
    (y,) = run(module, "main", [X])
    assert np.array_equal(y, np.concatenate([X[:4], X[:2]]))


PROGRAM = """
builtin.module attributes {accel.target = "tiny-npu"} {
shard.grid @sockets(shape = 2)
func.func @main(%x: memref<4xf32, "ddr"> {socket.dim = 0 : i64}) -> memref<4xf32, "ddr"> {
  %first = accel.launch on "vector" {
    accel.yield
  }
  %half = tier.alloc offset 4096 : memref<2xf32, "ddr">
  %sum = tier.alloc offset 4160 : memref<4xf32, "ddr">
  %a = socket.exchange "reduce-scatter" %x to %half dim 0 : memref<4xf32, "ddr"> to memref<2xf32, "ddr">
  %b = socket.exchange "all-gather" %half to %sum dim 0 after(AFTER) : memref<2xf32, "ddr"> to memref<4xf32, "ddr">
  %c = socket.exchange "send" %sum to %sum sender 1 receiver 0 after(%b) : memref<4xf32, "ddr"> to memref<4xf32, "ddr">
  %d = socket.exchange "all-reduce" %sum to %sum after(%c) : memref<4xf32, "ddr"> to memref<4xf32, "ddr">
  accel.wait %d
  func.return %sum : memref<4xf32, "ddr">
}
}"""


def test_exchanges_go_through_the_memories():
    x = np.arange(8, dtype=np.float32)
    (y,) = run(parse(PROGRAM.replace("AFTER", "%a")), "main", [x])
    assert np.array_equal(y, 2 * (x[:4] + x[4:]))


def test_an_entry_must_wait_for_an_exchange():
    module = parse(PROGRAM.replace("AFTER", "%a").replace("  accel.wait %d\n", ""))
    with pytest.raises(ExecutionError, match=r"socket.exchange"):
        run(module, "main", [np.zeros(8, np.float32)])


@pytest.mark.parametrize(
    ("line", "made", "message"),
    [
        (
            "socket.all_gather %x on @sockets dim 0",
            "tensor<8x2xf32>",
            "expects 4 sockets, got 3",
        ),
        (
            "socket.send %x on @sockets from 0 to 3",
            "tensor<2x2xf32>",
            "expects more than 3 sockets, got 3",
        ),
        (
            "shard.all_reduce %x on @sockets grid_axes = [0]",
            "tensor<2x2xf32>",
            "expects all axes of its grid",
        ),
        (
            "shard.all_reduce %x on @sockets reduction = bitwise_or",
            "tensor<2x2xf32>",
            "expects a reduction of sum, max, min, product, got bitwise_or",
        ),
    ],
)
def test_a_collective_for_other_sockets_is_refused(line: str, made: str, message: str):
    with pytest.raises(ExecutionError, match=message):
        run(on_sockets(line, "tensor<2x2xf32>", made, 3, "any"), "main", [X])


def test_results_that_should_be_the_same_are_compared():
    line = "socket.send %x on @sockets from 0 to 2"
    module = on_sockets(line, "tensor<2x2xf32>", "tensor<2x2xf32>", 3, "any")
    with pytest.raises(ExecutionError, match="the same on all sockets, got another"):
        run(module, "main", [X])


def test_an_argument_that_cannot_be_cut_is_refused():
    line = "shard.all_reduce %x on @sockets"
    module = on_sockets(line, "tensor<2x2xf32>", "tensor<2x2xf32>", 3, "any")
    with pytest.raises(ExecutionError, match="cut into 3 equal parts, got 7"):
        run(module, "main", [np.zeros((7, 2), np.float32)])


def test_a_socket_that_goes_another_way_is_reported():
    """Whether the collective runs depends on the socket's own data."""
    module = parse("""
shard.grid @sockets(shape = 2)
func.func @main(%x: tensor<1xi1> {socket.dim = 0 : i64}, %y: tensor<1xf32>) -> tensor<1xf32> {
  %zero = arith.constant 0 : index
  %flag = tensor.extract %x[%zero] : tensor<1xi1>
  %z = scf.if %flag -> (tensor<1xf32>) {
    %s = shard.all_reduce %y on @sockets : tensor<1xf32> -> tensor<1xf32>
    scf.yield %s : tensor<1xf32>
  } else {
    scf.yield %y : tensor<1xf32>
  }
  func.return %z : tensor<1xf32>
}""")
    y = np.ones(1, np.float32)
    with pytest.raises(ExecutionError, match=r"waits at `shard.all_reduce`"):
        run(module, "main", [np.array([True, False]), y])
    assert run(module, "main", [np.array([True, True]), y])[0] == 2


def test_an_error_on_one_socket_is_the_error_of_the_run():
    """The others wait for it in vain; what stopped it is said."""
    module = parse("""
shard.grid @sockets(shape = 2)
func.func @main(%x: tensor<2xi64> {socket.dim = 0 : i64}, %y: tensor<4xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0 : index
  %n = tensor.extract %x[%zero] : tensor<2xi64>
  %at = arith.index_cast %n : i64 to index
  %v = tensor.extract %y[%at] : tensor<4xf32>
  %s = shard.all_reduce %y on @sockets : tensor<4xf32> -> tensor<4xf32>
  func.return %s : tensor<4xf32>
}""")
    with pytest.raises(ExecutionError, match=r"tensor.extract"):
        run(module, "main", [np.array([0, 0, 9, 0]), np.ones(4, np.float32)])


def test_a_module_has_one_grid():
    text = "shard.grid @a(shape = 2)\nshard.grid @b(shape = 2)"
    with pytest.raises(VerifyException, match=r"expected one `shard.grid` at most"):
        sockets_of(parse(text))


def test_kernels_of_several_sockets_are_not_watched():
    line = "shard.all_reduce %x on @sockets"
    module = on_sockets(line, "tensor<2x2xf32>", "tensor<2x2xf32>", 3, "any")
    with pytest.raises(ExecutionError, match="of one socket where kernels are watched"):
        run(module, "main", [X], hook=KernelHook())
