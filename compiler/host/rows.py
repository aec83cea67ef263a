# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""
Operators that work on each row of a tensor alone, in canonical form: on rows `[T, k]`.

A row is the last dimension; T is the product of the others. What an operator means for rows
must follow from its arguments and the shapes, else it is no row operator.
"""

from collections.abc import Callable, Collection
from math import prod
from typing import Any

import torch
from torch import Tensor, fx
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn import functional

from dfc.host.graph import callee, requires_grad, same, value
from dfc.host.lm_head import int8_linear
from dfc.host.steps import (
    PRODUCTS,
    Step,
    exact_linear,
    function,
    identity,
    is_known,
    named,
    rms_norm,
)

FLOATS = (torch.float32, torch.bfloat16, torch.float16)
"""The dtypes of rows."""

ELEMENTWISE = (
    {"add", "sub", "mul", "div", "truediv", "true_divide", "rsub", "maximum", "minimum"}
    | {"relu", "relu6", "hardtanh", "silu", "gelu", "sigmoid", "tanh", "square", "abs"}
    | {"neg", "exp", "rsqrt", "sqrt", "reciprocal", "clamp", "clamp_min", "clamp_max"}
    | {"pow", "erf", "hardswish", "leaky_relu", "softplus"}
)
"""Operators on the elements of one position."""

REDUCTIONS = {"mean", "sum", "amax", "amin"}
"""Reductions; of the last dimension, kept as one of size 1, they are row operators."""

VIEWS = {"reshape", "view", "flatten", "unsqueeze", "squeeze", "contiguous", "detach"}
"""Operators that keep the order of the elements; where they keep the rows they are dropped."""

CASTS = {"to", "float", "half", "bfloat16", "type"}
"""Casts; to a dtype of rows they are row operators."""

NORMS = {"rms_norm", "layer_norm"}
"""Norms; over the last dimension they are row operators."""


def row_shape(node: Any) -> tuple[Any, int] | None:
    """The number of rows (may be symbolic) and their length; None for no rows of floats."""
    found = value(node) if isinstance(node, fx.Node) else None
    if not isinstance(found, Tensor) or not found.ndim or found.dtype not in FLOATS:
        return None
    if is_functorch_wrapped_tensor(found):  # as many tensors as `torch.vmap` maps over
        return None
    if found.device.type != "cpu" or type(found.shape[-1]) is not int:
        return None
    return prod(found.shape[:-1]), found.shape[-1]


def is_dense(tensor: Tensor) -> bool:
    """Whether a value's elements stand one after the other for all inputs, as results of regions do."""
    step: Any = 1
    shape, strides = reversed(tensor.shape), reversed(tensor.stride())
    for size, stride in zip(shape, strides, strict=True):
        if not same(size, 1) and not same(stride, step):
            return any(same(size, 0) for size in tensor.shape)
        step = step * size
    return True


class Rows:
    """Recognises the row operators of a graph."""

    def __init__(
        self,
        weights: Collection[fx.Node],
        touching: Collection[fx.Node],
        three_valued: Collection[fx.Node],
    ) -> None:
        self.weights = weights
        self.touching = touching
        self.three_valued = three_valued

    def step(self, node: fx.Node) -> Step | None:
        """The canonical form of a node; None where it is no row operator."""
        shape = row_shape(node)
        nodes = [node, *node.all_input_nodes]
        if shape is None or node in self.weights or any(map(self._is_touched, nodes)):
            return None
        if not is_known(node) or not is_dense(value(node)) or requires_grad(node):
            return None
        name = callee(node)
        for names, form in FORMS:
            if name in names:
                return form(self, node, shape)
        return None

    def is_product(self, node: fx.Node) -> bool:
        """Whether a node is a linear layer that is worth a region."""
        step = self.step(node)
        return step is not None and step.target in PRODUCTS

    def _is_touched(self, node: fx.Node) -> bool:
        return node in self.touching

    def is_row(self, node: Any, rows: Any, lengths: Collection[int]) -> bool:
        """Whether a value holds as many rows, of one of these lengths."""
        shape = row_shape(node)
        if shape is None or node in self.weights:
            return False
        return same(shape[0], rows) and shape[1] in lengths

    def is_vector(self, node: Any, lengths: Collection[int]) -> bool:
        """Whether a value is a weight that is the same for every row."""
        found = value(node)
        if node not in self.weights or not isinstance(found, Tensor):
            return False
        alone = all(type(size) is int and size == 1 for size in found.shape[:-1])
        return alone and (not found.ndim or found.shape[-1] in lengths)

    def elementwise(self, node: fx.Node, shape: tuple[Any, int]) -> Step | None:
        """Every operand has a value for each element, for each row, for each column or one; one has rows."""
        rows, length = shape
        lengths = (1, length)
        others = [n for n in node.all_input_nodes if not self.is_row(n, rows, lengths)]
        if len(others) == len(node.all_input_nodes):
            return None
        if not all(self.is_vector(operand, lengths) for operand in others):
            return None
        return Step(function(node), node.args, dict(node.kwargs))

    def reduction(self, node: fx.Node, shape: tuple[Any, int]) -> Step | None:
        """`x.mean(-1, keepdim=True)`."""
        given = named(node, ("input", "dim", "keepdim"))
        x, dim = given.get("input"), given.get("dim")
        found = value(x) if isinstance(x, fx.Node) else None
        extra = set(given) - {"input", "dim", "keepdim", "dtype"}
        if found is None or extra or given.get("keepdim") is not True:
            return None
        dims = [dim] if isinstance(dim, int) else list(dim or ())
        last = [d for d in dims if d in (-1, found.ndim - 1)]
        rows = row_shape(x)
        if len(dims) != 1 or not last or rows is None:
            return None
        if not self.is_row(x, shape[0], (rows[1],)):
            return None
        cast = {"dtype": given["dtype"]} if given.get("dtype") is not None else {}
        return Step(getattr(torch, callee(node)), (x, -1, True), cast)

    def view(self, node: fx.Node, shape: tuple[Any, int]) -> Step | None:
        """The same rows in the same order."""
        source = node.args[0] if node.args else None
        if not self.is_row(source, shape[0], (shape[1],)):
            return None
        if value(source).dtype != value(node).dtype:  # the bits, read as another dtype
            return None
        if requires_grad(source):  # where the value leaves a region, it is the source
            return None
        return Step(identity, (source,))

    def cast(self, node: fx.Node, shape: tuple[Any, int]) -> Step | None:
        """The dtype alone counts."""
        source = node.args[0] if node.args else None
        if not self.is_row(source, shape[0], (shape[1],)):
            return None
        dtype = value(node).dtype
        if value(source).dtype == dtype:
            return None if requires_grad(source) else Step(identity, (source,))
        return Step(Tensor.to, (source, dtype))

    def norm(self, node: fx.Node, shape: tuple[Any, int]) -> Step | None:
        """A norm over the last dimension."""
        name = callee(node)
        order = ["input", "normalized_shape", "weight", "bias", "eps"]
        if name == "rms_norm":
            order.remove("bias")
        given = named(node, order)
        x, length = given.pop("input", None), shape[1]
        if not self.is_row(x, shape[0], (length,)):
            return None
        if list(given.pop("normalized_shape", ())) != [length]:
            return None
        for found in given.values():
            if isinstance(found, fx.Node) and not self.is_vector(found, (length,)):
                return None
        if name == "rms_norm":
            return Step(rms_norm, (x,), given)
        return Step(functional.layer_norm, (x, (length,)), given)

    def dropout(self, node: fx.Node, shape: tuple[Any, int]) -> Step | None:
        """Nothing, outside training."""
        given = named(node, ("input", "p", "training", "inplace"))
        if given.get("p") == 0 or given.get("training") is False:
            return self.view(node, shape)
        return None

    def linear(self, node: fx.Node, shape: tuple[Any, int]) -> Step | None:
        """`dfc::linear`, or `functional.linear` with a three-valued weight."""
        own = node.target is not functional.linear
        names = ("x", "w", "scale", "bias") if own else ("input", "weight", "bias")
        given = [named(node, names).get(name) for name in names]
        rows = row_shape(given[0])
        if rows is None or not self.is_row(given[0], shape[0], (rows[1],)):
            return None
        if any(w not in self.weights for w in given[1:] if w is not None):
            return None
        if node.target is int8_linear:
            return Step(torch.ops.dfc.linear_int8.default, tuple(given))
        if own:
            return Step(function(node), tuple(given))
        if given[1] not in self.three_valued:
            return None
        if value(node).dtype != value(given[0]).dtype:  # autocast
            return None
        return Step(exact_linear, tuple(given))


FORMS: tuple[tuple[set[str], Callable[..., Step | None]], ...] = (
    (ELEMENTWISE, Rows.elementwise),
    (REDUCTIONS, Rows.reduction),
    (VIEWS, Rows.view),
    (CASTS, Rows.cast),
    (NORMS, Rows.norm),
    ({"dropout"}, Rows.dropout),
    ({"linear", "linear_int8", "int8_linear"}, Rows.linear),
)
"""Names of operators and what makes them row operators."""
