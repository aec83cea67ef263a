"""Where the sockets of a node meet: each hands in a value, and all get the values of all."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Condition
from typing import TypeVar

from xdsl.ir import Operation

from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array
from dfc.runtime.interpreter.naming import describe

T = TypeVar("T")


class DesertedError(ExecutionError):
    """A socket waits for others that have ended."""


class Meeting:
    """
    Sockets that run one program, each in a thread of its own, and meet at every collective.

    Values do not depend on who comes first: a meeting ends when all are there.
    """

    def __init__(self, sockets: int) -> None:
        self.sockets = sockets
        self._condition = Condition()
        self._here: dict[int, tuple[Operation, Array]] = {}
        self._last: tuple[Array, ...] = ()
        self._round = 0
        self._ended = False

    def values(self, socket: int, op: Operation, value: Array) -> tuple[Array, ...]:
        """
        The values of all sockets, in their order.

        Raises `DesertedError` when a socket has ended, `ExecutionError` when they are at different ops.
        """
        with self._condition:
            mine = self._round
            self._here[socket] = (op, value)
            if len(self._here) == self.sockets:
                self._finish(op)
            else:
                self._condition.wait_for(lambda: self._round != mine or self._ended)
                if self._round == mine:
                    raise DesertedError(
                        f"expected all {self.sockets} sockets to run the same collectives,"
                        f" socket {socket} waits at {describe(op)} and another has ended"
                    )
            return self._last

    def _finish(self, op: Operation) -> None:
        here = [self._here[socket] for socket in range(self.sockets)]
        for socket, (other, _) in enumerate(here):
            if other is not op:
                raise ExecutionError(
                    f"expected all {self.sockets} sockets at {describe(op)},"
                    f" socket {socket} is at {describe(other)}"
                )
        self._last = tuple(value for _, value in here)
        self._here = {}
        self._round += 1
        self._condition.notify_all()

    def end(self) -> None:
        """A socket has ended: nobody may wait for it."""
        with self._condition:
            self._ended = True
            self._condition.notify_all()

    def run(self, work: Callable[[int], T]) -> Sequence[T]:
        """What each socket's work gives; the first error that is not about another socket's end is raised."""

        def one(socket: int) -> T:
            try:
                return work(socket)
            finally:
                self.end()

        with ThreadPoolExecutor(self.sockets) as pool:
            jobs = [pool.submit(one, socket) for socket in range(self.sockets)]
        errors = [error for job in jobs if (error := job.exception()) is not None]
        if errors:
            raise min(errors, key=lambda error: isinstance(error, DesertedError))
        return [job.result() for job in jobs]
