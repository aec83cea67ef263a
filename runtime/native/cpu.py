"""What this processor can do, and which instruction set kernels are made for."""

from functools import cache
from pathlib import Path

from dfc.runtime.errors import ExecutionError

VNNI = frozenset({"avx512f", "avx512bw", "avx512_vnni"})

NEEDS: dict[str, frozenset[str]] = {
    "avx512-vbmi": VNNI | {"avx512vbmi"},
    "avx512-vnni": VNNI,
    "avx2": frozenset({"avx2", "f16c"}),
    "portable": frozenset(),
}
"""Flags that an instruction set needs, the fastest first; an instruction that is not there ends the process."""


@cache
def flags(info: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The flags that the system says of its first processor; none where it says nothing."""
    try:
        lines = info.read_text().splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def choose_isa(wanted: str | None = None, has: frozenset[str] | None = None) -> str:
    """The instruction set to use: the one wanted, else the fastest; `ExecutionError` where a flag is missing."""
    has = flags() if has is None else has
    if wanted is None:
        return next(name for name, needs in NEEDS.items() if needs <= has)
    if wanted not in NEEDS:
        raise ExecutionError(
            f"expected an instruction set of {', '.join(NEEDS)}, got '{wanted}'"
        )
    if missing := NEEDS[wanted] - has:
        raise ExecutionError(
            f"expected a processor with {', '.join(sorted(missing))} for {wanted}, got one without"
        )
    return wanted
