"""
Make one program for all sockets of a node, each of which holds its part of the weights (tensor parallel).

    func.func @main(%x: tensor<1x512xf32>, %u: tensor<512x2048xf32> {dfc.weight = "up"}, %d: tensor<2048x512xf32> {dfc.weight = "down"}) {
      %h = linalg.matmul %x, %u       // 1x2048
      %g = linalg.generic %h          // SiLU
      %y = linalg.matmul %g, %d       // 1x512
  -->
    shard.grid @sockets(shape = 8)
    func.func @main(%x: tensor<1x512xf32>, %u: tensor<512x256xf32> {dfc.weight = "up", socket.dim = 1}, %d: tensor<256x512xf32> {dfc.weight = "down", socket.dim = 0}) {
      %h = linalg.matmul %x, %u       // 1x256: this socket's columns
      %g = linalg.generic %h
      %p = linalg.matmul %g, %d       // 1x512: this socket's part of the sum
      %y = shard.all_reduce %p on @sockets

The sockets are those of the target's network; without one, or with one socket, nothing happens, nor
in a module that has a `shard.grid` already. Source: Shoeybi et al., Megatron-LM (2019).

A product of a whole value with a weight is split by columns, and what follows on its result works on
parts: elementwise ops, views, attention by heads, cache writes. A product of a split value with a
weight is split by rows and its sum taken over the sockets. So q, k, v, gate and up are split by
columns, o and down by rows with one all-reduce each, and heads and caches by groups. The LM head is
split by columns and its logits are gathered; the embedding, of which one row per token is read, and
the norms are whole on every socket. Where the sockets do not divide a dimension (the columns of a
weight, the groups of the keys), values are gathered in front of it; a module of which nothing can be
split stays as it is.

Weights (after `hoist-weights`) and states are split if one op uses them; an argument or a result of
an entry that is split says so with `socket.dim`. Ternary layers, whose scales are taken over whole
rows, stay whole. Sums over sockets are taken in another order than on one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, StringAttr, TensorType, i64
from xdsl.dialects.func import CallOp, FuncOp
from xdsl.dialects.shard import GridOp
from xdsl.ir import BlockArgument
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from dfc.dialects.socket import sockets_of
from dfc.dialects.ternary import TritType
from dfc.dialects.utils import element
from dfc.passes.analysis.functions import (
    WEIGHTS,
    argument_attributes,
    callees_first,
    calls,
    functions,
    is_private,
)
from dfc.passes.analysis.tensor_parallel import FunctionSharder, Shares
from dfc.passes.analysis.weight_work import WEIGHT
from dfc.passes.placement.function_buffers import ALIAS
from dfc.runtime.machine import target_of

GRID = "sockets"
"""The name of the grid."""


def free_arguments(module: ModuleOp) -> dict[str, frozenset[int]]:
    """By function, the arguments that may be split: weights and states that one op uses, through calls too."""
    found: dict[str, frozenset[int]] = {}
    sites = calls(module)
    for function in reversed(callees_first(module)):
        name = function.sym_name.data
        own = (
            _given_free(sites.get(name, []), found)
            if is_private(function)
            else _weights_and_states(function)
        )
        used_once = {a.index for a in function.args if a.has_one_use()}
        found[name] = frozenset(own & used_once)
    return found


def _weights_and_states(function: FuncOp) -> set[int]:
    return {
        argument.index
        for argument, row in zip(
            function.args, argument_attributes(function), strict=True
        )
        if (WEIGHT in row or ALIAS in row)
        and isinstance(argument.type, TensorType)
        and not isinstance(element(argument), TritType)
    }


def _given_free(sites: list[CallOp], free: Mapping[str, frozenset[int]]) -> set[int]:
    """The arguments that every call gives an argument of its caller that may be split."""
    given = [
        {
            index
            for index, value in enumerate(site.arguments)
            if isinstance(value, BlockArgument) and value.index in free[_caller(site)]
        }
        for site in sites
    ]
    return set[int].intersection(*given) if given else set()


def _caller(site: CallOp) -> str:
    parent = site.parent_op()
    assert isinstance(parent, FuncOp)
    return parent.sym_name.data


@dataclass(frozen=True)
class ShardTensorParallelPass(ModulePass):
    """Splits weights and caches over the sockets of the target."""

    name = "shard-tensor-parallel"
    sockets: int | None = None
    """How many sockets; as many as the target's network has if none are given."""

    exact: ClassVar[bool] = False
    reassociates: ClassVar[str] = "sums of products over the sockets"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        count = self._count(op)
        if count == 1 or sockets_of(op) > 1:
            return
        free = free_arguments(op)
        shares: dict[str, Shares] = {}
        for function in callees_first(op):
            name = function.sym_name.data
            if name != WEIGHTS:
                sharder = FunctionSharder(function, count, GRID, free[name], shares)
                shares[name] = sharder.share()
        if not any(share.arguments for share in shares.values()):
            return
        check_weights(op, shares)
        shape = DenseArrayBase.from_list(i64, [count])
        made = GridOp.create(properties={"sym_name": StringAttr(GRID), "shape": shape})
        Rewriter.insert_op(made, InsertPoint.at_start(op.body.block))

    def _count(self, module: ModuleOp) -> int:
        if self.sockets is not None:
            if self.sockets < 1:
                raise PassFailedException(
                    f"expected at least one socket, got {self.sockets}"
                )
            return self.sockets
        network = target_of(module).network
        return 1 if network is None else network.sockets.value


def check_weights(module: ModuleOp, shares: Mapping[str, Shares]) -> None:
    """A weight stands once in a socket's memory: all entries must take the same part of it."""
    seen: dict[object, tuple[str, int | None]] = {}
    for function in functions(module):
        name = function.sym_name.data
        if name == WEIGHTS or is_private(function):
            continue
        for index, row in enumerate(argument_attributes(function)):
            if WEIGHT in row:
                dim = shares[name].arguments.get(index)
                first, before = seen.setdefault(row[WEIGHT], (name, dim))
                if before != dim:
                    raise PassFailedException(
                        f"expected weight {row[WEIGHT]} to be split alike in all functions,"
                        f" got dimension {before} in @{first} and {dim} in @{name}"
                    )
