# pyright: strict, reportUnknownMemberType=false
"""Results of `@weights` kept as long as the tensors they were made from live and stay the same."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

State = tuple[int, int, int | None]
"""Identity, storage pointer and version of a tensor; inference tensors have no version."""


def state(tensor: Tensor, freeze: bool) -> State | None:
    """What must stay equal for a tensor to count as unchanged; None where that cannot be told."""
    if tensor.is_inference():
        return (id(tensor), tensor.data_ptr(), None) if freeze else None
    return id(tensor), tensor.data_ptr(), tensor._version  # pyright: ignore[reportPrivateUsage]


class WeightsCache:
    """
    Values of `@weights` by the tensors that each of them depends on.

    Two instances of one module have different tensors, so each finds its own values; an
    in-place update changes a version, a new Parameter is another object. An entry goes when
    one of its tensors does.
    """

    def __init__(self, freeze: bool = False) -> None:
        self.freeze = freeze
        self.entries: dict[tuple[Any, ...], np.ndarray] = {}
        self.owners: dict[int, tuple[weakref.ref[Tensor], set[tuple[Any, ...]]]] = {}

    def get(
        self,
        weights: Mapping[str, Tensor],
        needs: Sequence[Sequence[str]],
        compute: Callable[[], Sequence[np.ndarray]],
    ) -> list[np.ndarray]:
        """
        All results of `@weights`: `needs[n]` names the weights that result n depends on.

        `compute` makes all of them and is called when one is missing.
        """
        states = {name: state(tensor, self.freeze) for name, tensor in weights.items()}
        keys = [self._key(n, names, states) for n, names in enumerate(needs)]
        if any(key is None or key not in self.entries for key in keys):
            made = compute()
            for key, names, value in zip(keys, needs, made, strict=True):
                if key is not None:
                    self._keep(key, value, [weights[name] for name in names])
            return list(made)
        return [self.entries[key] for key in keys if key is not None]

    def _key(
        self, number: int, names: Sequence[str], states: Mapping[str, State | None]
    ) -> tuple[Any, ...] | None:
        found = tuple(states[name] for name in names)
        return None if None in found else (number, *found)

    def _keep(
        self, key: tuple[Any, ...], value: np.ndarray, tensors: Sequence[Tensor]
    ) -> None:
        for tensor in tensors:
            place = id(tensor)
            if place not in self.owners:
                gone = weakref.ref(tensor, lambda _, place=place: self._drop(place))
                self.owners[place] = (gone, set())
            keys = self.owners[place][1]
            for old in [k for k in keys if is_stale(k, key, place)]:
                self.entries.pop(old, None)
                keys.discard(old)
            keys.add(key)
        self.entries[key] = value

    def _drop(self, place: int) -> None:
        for key in self.owners.pop(place)[1]:
            self.entries.pop(key, None)


def is_stale(old: tuple[Any, ...], new: tuple[Any, ...], place: int) -> bool:
    """Whether an entry was made from an earlier state of the tensor at this place."""
    return any(found[0] == place and found not in new[1:] for found in old[1:])
