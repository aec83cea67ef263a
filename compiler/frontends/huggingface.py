# pyright: strict, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedBaseClass=false
"""Hugging Face models: their attention and cache as dfc's operators, prefill and decode as modules."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, CacheLayerMixin
from transformers.masking_utils import (
    AttentionMaskInterface,
    bidirectional_mask_function,
    causal_mask_function,
    sdpa_mask,
)
from transformers.modeling_utils import AttentionInterface, PreTrainedModel

from dfc.frontends import ops

ATTENTION = "dfc"
"""The name of dfc's attention implementation in transformers."""


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    is_causal: bool | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """
    transformers' attention interface on `dfc::sdpa`; gives B x M x H x D.

    A mask, where there is one (padding), already holds causality and window.
    """
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    position = getattr(key, POSITION, None)
    mask, window = None, sliding_window if causal else None
    if attention_mask is not None:
        mask, causal, window = additive(attention_mask, query), False, None
    elif causal and position is None and query.shape[2] != key.shape[2]:
        position = end_of_cache(query, key)  # causal is aligned at the last key
    out = ops.sdpa(
        query, key, value, position, mask, bool(causal), window, scaling, softcap
    )
    return out.transpose(1, 2).contiguous(), None


def end_of_cache(query: Tensor, key: Tensor) -> Tensor:
    """The position of the first of some query rows that are the last of all keys."""
    rows = key.shape[2] - query.shape[2]
    return torch.full((), rows, dtype=torch.int64, device=query.device)


def additive(mask: Tensor, query: Tensor) -> Tensor:
    """A boolean mask (True = visible) as one that is added."""
    if mask.dtype != torch.bool:
        return mask
    low = torch.finfo(query.dtype).min
    return torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, low)


def attention_mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: Any = 0,
    kv_offset: int = 0,
    mask_function: Callable[..., Any] = causal_mask_function,
    attention_mask: Tensor | None = None,
    allow_is_causal_skip: bool = True,
    allow_is_bidirectional_skip: bool = False,
    **kwargs: Any,
) -> Tensor | None:
    """
    No mask where causality and window say it all: they are the operator's own attributes.

    There is one for padding, for packed sequences, for a cache with rows that are not filled
    (transformers' static one), and for any pattern that is not known here.
    """
    skip = allow_is_causal_skip or allow_is_bidirectional_skip
    filled = isinstance(q_offset, int) and kv_length + kv_offset == q_offset + q_length
    if attention_mask is None and skip and filled and is_known(mask_function):
        return None
    options: dict[str, Any] = {**kwargs, "allow_is_causal_skip": False}
    return sdpa_mask(
        batch_size,
        q_length,
        kv_length,
        q_offset,
        kv_offset,
        mask_function,
        attention_mask,
        **options,
    )


def is_known(function: Callable[..., Any]) -> bool:
    """Whether a mask is causal, none at all, or causal within a window."""
    if function is causal_mask_function or function is bidirectional_mask_function:
        return True
    if torch.compiler.is_dynamo_compiling():  # it cannot look into closures
        return False
    parts = [cell.cell_contents for cell in function.__closure__ or ()]
    names = sorted(part.__qualname__ for group in parts for part in group)
    window = "sliding_window_overlay.<locals>.inner_mask"
    return names == [causal_mask_function.__qualname__, window]


POSITION = "dfc_position"
"""The attribute of a key tensor that is a whole cache: the position of the first new row."""


class PositionedLayer(CacheLayerMixin):
    """One layer's keys and values (B x G x capacity x D); new rows go in at a position."""

    def __init__(self, keys: Tensor, values: Tensor, position: Tensor | None) -> None:
        super().__init__()
        self.keys, self.values, self.position = keys, values, position
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """The tensors were given."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the new rows; without a position they are all there is to attend to."""
        self.keys = ops.kv_write(self.keys, key_states, self.position)
        self.values = ops.kv_write(self.values, value_states, self.position)
        if self.position is None:
            return key_states, value_states
        setattr(self.keys, POSITION, self.position)
        return self.pair()

    def pair(self) -> tuple[Tensor, Tensor]:
        """Keys and values."""
        return cast(Tensor, self.keys), cast(Tensor, self.values)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """As if the new rows were all: which rows of the cache are seen follows from the position."""
        return query_length, 0

    def get_seq_length(self) -> int:
        """Rows filled: unknown at compile time, so callers pass `position_ids`."""
        return 0

    def get_max_length(self) -> int:
        """The capacity in rows."""
        return self.pair()[0].shape[2]


class PositionedCache(Cache):
    """The caches of all layers; `tensors` are keys and values in turn, layer by layer."""

    def __init__(self, tensors: Sequence[Tensor], position: Tensor | None) -> None:
        pairs = zip(tensors[::2], tensors[1::2], strict=True)
        super().__init__(layers=[PositionedLayer(k, v, position) for k, v in pairs])
        self.position = position

    def pair(self, index: int) -> tuple[Tensor, Tensor]:
        """Keys and values of one layer."""
        layer: Any = self.layers[index]
        return layer.keys, layer.values

    def tensors(self) -> tuple[Tensor, ...]:
        """Keys and values of all layers, in turn."""
        return tuple(t for i in range(len(self.layers)) for t in self.pair(i))


@cache
def register_attention() -> None:
    """Make `attn_implementation="dfc"` known to transformers."""
    AttentionInterface.register(ATTENTION, attention)
    AttentionMaskInterface.register(ATTENTION, attention_mask)


def is_language_model(model: nn.Module) -> bool:
    """Whether a model generates tokens with a key/value cache."""
    return isinstance(model, PreTrainedModel) and bool(model.can_generate())


def cache_shapes(model: Any, batch: int, capacity: int) -> list[tuple[int, ...]]:
    """Shapes of the caches, B x G x capacity x D, keys and values in turn."""
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    groups = getattr(config, "num_key_value_heads", None) or heads
    depth = getattr(config, "head_dim", None) or config.hidden_size // heads
    return [(batch, groups, capacity, depth)] * (2 * config.num_hidden_layers)


class Prefill(nn.Module):
    """ids (B x P), caches -> logits of the last token (B x 1 x V), caches."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, *caches: Tensor) -> tuple[Tensor, ...]:
        """Fill the caches from row 0."""
        past = PositionedCache(caches, None)
        places = torch.arange(ids.shape[1], device=ids.device)[None]
        return run(self.model, ids, places, past)


class Decode(nn.Module):
    """ids (B x 1), position (), caches -> logits (B x 1 x V), caches."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, ids: Tensor, position: Tensor, *caches: Tensor
    ) -> tuple[Tensor, ...]:
        """Run one token at a position of the caches."""
        past = PositionedCache(caches, position)
        return run(self.model, ids, position.reshape(1, 1), past)


def run(
    model: nn.Module, ids: Tensor, places: Tensor, past: PositionedCache
) -> tuple[Tensor, ...]:
    """One call of a causal language model; logits of the last token and the caches."""
    out = model(
        input_ids=ids,
        position_ids=places,
        past_key_values=past,
        use_cache=True,
        logits_to_keep=1,
    )
    return out.logits, *past.tensors()
