# pyright: strict, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportPrivateUsage=false
"""Repeated layers as operators while their model is traced: what each call takes and gives."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, cast

import torch
import torch.utils._pytree as pytree
from torch import Tensor, nn
from torch._guards import tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import _disable_current_modes

from dfc.frontends.functions import Function
from dfc.frontends.huggingface import PositionedCache, PositionedLayer
from dfc.frontends.layers import layer_index, repeated

LIBRARY = torch.library.Library("dfc", "FRAGMENT")
IDENTITIES = count()


@dataclass
class Slot:
    """Where a tensor argument of a layer goes when its call is rebuilt."""

    index: int


@dataclass
class CacheSlot:
    """A cache argument: its keys, values and position (or none) are tensor arguments."""

    keys: int
    values: int
    position: int | None


@dataclass
class LayerFunction:
    """One layer: how it is called, its trace, and the operator that stands for the call."""

    name: str
    path: str
    layer: nn.Module
    leaves: list[Any]
    spec: Any
    metas: list[Tensor]
    traced: Function | None = None
    operator: Any = None
    apply: Any = None
    out_spec: Any = None
    out_tensors: list[bool] = field(default_factory=list[bool])
    out_constants: list[Any] = field(default_factory=list[Any])

    def empty(self) -> list[Tensor]:
        """Tensor arguments of the right shapes, in the mode that is active."""
        return [
            torch.empty_strided(m.shape, m.stride(), dtype=m.dtype) for m in self.metas
        ]

    def rebuild(self, tensors: Sequence[Tensor]) -> tuple[Any, Any, Any]:
        """The layer's args and kwargs from its tensor arguments, and its cache."""
        cache: PositionedCache | None = None
        leaves: list[Any] = []
        for leaf in self.leaves:
            if isinstance(leaf, Slot):
                leaves.append(tensors[leaf.index])
            elif isinstance(leaf, CacheSlot):
                cache = shared_cache(leaf, tensors, layer_index(self.layer))
                leaves.append(cache)
            else:
                leaves.append(leaf)
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        return args, kwargs, cache

    def call(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Run the layer; its tensor results and then its new keys and values."""
        args, kwargs, cache = self.rebuild(tensors)
        flat, self.out_spec = pytree.tree_flatten(self.layer(*args, **kwargs))
        self.out_tensors = [isinstance(leaf, Tensor) for leaf in flat]
        self.out_constants = [None if isinstance(x, Tensor) else x for x in flat]
        results = [leaf for leaf in flat if isinstance(leaf, Tensor)]
        if cache is not None:
            results += cache.pair(layer_index(self.layer))
        return tuple(results)

    def restore(self, results: Sequence[Tensor]) -> Any:
        """The layer's result from its tensor results."""
        rest = iter(results)
        leaves = [
            next(rest) if is_tensor else constant
            for is_tensor, constant in zip(
                self.out_tensors, self.out_constants, strict=True
            )
        ]
        return pytree.tree_unflatten(leaves, self.out_spec)


def shared_cache(
    slot: CacheSlot, tensors: Sequence[Tensor], index: int
) -> PositionedCache:
    """A cache with this one layer, found under any index up to its own."""
    position = None if slot.position is None else tensors[slot.position]
    cache = PositionedCache([], position)
    layer = PositionedLayer(tensors[slot.keys], tensors[slot.values], position)
    cache.layers = [cast(Any, layer)] * (index + 1)
    return cache


class Stub(nn.Module):
    """Stands for a layer while its model is traced: no weights, a call, else the layer's attributes."""

    def __init__(self, layer: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "call", call)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the operator."""
        return self.call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "layer"), name)


TraceLayer = Callable[[LayerFunction, FakeTensorMode], Function]


class Outliner:
    """Replaces the repeated layers by operators while a model is traced; `trace` traces a layer."""

    def __init__(
        self,
        model: nn.Module,
        prefix: str,
        mode: FakeTensorMode | None,
        trace: TraceLayer,
        enabled: bool = True,
    ) -> None:
        self.model = model
        self.trace = trace
        self.prefix = prefix
        self.mode = mode or FakeTensorMode(allow_non_fake_inputs=True)
        self.functions: dict[Any, LayerFunction] = {}
        self.layers: dict[str, tuple[nn.Module, Any]] = {}
        for path, own in (repeated(model) if enabled else {}).items():
            self.layers[path] = (model.get_submodule(path), own)

    @contextmanager
    def active(self) -> Generator[None]:
        """Within, the layers are operators, and their weights no part of the model."""
        for path, (layer, own) in self.layers.items():
            stub = Stub(layer, partial(self._call, path, layer, own))
            self.model.set_submodule(path, stub)
        try:
            yield
        finally:
            for path, (layer, _) in self.layers.items():
                self.model.set_submodule(path, layer)

    def _call(
        self, path: str, layer: nn.Module, own: Any, /, *args: Any, **kwargs: Any
    ) -> Any:
        leaves, tensors, cache, spec = flatten(args, kwargs, layer_index(layer))
        shapes = tuple((tuple(t.shape), t.dtype) for t in tensors)
        key = (own, repr(leaves), str(spec), shapes)
        function = self.functions.get(key)
        if function is None:
            name = f"{self.prefix}_layer" + (
                f"_{len(self.functions)}" if self.functions else ""
            )
            function = LayerFunction(name, path, layer, leaves, spec, like(tensors))
            self._define(function)
            self.functions[key] = function
        results = list(function.apply(*tensors))
        if cache is not None:
            state: Any = cache.layers[layer_index(layer)]
            state.values, state.keys = results.pop(), results.pop()
        return function.restore(results)

    def _define(self, function: LayerFunction) -> None:
        """Trace the layer, apart from the trace that it is called in, and define its operator."""
        with _disable_current_modes(), tracing(None):
            function.traced = self.trace(function, self.mode)
        metas = like([node.meta["val"] for node in function.traced.own_results()])
        name = f"layer_{next(IDENTITIES)}"
        operands = ", ".join(f"Tensor a{i}" for i in range(len(function.metas)))
        results = ", ".join("Tensor" for _ in metas)
        LIBRARY.define(f"{name}({operands}) -> ({results})")

        def on_meta(*_: Tensor) -> Any:
            out = tuple(like(metas))
            return out if len(out) > 1 else next(iter(out))

        LIBRARY.impl(name, on_meta, "Meta")
        operator = getattr(torch.ops.dfc, name).default

        def call(*operands: Tensor) -> tuple[Tensor, ...]:
            out = operator(*operands)
            return out if isinstance(out, tuple) else (out,)

        function.operator, function.apply = operator, call


def like(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The shapes, strides and dtypes of tensors, without data and without any mode."""
    with _disable_current_modes():
        return [
            torch.empty_strided(
                tuple(t.shape), t.stride(), dtype=t.dtype, device="meta"
            )
            for t in tensors
        ]


def flatten(
    args: Any, kwargs: Any, index: int
) -> tuple[list[Any], list[Tensor], PositionedCache | None, Any]:
    """Arguments as leaves with slots for their tensors, the tensors, a cache, and the tree."""
    flat, spec = pytree.tree_flatten(
        (args, kwargs), is_leaf=lambda x: isinstance(x, PositionedCache)
    )
    leaves: list[Any] = []
    tensors: list[Tensor] = []
    cache: PositionedCache | None = None
    for leaf in flat:
        if isinstance(leaf, Tensor):
            leaves.append(Slot(len(tensors)))
            tensors.append(leaf)
        elif isinstance(leaf, PositionedCache):
            cache = leaf
            start = len(tensors)
            tensors += leaf.pair(index)
            has_position = leaf.position is not None
            if leaf.position is not None:
                tensors.append(leaf.position)
            leaves.append(
                CacheSlot(start, start + 1, start + 2 if has_position else None)
            )
        else:
            leaves.append(leaf)
    return leaves, tensors, cache, spec
