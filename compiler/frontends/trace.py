# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false
"""Tracing: a module and example inputs become ATen graphs, one per function, weights as arguments."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch._functorch.aot_autograd import aot_export_module
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch.fx import config as fx_config
from torch.nn.attention import SDPBackend, sdpa_kernel

from dfc.frontends.calls import connect
from dfc.frontends.functions import Function, drop_unused, make_function, module_path
from dfc.frontends.layers import starred
from dfc.frontends.outline import LayerFunction, Outliner
from dfc.frontends.rewrite import KeepMeaning
from dfc.runtime.errors import ModelError

DATA_DEPENDENT = (DynamicOutputShapeException, DataDependentOutputException)
"""What tracing raises where one graph cannot stand for all inputs."""


@cache
def decompositions() -> dict[Any, Any]:
    """
    torch-mlir's table without its faults.

    Its tanh-GELU has a wrong constant (own GELU here), its `scaled_dot` keys lose the
    backward pass, and softmax stays one op with a two-result reduction (decomposed here).
    """
    from torch._decomp import decomposition_table as own

    from dfc.frontends.decompositions import OWN
    from dfc.runtime.mlir import decomposition_table

    aten = torch.ops.aten
    table = {
        k: v for k, v in decomposition_table().items() if "scaled_dot" not in str(k)
    }
    for key in (aten._softmax.default, aten._log_softmax.default):
        table[key] = own[key]
    return table | OWN


def trace(
    root: nn.Module,
    inputs: Sequence[Tensor],
    name: str,
    *,
    strip: str = "",
    outline: bool = True,
) -> list[Function]:
    """
    Trace `root(*inputs)` (a tuple of tensors) into a function and those of its repeated layers.

    Arguments are the inputs, then the parameters and buffers that are used, by name without
    the prefix `strip`. A result that is the new value of a buffer or an input comes last.
    """
    mode = fake_mode(root)
    outliner = Outliner(root, name, mode, partial(trace_layer, strip=strip), outline)
    with torch.no_grad(), outliner.active(), mode or nullcontext():
        module, signature = export(root, inputs)
    function = make_function(name, root, module, signature, strip)
    number_calls(function.graph)
    name_origins(function, strip, "")
    functions = [function]
    for layer in outliner.functions.values():
        callee = layer.traced
        assert callee is not None
        if callee.states():
            return trace(root, inputs, name, strip=strip, outline=False)
        drop_unused(callee)
        connect(function, layer, callee, outliner, strip)
        functions.append(callee)
    drop_unused(function)
    return functions


def export(root: nn.Module, inputs: Sequence[Tensor]) -> tuple[fx.GraphModule, Any]:
    """`aot_export_module` for inference."""
    with without_stack_traces(), KeepMeaning(root), sdpa_kernel(SDPBackend.MATH):
        try:
            module, signature = aot_export_module(
                root, tuple(inputs), trace_joint=False, decompositions=decompositions()
            )
        except DATA_DEPENDENT as error:
            raise ModelError(
                f"`{error}` makes shapes or control flow depend on data:"
                ' torch.compile(model, backend="dfc") runs such parts in eager'
            ) from None
    return cast(fx.GraphModule, module), signature


@contextmanager
def without_stack_traces() -> Generator[None]:
    """Within, nodes do not note the source lines that made them: a third of the time."""
    before = fx_config.do_not_emit_stack_traces
    fx_config.do_not_emit_stack_traces = True
    try:
        yield
    finally:
        fx_config.do_not_emit_stack_traces = before


def fake_mode(root: nn.Module) -> FakeTensorMode | None:
    """The mode of a model with abstract weights."""
    for tensor in (*root.parameters(), *root.buffers()):
        if isinstance(tensor, FakeTensor):
            return tensor.fake_mode
    return None


class LayerModule(nn.Module):
    """A layer as a function of its tensor arguments."""

    def __init__(self, function: LayerFunction) -> None:
        super().__init__()
        self.layer = function.layer
        self.function = function

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The layer's tensor results, then its new cache."""
        return self.function.call(tensors)


def trace_layer(layer: LayerFunction, mode: FakeTensorMode, strip: str) -> Function:
    """Trace the layer that stands for all its equals."""
    with torch.no_grad(), mode:
        root = LayerModule(layer)
        module, signature = export(root, layer.empty())
    function = make_function(layer.name, root, module, signature, "layer.")
    function.private = True
    name_origins(function, "layer", starred(layer.path.removeprefix(strip)))
    for node, argument in zip(function.inputs(), function.arguments, strict=False):
        if is_position(node):
            argument.kind = "position"
    return function


def is_position(node: fx.Node) -> bool:
    """Whether an argument is the position of a cache operator."""
    value = node.meta["val"]
    if value.dtype != torch.int64 or value.ndim:
        return False
    return any(getattr(user.target, "namespace", "") == "dfc" for user in node.users)


def number_calls(graph: fx.Graph) -> None:
    """Name the calls of layers by their order in this graph, not by their operators."""
    calls = [n for n in graph.nodes if str(n.target).startswith("dfc.layer_")]
    for node in calls:
        node._rename("call")


def name_origins(function: Function, strip: str, prefix: str) -> None:
    """Give every node its `dfc.origin`: `module.path:node`."""
    for node in function.graph.nodes:
        path = f"{module_path(node)}.".removeprefix(strip).rstrip(".")
        node.meta["dfc.origin"] = f"{prefix}{path}:{node.name}"
