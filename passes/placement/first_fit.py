"""First fit: byte offsets for buffers that are live at known times."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dfc.passes.analysis.memory_views import aligned


@dataclass(frozen=True)
class Request:
    """A buffer's bytes in a tier from its first to its last time, both included; `offset` when it is fixed."""

    name: str
    tier: str
    size: int
    first: int
    last: int
    offset: int | None = None

    def meets(self, other: "Request") -> bool:
        """Whether both are live at the same time in the same tier."""
        same = self.tier == other.tier
        return same and self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class Misfit:
    """A buffer that found no room, and the bytes that were taken when it was placed."""

    request: Request
    taken: int


def first_fit(
    requests: Sequence[Request], capacities: Mapping[str, int]
) -> list[int] | Misfit:
    """
    An offset for every request, in their order; the first that does not fit instead, if one does not.

    Fixed ones are placed first, the others by their first time, then the largest first; each at
    the lowest offset (a multiple of 64 bytes) where it meets no other.
    """
    offsets: dict[int, int] = {}
    placed: dict[str, list[int]] = {}
    for index in _order(requests):
        request = requests[index]
        same_tier = placed.setdefault(request.tier, [])
        taken = [
            (offsets[i], requests[i].size)
            for i in same_tier
            if request.meets(requests[i])
        ]
        offset = _lowest(request, taken) if request.offset is None else request.offset
        if offset + request.size > capacities[request.tier]:
            return Misfit(request, sum(size for _, size in taken))
        offsets[index] = offset
        same_tier.append(index)
    return [offsets[index] for index in range(len(requests))]


def _order(requests: Sequence[Request]) -> list[int]:
    """The places of the requests in the order in which they are placed."""

    def key(index: int) -> tuple[bool, int, int, int]:
        request = requests[index]
        return request.offset is None, request.first, -request.size, index

    return sorted(range(len(requests)), key=key)


def _lowest(request: Request, taken: Iterable[tuple[int, int]]) -> int:
    """The lowest aligned offset at which a request meets none of the buffers that are there."""
    offset = 0
    for begin, size in sorted(taken):
        if offset + request.size <= begin:
            break
        offset = max(offset, aligned(begin + size))
    return offset


def peak(requests: Iterable[Request], offsets: Iterable[int], tier: str) -> int:
    """One past the highest byte that is used in a tier."""
    pairs = zip(requests, offsets, strict=True)
    return max((o + r.size for r, o in pairs if r.tier == tier), default=0)
