# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""`dfc.prepare` and `dfc.ternarize`: models whose ternary layers and attention are dfc's operators."""

import copy
from collections.abc import Collection, Iterator
from typing import Any, Literal, TypeVar, cast

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from dfc.frontends import ops
from dfc.runtime.errors import ModelError

Rule = Literal["packed", "scaled", "absmean", "exact"]
Model = TypeVar("Model", bound=nn.Module)

CODES_PER_BYTE = 4
"""Trits in a byte of transformers' `BitLinear`: one of each quarter of the rows."""


class TernaryLinear(nn.Module):
    """
    A ternary linear layer on the weights of the layer it replaces, under the same names.

    Rule `packed`: bytes of packing `trits1in2`, order `quarters`, result divided by `weight_scale`.
    `scaled`: a float weight of -s, 0, s, result (with its bias) times `weight_scale`.
    `absmean`: any float weight, ternarised at each call. `exact`: a float weight of -s, 0, s.
    """

    def __init__(self, source: nn.Module, rule: Rule) -> None:
        super().__init__()
        self.rule: Rule = rule
        for name, tensor in source.named_parameters(recurse=False):
            self.register_parameter(name, tensor)
        for name, tensor in source.named_buffers(recurse=False):
            self.register_buffer(name, tensor)
        self.rms_norm: nn.Module | None = getattr(source, "rms_norm", None)
        self.out_features = int(cast(Any, source).out_features)

    def trits(self) -> tuple[Tensor, Tensor]:
        """The weight as int8 trits (N x K) and its scale, a 0-d float32."""
        weight = cast(Tensor, self.weight)
        if self.rule == "packed":
            scale = cast(Tensor, self.weight_scale).float().reshape(()).reciprocal()
            rows = CODES_PER_BYTE * weight.shape[0]
            trits = ops.unpack(weight, rows, weight.shape[1], "trits1in2", "quarters")
            return trits, scale
        if self.rule == "absmean":
            return ops.ternarize(weight, "absmean")
        by = cast(Tensor, self.weight_scale) if self.rule == "scaled" else None
        return ops.ternarize(weight, "exact", by)

    def offset(self) -> Tensor | None:
        """What is added to each result (N,): the bias, in rule `scaled` times `weight_scale`."""
        bias = cast("Tensor | None", getattr(self, "bias", None))
        if bias is not None and self.rule == "scaled":
            bias = bias * cast(Tensor, self.weight_scale)
        return bias

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (where the layer does), then `dfc::linear` on rows."""
        if self.rms_norm is not None:
            x = self.rms_norm(x)
        trits, scale = self.trits()
        y = ops.linear(x.reshape(-1, x.shape[-1]), trits, scale, self.offset())
        return y.reshape(*x.shape[:-1], self.out_features)


def prepare(model: Model) -> Model:
    """
    A copy of a model, on the same weights, that says what dfc should know.

    BitNet's linear classes and linear layers whose weight holds only -s, 0 and s become
    `TernaryLinear`. A Hugging Face model attends through `dfc::sdpa`. Everything else stays.
    """
    prepared = share(model)
    for path, layer in list(linear_layers(prepared)):
        rule = ternary_rule(layer)
        if rule is not None:
            prepared = put(prepared, path, TernaryLinear(layer, rule))
    if hasattr(prepared, "set_attn_implementation"):
        from dfc.frontends.huggingface import ATTENTION, register_attention

        register_attention()
        cast(Any, prepared).set_attn_implementation(ATTENTION)
    return prepared


def ternarize(model: Model, skip: Collection[str] = ()) -> Model:
    """
    A copy of a model, on the same weights, whose linear layers are ternary.

    Weights are ternarised by their absolute mean at each call, activations quantised to int8
    per token by their absolute maximum. Left alone: the paths in `skip`, layers inside them,
    and the output embedding (LM head) of a Hugging Face model.
    """
    copied = share(model)
    head = getattr(copied, "get_output_embeddings", lambda: None)()
    for path, layer in list(linear_layers(copied)):
        inside = any(path == name or path.startswith(f"{name}.") for name in skip)
        if type(layer) is nn.Linear and layer is not head and not inside:
            copied = put(copied, path, TernaryLinear(layer, "absmean"))
    return prepare(copied)


def share(model: Model) -> Model:
    """A copy of a module tree on the same parameters and buffers."""
    if not isinstance(cast(object, model), nn.Module):
        raise ModelError(f"expected a module, got `{type(model).__name__}`")
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def linear_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Paths and modules of the layers that may be ternary."""
    for path, module in model.named_modules():
        if isinstance(module, nn.Linear) or type(module).__name__ == "BitLinear":
            yield path, module


def ternary_rule(layer: nn.Module) -> Rule | None:
    """How a layer is ternary: by its class, else by its weight's values; None if it is not."""
    kind = type(layer).__name__
    if kind == "BitLinear" and hasattr(layer, "weight_scale"):
        return "packed"
    if kind == "AutoBitLinear":
        return "absmean" if cast(Any, layer).online_quant else "scaled"
    weight = cast(Tensor, layer.weight)
    if type(layer) is not nn.Linear or isinstance(weight, FakeTensor) or weight.is_meta:
        return None
    return "exact" if ops.three_valued(weight) else None


def put(model: Model, path: str, module: nn.Module) -> Model:
    """The model with the module at a path replaced; the path of the model itself is empty."""
    if not path:
        return cast(Model, module)
    model.set_submodule(path, module)
    return model
