"""
Window attention row by row, every key and value read once (SWAT, arXiv 2405.17025).

The paper's baseline is a dense accelerator on the same FPGA; ours is dense attention on the same
fabric, both at one score per cycle, so that only the number of scores differs.
"""

from dfc.reproduce.attention import SIZED, Attention
from dfc.reproduce.claims import Claim, Paper

WINDOW = 512
SHORTEST, LONGEST = 1024, 16384
UP_TO = 22.0
"""The paper's largest speed-up over a dense FPGA baseline, at its longest sequence."""


def windowed(length: int) -> Attention:
    """The paper's schedule."""
    return Attention(length, "windowed", window=WINDOW)


def paper() -> Paper:
    """The paper's claims with a window of 512 keys, up to 16,384 tokens."""
    long, short = windowed(LONGEST).cycles(), windowed(SHORTEST).cycles()
    dense = Attention(LONGEST, "streaming").cycles(SIZED)
    claims = (
        Claim(
            "rows of K read per query",
            1.0,
            windowed(LONGEST).tokens_of("k") / LONGEST,
            "rows",
            f"{WINDOW - 1} of {WINDOW} rows are used again",
        ),
        Claim(
            "cycles per query, 16,384 tokens over 1,024",
            1.0,
            (long / LONGEST) / (short / SHORTEST),
            note="time is linear in the length",
        ),
        Claim(
            "speed-up over dense attention at 16,384 tokens",
            UP_TO,
            dense / long,
            note="the paper's baseline is another dense design, and its figure an upper one",
        ),
    )
    return Paper("SWAT: window attention, row-wise", "arXiv 2405.17025", claims)
