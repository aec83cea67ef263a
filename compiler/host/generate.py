# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportMissingTypeStubs=false
"""Greedy generation with a static cache, step by step and on the clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import StaticCache

from dfc.errors import InputError
from dfc.frontends.huggingface import cache_shapes


@dataclass
class Generated:
    """Seconds of the prompt and of each step, the logits (B x V) behind each, and the tokens chosen (B x 1)."""

    prefill_s: float
    decode_s: list[float] = field(default_factory=list[float])
    logits: list[Tensor] = field(default_factory=list[Tensor])
    tokens: list[Tensor] = field(default_factory=list[Tensor])


class Generator:
    """
    A causal language model called as `generate()` calls it: the prompt, then one token at a time.

    `call` is the model or what `torch.compile` made of it; the cache has room for `capacity` tokens and
    is written in place.
    """

    def __init__(
        self, model: Any, call: Callable[..., Any], capacity: int, batch: int = 1
    ) -> None:
        check_capacity(model, capacity)
        self.model, self.call = model, call
        self.capacity, self.batch = capacity, batch
        shape = cache_shapes(model, batch, capacity)[0]
        self.cache = StaticCache(config=model.config, max_cache_len=capacity)
        self.cache.early_initialization(
            batch, shape[1], shape[3], dtype=model.dtype, device=torch.device("cpu")
        )

    @property
    def cache_bytes(self) -> int:
        """Bytes of keys and values, those of tokens to come included: a step reads all."""
        layers: Any = self.cache.layers
        return sum(one.keys.nbytes + one.values.nbytes for one in layers)

    def prompt(self, tokens: int, seed: int) -> Tensor:
        """Random token ids, `batch` rows."""
        generator = torch.Generator().manual_seed(seed)
        size = self.model.config.get_text_config().vocab_size
        return torch.randint(0, size, (self.batch, tokens), generator=generator)

    def logits(self, ids: Tensor) -> Tensor:
        """Logits (B x V) behind the last of these tokens, which the cache takes in."""
        with torch.no_grad():
            result = self.call(
                input_ids=ids,
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            )
        return result.logits[:, -1]

    def rewind(self, position: int) -> None:
        """Let the next token be the one at this position."""
        layers: Any = self.cache.layers
        for layer in layers:
            layer.cumulative_length.fill_(position)

    def run(self, prompt: Tensor, steps: int) -> Generated:
        """Empty the cache, take in the prompt, and the likeliest token after it so many times."""
        self.cache.reset()
        start = time.perf_counter()
        last = self.logits(prompt)
        found = Generated(time.perf_counter() - start, logits=[last])
        for _ in range(steps):
            token = last.argmax(-1, keepdim=True)
            start = time.perf_counter()
            last = self.logits(token)
            found.decode_s.append(time.perf_counter() - start)
            found.logits.append(last)
            found.tokens.append(token)
        return found


def check_capacity(model: Any, capacity: int) -> None:
    """Refuse more tokens than a model has positions for."""
    config = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None)
    if limit is not None and capacity > limit:
        raise InputError(
            f"expected at most {limit} tokens, prompt and answer together, got {capacity}:"
            " the model has no more positions"
        )
