"""The host engine in rough use: many threads, two models, forks, a busy machine, weights that change or go, no room."""

import errno
import gc
import mmap
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from weakref import WeakValueDictionary

import pytest
import torch
from host_backend_testing import Layer, compiled, off, seeded
from torch import Tensor, nn

from dfc.host import compiled as compiled_module

FLIPS = 0.01
"""The distance from eager that rounding flips explain in these models."""

CALLS = 40

REFUSED = {"read only": errno.EROFS, "full": errno.ENOSPC}
"""What a file system says to a new file."""

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:.*should not be instantiated:DeprecationWarning"
    ),
    pytest.mark.filterwarnings("ignore:.*is multi-threaded:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No code from another test, and two threads."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(compiled_module, "COMPILED", WeakValueDictionary())
    torch._dynamo.reset()
    gc.collect()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with torch.no_grad():
        yield
    torch.set_num_threads(before)


class Made:
    """A layer compiled for the host, an input, and what eager makes of it."""

    def __init__(self, seed: int = 0, width: int = 96, inner: int = 160) -> None:
        self.model: Any = seeded(Layer, width, inner, seed=seed)
        self.x = torch.randn(5, width, generator=torch.Generator().manual_seed(seed))
        self.run = compiled(self.model)
        self.first: Tensor = self.run(self.x)
        assert off(self.first, self.model(self.x)) < FLIPS

    def same(self) -> bool:
        """Whether another call gives the first one's bits."""
        return torch.equal(self.run(self.x), self.first)


def in_threads(count: int, work: Callable[[int], bool], calls: int = CALLS) -> None:
    """Threads that begin together; all must be right."""
    start = threading.Barrier(count)

    def one(number: int) -> bool:
        start.wait()
        with torch.no_grad():  # a thread has its own mode
            return all(work(number) for _ in range(calls))

    with ThreadPoolExecutor(count) as pool:
        assert all(pool.map(one, range(count)))


def test_eight_threads_call_one_model() -> None:
    made = Made()
    in_threads(8, lambda _: made.same())


def test_two_models_at_once() -> None:
    models = [Made(1), Made(2, 64, 112)]
    in_threads(4, lambda number: models[number % 2].same())


def test_a_busy_machine() -> None:
    made = Made()
    burn = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(burn) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        in_threads(2, lambda _: made.same())
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_a_child_of_a_fork_goes_on() -> None:
    made = Made()
    child = os.fork()
    if not child:
        right = False
        try:
            right = all(made.same() for _ in range(CALLS))
        finally:
            os._exit(0 if right else 1)
    assert made.same()
    assert os.waitpid(child, 0)[1] == 0
    assert made.same()


def test_weights_that_are_replaced_while_others_run() -> None:
    made = Made()
    layer = made.model.gate
    old = layer.weight.data
    new = torch.randn(old.shape, generator=torch.Generator().manual_seed(9))
    layer.weight.data = new
    other = made.run(made.x)
    assert not torch.equal(other, made.first)
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            layer.weight.data = old.clone()
            layer.weight.data = new.clone()

    def one_or_the_other(_: int) -> bool:
        found = made.run(made.x)
        return torch.equal(found, made.first) or torch.equal(found, other)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        in_threads(3, one_or_the_other)
    finally:
        stop.set()
        writer.join()


def test_weights_that_are_freed_while_others_run() -> None:
    made = Made()

    def come_and_go(number: int) -> bool:
        if number:
            return made.same()
        short = seeded(Layer, 96, 160, seed=3)
        run = compiled(short)
        right = off(run(made.x), short(made.x)) < FLIPS
        del short, run
        gc.collect()
        return right

    in_threads(3, come_and_go, calls=4)


def test_an_exception_in_the_middle_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dfc.host import region

    made = Made()

    def fail(*_: Any) -> None:
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(region.Calls, "run", fail)
        with pytest.raises(MemoryError):
            made.run(made.x)
    with pytest.raises(Exception, match=r"size|shape|expected"):
        made.run(torch.randn(5, 95))
    assert made.same()
    in_threads(2, lambda _: made.same())


def test_huge_pages_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(mmap.mmap):
        def madvise(self, *_: Any) -> None:
            raise OSError("no huge pages")

    monkeypatch.setattr(mmap, "mmap", Refusing)
    assert Made(4).same()


@pytest.mark.parametrize("what", ["read only", "full", "corrupt", "a file"])
def test_a_folder_of_objects_that_does_not_do(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dfc.runtime.native import cache

    folder = tmp_path / "cache" / "dfc" / "objects"
    if what == "corrupt":
        expected = Made().first
        for entry in folder.iterdir():
            data = bytearray(entry.read_bytes())
            data[len(data) // 2] ^= 255
            entry.write_bytes(data)
        torch._dynamo.reset()
        gc.collect()
        assert torch.equal(Made().first, expected)
        return
    made = Mock(wraps=cache.NamedTemporaryFile)
    if what == "a file":
        folder.parent.mkdir(parents=True)
        folder.write_text("no folder")
    else:
        # modes of a folder stop no root: what its file system would say
        made.side_effect = OSError(REFUSED[what], os.strerror(REFUSED[what]))
    monkeypatch.setattr(cache, "NamedTemporaryFile", made)
    assert Made().same()
    assert made.called is (what != "a file")
    assert not list(folder.glob("*"))


def test_a_block_class_of_thirty_instances() -> None:
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(Layer(48, 80) for _ in range(30))

        def forward(self, x: Tensor, run: Callable[[nn.Module], Any]) -> Tensor:
            for block in self.blocks:
                x = run(block)(x)
            return x

    model, x = seeded(Stack), torch.randn(3, 48)
    forward = compiled_class(Layer)

    def got() -> Tensor:
        return model(x, forward)

    def want() -> Tensor:
        return model(x, lambda block: block)

    assert off(got(), want()) < 30 * FLIPS
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    changes: list[Callable[[], Any]] = [
        lambda: model.blocks[7].gate.weight.mul_(-1),
        lambda: model.blocks[29].load_state_dict(
            seeded(Layer, 48, 80, seed=5).state_dict()
        ),
        lambda: setattr(model.blocks[0].up.weight, "data", torch.randn(80, 48)),
        lambda: model.load_state_dict(seeded(Stack, seed=8).state_dict()),
        lambda: model.blocks[3].norm.weight.fill_(0.5),
    ]
    for change in changes:
        before = got()
        change()
        after = got()
        assert not torch.equal(before, after)
        assert off(after, want()) < 30 * FLIPS
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs
    assert len(list(compiled_module.COMPILED.values())) == 1


def compiled_class(kind: type[nn.Module]) -> Callable[[nn.Module], Any]:
    """One compiled function for all instances of a class of blocks."""

    def call(block: nn.Module, x: Tensor) -> Tensor:
        return kind.forward(block, x)

    run = torch.compile(
        call, backend="dfc", options={"target": "host", "rest": "eager"}
    )
    return lambda block: lambda x: run(block, x)
