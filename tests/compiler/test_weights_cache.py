"""What is kept of tensors, when it is made again, and when it goes."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dfc.weights_cache import WeightsCache


class Counted:
    """A cache of sums, and how often one was made."""

    def __init__(self, freeze: bool = False) -> None:
        self.cache = WeightsCache[float](freeze)
        self.times = 0

    def get(self, *tensors: Tensor) -> float:
        """The sum of the values of some tensors."""

        def make() -> float:
            self.times += 1
            return sum(float(t.detach().sum()) for t in tensors)

        return self.cache.get(tensors, make)


def test_a_value_is_made_once_for_each_state():
    counted, a, b = Counted(), torch.ones(2), torch.ones(2)
    assert (counted.get(a, b), counted.get(a, b), counted.times) == (4, 4, 1)
    b.add_(1)
    assert (counted.get(a, b), counted.get(a, b), counted.times) == (6, 6, 2)


def replaced(p: nn.Parameter) -> None:
    p.data = torch.full_like(p.data, 3)


def loaded(p: nn.Parameter) -> None:
    holder = nn.Module()
    holder.p = p
    holder.load_state_dict({"p": torch.full((2, 2), 3.0)})


def filled(p: nn.Parameter) -> None:
    with torch.no_grad():
        p.fill_(3)


def through_a_view(p: nn.Parameter) -> None:
    with torch.no_grad():
        p.view(-1).fill_(3)


def resized(p: nn.Parameter) -> None:
    p.data.untyped_storage().resize_(0)
    p.data = torch.full((2, 2), 3.0)


@pytest.mark.parametrize("change", [replaced, loaded, filled, through_a_view, resized])
def test_a_change_is_seen(change: Callable[[nn.Parameter], None]):
    counted, p = Counted(), nn.Parameter(torch.ones(2, 2))
    counted.get(p)
    change(p)
    assert counted.get(p) == 12
    assert (counted.get(p), counted.times) == (12, 2)


def test_new_data_at_the_old_address_is_seen():
    """The storage is freed and its memory taken again, the version is the same: only the storage differs."""
    memory = np.ones((64, 64), np.float32)
    counted, p = Counted(), nn.Parameter(torch.from_numpy(memory))
    counted.get(p)
    old = (p.data_ptr(), p._version)
    for value in range(2, 20):
        p.data = torch.empty(0)
        memory[:] = value
        p.data = torch.from_numpy(memory)
        assert (p.data_ptr(), p._version) == old
        assert counted.get(p) == 64 * 64 * value


def test_another_layout_of_one_storage_is_seen():
    """A square weight turned round has the same storage, address and version."""
    counted, p = Counted(), nn.Parameter(torch.arange(4.0).reshape(2, 2))
    counted.get(p)
    p.data = p.data.t()
    counted.get(p)
    assert counted.times == 2


def test_a_value_goes_with_any_of_its_tensors():
    counted, a, b = Counted(), torch.ones(2), torch.ones(2)
    counted.get(a, b)
    counted.get(b)
    assert len(counted.cache.entries) == 2
    del a
    assert list(counted.cache.entries) == [(id(b),)]
    assert counted.cache.watches[id(b)].keys == {(id(b),)}
    del b
    assert not counted.cache.entries
    assert not counted.cache.watches


def test_the_cache_itself_goes_without_a_collection():
    """Packed weights are large: nothing refers back to the cache that holds them."""
    counted, a = Counted(), torch.ones(2)
    counted.get(a)
    watch = counted.cache.watches[id(a)]
    entries = counted.cache.entries
    del counted
    del a
    assert watch() is None
    assert len(entries) == 1  # nobody is there any more who would take it out


@pytest.mark.parametrize(("freeze", "times"), [(False, 2), (True, 1)])
def test_inference_tensors_are_kept_when_frozen_only(freeze: bool, times: int):
    counted = Counted(freeze)
    with torch.inference_mode():
        a = torch.ones(2)
    for _ in range(2):
        counted.get(a)
    assert counted.times == times


def test_threads_that_ask_at_once_make_one_value():
    counted, a = Counted(), torch.ones(2)
    start, results = threading.Barrier(8), list[float]()

    def ask() -> None:
        start.wait()
        results.append(counted.get(a))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (results, counted.times) == ([2.0] * 8, 1)


def test_an_exception_is_not_kept():
    cache, a = WeightsCache[int](), torch.ones(2)

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get([a], fail)
    assert cache.get([a], lambda: 5) == 5
