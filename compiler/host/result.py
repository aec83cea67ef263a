# pyright: strict
"""What `dfc run -t host` found, as tables and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from dfc.cli_output import print_table
from dfc.runtime.native.bandwidth import Bandwidth

if TYPE_CHECKING:
    from dfc.host.check import Check
    from dfc.host.parts import Part
    from dfc.runtime.interpreter.dtypes import Array

SPREAD = 0.15
"""Spread of the reads of memory from which shares of its rate say little."""


def spread(values: Sequence[float]) -> float:
    """The middle half of some times, as a part of their median."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low) / median(values)


@dataclass(frozen=True)
class Speed:
    """Seconds of a model's run, the bytes that a step reads, and how fast memory is read beside it."""

    prefill_s: Sequence[float]
    decode_s: Sequence[float]
    bytes_per_token: int
    bandwidth: Bandwidth
    batch: int = 1

    def as_dict(self) -> dict[str, Any]:
        """The figures, names with units."""
        found: dict[str, Any] = {"ttft_s": median(self.prefill_s)}
        if self.decode_s:
            step = median(self.decode_s)
            rate = self.bytes_per_token / step
            found |= {
                "decode_tokens_per_s": self.batch / step,
                "decode_step_s": step,
                "decode_spread": spread(self.decode_s),
                "bytes_per_step": self.bytes_per_token,
                "bytes_per_s": rate,
                "memory_bytes_per_s": self.bandwidth.best,
                "memory_spread": self.bandwidth.spread,
                "memory_share": rate / self.bandwidth.best,
            }
        return found


@dataclass
class HostRun:
    """A language model's run on this processor."""

    model: str
    threads: int
    speed: Speed
    built_s: float
    packed_s: float
    compiled_s: float
    peak_bytes: int
    weight_bytes: int
    rest: str
    lowered_share: float
    parts: "Sequence[Part]" = ()
    fallbacks: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    check: "Check | None" = None
    results: "Mapping[str, Array]" = field(default_factory=dict[str, Any])

    @property
    def passed(self) -> bool:
        """Whether the check passed and nothing fell back, where a check was asked for."""
        return self.check is None or (self.check.passed and not self.fallbacks)

    @property
    def tokens(self) -> list[list[int]]:
        """The tokens chosen, a list for each sequence."""
        found = self.results.get("tokens")
        return [] if found is None else found.tolist()

    def save(self, path: str) -> None:
        """Write logits and tokens to an `.npz` file."""
        np.savez(Path(path), **self.results)  # pyright: ignore[reportArgumentType]

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        shown: dict[str, Any] = {
            "model": self.model,
            "threads": self.threads,
            **self.speed.as_dict(),
            "build_s": self.built_s,
            "packing_s": self.packed_s,
            "compile_s": self.compiled_s,
            "peak_memory_bytes": self.peak_bytes,
            "weight_bytes": self.weight_bytes,
            "rest": self.rest,
            "lowered_share": self.lowered_share,
            "parts": [part.as_dict() for part in self.parts],
            "tokens": self.tokens,
            "fallbacks": self.fallbacks,
        }
        if self.check is not None:
            shown["check"] = self.check.as_dict() | {"passed": self.passed}
        return shown

    def print(self) -> None:
        """Tables of the figures and of a step's parts, and the tokens."""
        print_table("", (f"{self.model} on host", ""), list(self.figures()))
        if self.parts:
            columns = tuple(self.parts[0].as_dict())
            rows = [tuple(part.as_dict().values()) for part in self.parts]
            step = "a decode step" if self.speed.decode_s else "the prompt"
            print_table(f"where the time of {step} goes", columns, rows)
        for one in self.fallbacks:
            print(f"not lowered: {one['origin']}: {one['reason']}")
        if not self.lowered_share and not self.fallbacks:
            print("no layer of this model is ternary: all of it runs in PyTorch")
        if self.tokens:
            print(f"tokens: {' '.join(map(str, self.tokens[0]))}")
        if self.check is not None:
            self.check.print()
            print("check passed" if self.passed else "check failed")

    def figures(self) -> "list[tuple[str, object]]":
        """Names and figures for people."""
        speed, mib = self.speed.as_dict(), 2**20
        rows: list[tuple[str, object]] = [
            ("threads", self.threads),
            ("time to first token, ms", speed["ttft_s"] * 1e3),
        ]
        if self.speed.decode_s:
            rows += [
                ("tokens/s in decode", speed["decode_tokens_per_s"]),
                ("a step, ms", speed["decode_step_s"] * 1e3),
                ("spread of the steps, %", speed["decode_spread"] * 100),
                ("read in a step, MiB", speed["bytes_per_step"] / mib),
                ("read, GB/s", speed["bytes_per_s"] / 1e9),
                ("memory reads, best of 10, GB/s", speed["memory_bytes_per_s"] / 1e9),
                ("share of the memory's rate, %", speed["memory_share"] * 100),
            ]
            if speed["memory_spread"] > SPREAD:
                rows.append(("memory busy: reads spread by, %", self.unsteady()))
        return [
            *rows,
            ("building the model, s", self.built_s),
            ("packing weights, s", self.packed_s),
            ("compiling, s", self.compiled_s),
            ("weights, MiB", self.weight_bytes / mib),
            ("peak memory, MiB", self.peak_bytes / mib),
            ("operators in native kernels, %", self.lowered_share * 100),
            ("the rest runs in", self.rest),
        ]

    def unsteady(self) -> float:
        """The spread of the reads of memory in percent."""
        return self.speed.bandwidth.spread * 100
