# pyright: strict, reportUnknownMemberType=false, reportPrivateUsage=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Values made from tensors, kept as long as the tensors live and stay the same."""

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

Value = TypeVar("Value")

Key = tuple[int, ...]
"""The identities of some tensors."""

VERSION: Callable[[Tensor], int] = torch._C.TensorBase._version.__get__  # pyright: ignore[reportAttributeAccessIssue]
ADDRESS: Callable[[Tensor], int] = torch._C._storage_address  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True)
class State:
    """
    What stays equal while some tensors do.

    The address of a storage says which storage it is for as long as `holds`, which keep no data, are there:
    memory that one storage frees and the next one gets has another address here.
    """

    seen: tuple[list[Any], ...]
    holds: Sequence[Any]


class Watch(weakref.ref[Tensor]):
    """A tensor that values were made from, and under which keys."""

    __slots__ = ("keys",)
    keys: set[Key]


class WeightsCache(Generic[Value]):
    """
    Values by the tensors that they depend on.

    Two instances of one module have different tensors, so each finds its own values; an in-place update changes
    a version, `p.data = …` a storage, a new Parameter is another object. A value goes when one of its
    tensors does. Inference tensors have no version: their values are kept with `freeze` only. What is changed through
    `p.data` in place changes no version, and is not seen.
    """

    def __init__(self, freeze: bool = False) -> None:
        self.freeze = freeze
        self.entries: dict[Key, tuple[State, Value]] = {}
        self.watches: dict[int, Watch] = {}
        self.lock = threading.RLock()

    def get(self, tensors: Sequence[Tensor], make: Callable[[], Value]) -> Value:
        """The value of these tensors; `make` is called when there is none, or one changed, by one thread at a time."""
        key = tuple(map(id, tensors))
        found = self.entries.get(key)
        if found is not None and found[0].seen == self.seen(tensors):
            return found[1]
        with self.lock:
            return self._make(key, tensors, make)

    def seen(self, tensors: Sequence[Tensor]) -> tuple[list[Any], ...] | None:
        """Versions, addresses, layouts and storages; None where a change could not be told."""
        try:
            versions: list[int | None] = list(map(VERSION, tensors))
        except RuntimeError:
            if not self.freeze:
                return None
            versions = [None if t.is_inference() else VERSION(t) for t in tensors]
        return (
            versions,
            list(map(Tensor.data_ptr, tensors)),
            list(map(Tensor.stride, tensors)),
            list(map(ADDRESS, tensors)),
        )

    def _make(
        self, key: Key, tensors: Sequence[Tensor], make: Callable[[], Value]
    ) -> Value:
        holds = [StorageWeakRef(tensor.untyped_storage()) for tensor in tensors]
        seen = self.seen(tensors)
        found = self.entries.get(key)
        if found is not None and found[0].seen == seen:
            return found[1]
        value = make()
        if seen is not None and seen[-1] == [hold.cdata for hold in holds]:
            for tensor in tensors:
                self._watch(tensor).keys.add(key)
            self.entries[key] = State(seen, holds), value
        return value

    def _watch(self, tensor: Tensor) -> Watch:
        """The watch of a tensor; its callback is called anywhere, so it takes no lock."""
        place = id(tensor)
        owner: weakref.ref[WeightsCache[Value]] = weakref.ref(self)
        watch = self.watches.get(place)
        if watch is None:
            gone = partial(drop, owner, place)  # at exit no module's names are left
            watch = self.watches[place] = Watch(tensor, gone)
            watch.keys = set()
        return watch


def drop(owner: weakref.ref[WeightsCache[Value]], place: int, _: object = None) -> None:
    """Forget what was made from a tensor that is gone."""
    cache = owner()
    watch = None if cache is None else cache.watches.pop(place, None)
    if cache is None or watch is None:
        return
    for key in watch.keys:
        cache.entries.pop(key, None)
        for other in key:
            if other in cache.watches:
                cache.watches[other].keys.discard(key)
