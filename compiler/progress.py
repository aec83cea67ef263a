"""Say what long work is doing, to whoever listens: nobody, unless the command line does."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener")


def step(what: str) -> None:
    """Announce the next step, as a short phrase in the present participle."""
    listener = _listener.get(None)
    if listener is not None:
        listener(what)


@contextmanager
def listening(listener: Callable[[str], None]) -> Generator[None]:
    """Give every `step` of the enclosed work to a listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
