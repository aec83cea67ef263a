# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Eager PyTorch node by node: every tensor that stands at tensor level, by place and origin."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from dfc.frontends import ops
from dfc.frontends.functions import Function
from dfc.frontends.traced import Traced, Value, check_inputs
from dfc.runtime.errors import ModelError
from dfc.tensors import to_numpy, to_tensor

Path = tuple[str, ...]
"""Where a function was called: the origins of the calls on the way, outermost first."""

Record = Callable[[Path, str, Tensor], None]


def eager_values(
    traced: Traced,
    function: str,
    inputs: Sequence[Value],
    weights: Mapping[str, np.ndarray] | None = None,
) -> dict[tuple[Path, str], np.ndarray]:
    """
    Every tensor of eager's run by (call path, identity).

    The identity is the value's `dfc.origin`; of several results of one op `origin.0`,
    `origin.1`, … The parts of a ternary linear layer are `origin#quantize.0` (int8),
    `origin#quantize.1` (scale), `origin#matmul` and `origin#dequantize`.
    """
    values: dict[tuple[Path, str], np.ndarray] = {}

    def record(path: Path, identity: str, tensor: Tensor) -> None:
        values[path, identity] = to_numpy(tensor)

    eager_run(traced, function, inputs, weights, record)
    return values


def eager_run(
    traced: Traced,
    function: str,
    inputs: Sequence[Value],
    weights: Mapping[str, np.ndarray] | None = None,
    record: Record | None = None,
) -> list[np.ndarray]:
    """The results of an entry function, computed by PyTorch operator by operator."""
    weights = traced.weights if weights is None else weights
    if weights is None:
        raise ModelError("expected weights to run eager, got an abstract model")
    found = traced.functions[function]
    check_inputs(inputs, traced.inputs(function), function)
    rest = iter(inputs)
    operands = [
        to_tensor(weights[a.name] if a.kind == "weight" else next(rest), a.dtype)
        for a in found.arguments
    ]
    with torch.no_grad():
        results = Evaluator(traced.functions, record).run(found, operands, ())
    return [to_numpy(result) for result in results]


class Evaluator:
    """Runs FX graphs and the functions that they call."""

    def __init__(
        self, functions: Mapping[str, Function], record: Record | None = None
    ) -> None:
        self.functions = functions
        self.record = record

    def run(
        self, function: Function, operands: Sequence[Tensor], path: Path
    ) -> list[Tensor]:
        """The results of one function."""
        values: dict[fx.Node, Any] = dict(zip(function.inputs(), operands, strict=True))
        for node in function.graph.nodes:
            if node.op == "call_function":
                values[node] = self._node(function, node, values, path)
        return [values[result] for result in function.results()]

    def _node(
        self,
        function: Function,
        node: fx.Node,
        values: Mapping[fx.Node, Any],
        path: Path,
    ) -> Any:
        call = function.calls.get(node.name)
        origin: str = node.meta["dfc.origin"]
        args: Any = fx.map_arg(node.args, lambda n: values[n])
        if call is not None:
            operands = [args[i] for i in call.operands]
            callee = self.functions[call.callee]
            result = tuple(self.run(callee, operands, (*path, origin)))
            result = result if len(callee.results()) > 1 else next(iter(result))
        elif node.target is torch.ops.dfc.linear.default:
            result = self._linear(origin, path, *args)
        else:
            kwargs: Any = fx.map_arg(node.kwargs, lambda n: values[n])
            target: Any = node.target
            result = target(*args, **kwargs)
        self._record(path, origin, result)
        return result

    def _linear(
        self,
        origin: str,
        path: Path,
        x: Tensor,
        w: Tensor,
        scale: Tensor,
        bias: Tensor | None = None,
    ) -> Tensor:
        q, s = ops.quantize(x)
        a = ops.matmul(q, w)
        y = ops.dequantize(a, s, scale, bias, x.dtype)
        self._record(path, f"{origin}#quantize", (q, s))
        self._record(path, f"{origin}#matmul", a)
        self._record(path, f"{origin}#dequantize", y)
        return y

    def _record(self, path: Path, origin: str, result: Any) -> None:
        if self.record is None:
            return
        if isinstance(result, Tensor):
            self.record(path, origin, result)
        elif isinstance(result, (tuple, list)):
            for index, part in enumerate(result):
                if isinstance(part, Tensor):
                    self.record(path, f"{origin}.{index}", part)
