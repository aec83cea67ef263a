# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""`dfc.pack`: a copy of a model that holds its ternary weights as packed bytes only."""

from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from dfc.dialects.ternary import PackingAttr
from dfc.errors import InputError, suggest
from dfc.frontends import ops
from dfc.frontends.int8 import Int8Embedding, Int8Linear, quantize_rows
from dfc.frontends.preparation import TernaryLinear, prepare, put
from dfc.runtime.errors import ModelError
from dfc.runtime.interpreter.packing import pack as pack_trits
from dfc.runtime.native.memory import ARENA

Model = TypeVar("Model", bound=nn.Module)

ORDERS = {"trits1in2": "interleaved", "trits3in5": "interleaved", "trits5in8": "rows"}
"""The order of a packed layer's bytes by code: that of the host's kernels, where there is one."""


class PackedLinear(nn.Module):
    """
    A ternary linear layer that holds packed bytes (1 x bytes, uint8), a float32 scale () and a bias (N,).

    The bytes are one tile of `#ternary.packing<code, order = …>`, in huge pages where the system gives them.
    """

    def __init__(self, source: TernaryLinear, code: str) -> None:
        super().__init__()
        trits, scale = source.trits()
        self.out_features, self.in_features = trits.shape
        self.code, self.order = code, ORDERS[code]
        self.weight = nn.Buffer(packed_bytes(trits, PackingAttr(code, self.order)))
        self.weight_scale = nn.Buffer(scale.detach().float().clone())
        bias = source.offset()
        self.bias = None if bias is None else nn.Buffer(bias.detach().clone())
        self.rms_norm = source.rms_norm

    def extra_repr(self) -> str:
        """What `print(model)` says of the layer."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features},"
            f" bias={self.bias is not None}, code={self.code}, order={self.order}"
        )

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (where the layer does), then `dfc::linear` on rows: x (… x K) -> … x N."""
        if self.rms_norm is not None:
            x = self.rms_norm(x)
        size = (self.out_features, self.in_features)
        trits = ops.unpack(self.weight, *size, self.code, self.order)
        scale = self.weight_scale
        scale = scale if scale.dtype == torch.float32 else scale.float()
        y = ops.linear(x.reshape(-1, x.shape[-1]), trits, scale, self.bias)
        return y.reshape(*x.shape[:-1], self.out_features)


def packed_bytes(trits: Tensor, packing: PackingAttr) -> Tensor:
    """One tile of int8 trits (N x K) as bytes (1 x bytes) in huge pages."""
    rows, columns = trits.shape
    data = pack_trits(trits.detach().numpy(), packing, (rows, columns))
    return torch.from_numpy(ARENA.copy(data)[None])


def pack(
    model: Model, code: str = "trits1in2", quantize_lm_head: bool = False
) -> Model:
    """
    A copy of a model whose ternary layers hold packed bytes only: 0.25 B a weight for `trits1in2`.

    As `dfc.prepare`, but on weights of its own: drop the original, and its float weights go; what is not
    ternary (embedding, norms) is shared with it. `code` is `trits1in2`, `trits3in5` or `trits5in8`. The copy
    runs in eager (slow, unpacked at each call), in `torch.compile` and in `dfc.compile`; its `state_dict` loads
    into another packed copy with the same code. Weights that are ternarised at each call are so once, here.

    With `quantize_lm_head` the LM head and the input embedding of a Hugging Face model become int8 with a float32
    scale per row (absmax / 127), one weight for both where they are tied. This changes the numbers.

    Raises `InputError` for an unknown code, `ModelError` for abstract weights and for a model without an LM head.
    """
    if code not in ORDERS:
        raise InputError(f"no code is called `{code}`: {suggest(code, ORDERS)}", code)
    packed = prepare(model)
    refuse_abstract(packed)
    with torch.no_grad():
        for layer in list(packed.modules()):
            if isinstance(layer, TernaryLinear):
                packed = replace(packed, layer, PackedLinear(layer, code))
        return quantize_head(packed) if quantize_lm_head else packed


def refuse_abstract(model: nn.Module) -> None:
    """Raise for a model whose weights have no values."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta or isinstance(tensor, FakeTensor):
            raise ModelError(
                f"expected weights to pack, got an abstract one in `{name}`"
            )


def quantize_head(model: Model) -> Model:
    """Put int8 modules in place of a language model's head and embedding."""
    find: Any = getattr(model, "get_output_embeddings", None)
    head: Any = None if find is None else find()
    if not isinstance(head, nn.Linear):
        raise ModelError(
            f"expected a model with an LM head to quantise, got `{type(model).__name__}`"
        )
    embedding: Any = cast(Any, model).get_input_embeddings()
    rows, scales = quantize_rows(head.weight)
    tied = getattr(embedding, "weight", None) is head.weight
    model = replace(model, head, Int8Linear(rows, scales, head.bias))
    if type(embedding) is not nn.Embedding or embedding.max_norm is not None:
        return model
    if not tied:
        rows, scales = quantize_rows(embedding.weight)
    new = Int8Embedding(rows, scales, embedding.weight.dtype)
    return replace(model, embedding, new)


def replace(model: Model, old: nn.Module, new: nn.Module) -> Model:
    """The model with a module in place of another, wherever that stands."""
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if module is old:
            model = put(model, path, new)
    return model
