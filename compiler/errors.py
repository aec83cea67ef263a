"""The exceptions whose text is one sentence for the user: what was expected, what was found, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

from dfc.runtime.errors import DfcError, ExecutionError, ModelError, TargetError

__all__ = [
    "DfcError",
    "ExecutionError",
    "InputError",
    "ModelError",
    "PassError",
    "TargetError",
    "suggest",
]


class InputError(DfcError):
    """A file or an argument is wrong; `where` says which, with the line if it is text."""

    def __init__(self, message: str, where: str | None = None):
        super().__init__(message)
        self.where = where


class PassError(InputError):
    """A pass cannot proceed; `where` is the op that it stopped at."""


def suggest(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """The end of a sentence about an unknown name: the nearest one, else `otherwise`, else all."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return otherwise or f"expected {', '.join(names)}"
