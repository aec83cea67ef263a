"""What a paper says and what dfc computes, and the list of papers that can be asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from dfc.errors import InputError, suggest
from dfc.progress import step

PAPERS = {
    "sdpa-streaming": "dfc.reproduce.sdpa_streaming",
    "swat": "dfc.reproduce.swat",
}
"""The module of each paper, with its `paper()`."""


@dataclass(frozen=True)
class Claim:
    """One figure: the paper's, ours, and what to know when comparing them."""

    what: str
    published: float
    ours: float
    unit: str = ""
    note: str = ""

    @property
    def ratio(self) -> float:
        """Ours over the paper's; equal zeros are 1, something for nothing is infinite."""
        if self.published == 0:
            return 1.0 if self.ours == 0 else float("inf")
        return self.ours / self.published

    def as_dict(self) -> dict[str, Any]:
        """What `dfc reproduce --json` prints of it."""
        return {
            "what": self.what,
            "published": self.published,
            "ours": self.ours,
            "unit": self.unit,
            "ratio": self.ratio,
            "note": self.note,
        }


@dataclass(frozen=True)
class Paper:
    """A paper, where it is found, and its claims."""

    title: str
    source: str
    claims: tuple[Claim, ...]


def reproduce(names: Sequence[str] = ()) -> dict[str, Paper]:
    """
    The claims of these papers, of all when none is named, computed now.

    Errors: `InputError` for a paper that is not known.
    """
    for name in names:
        if name not in PAPERS:
            hint = suggest(name, PAPERS)
            raise InputError(f"no paper is called `{name}`: {hint}", name)
    found: dict[str, Paper] = {}
    for name in names or tuple(PAPERS):
        step(f"reproducing {name}")
        found[name] = import_module(PAPERS[name]).paper()
    return found
