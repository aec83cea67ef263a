"""Memory blocks that the weight buffer of a table-lookup unit takes on an FPGA."""

from dataclasses import dataclass
from math import ceil

from dfc.runtime.machine.units.tlmm import Tlmm

URAM_BITS, URAM_WORDS = 72, 4096
"""An UltraRAM block: 4,096 words of 72 bits (UltraScale+ data sheet)."""

INDEX_BITS = 5
"""Bits of an index vector per table: three trits."""


@dataclass(frozen=True)
class Blocks:
    """Blocks of a buffer: `banks` side by side, each so many blocks wide and deep."""

    banks: int
    wide: int
    deep: int

    @property
    def total(self) -> int:
        """All blocks."""
        return self.banks * self.wide * self.deep


def uram_blocks(words: int, word_bits: int, banks: int) -> Blocks:
    """
    UltraRAM of a buffer of `words` words of `word_bits`, spread cyclically over `banks`.

    A bank is ceil(word_bits / 72) blocks wide and ceil(ceil(words / banks) / 4096) deep.
    """
    deep = ceil(ceil(words / banks) / URAM_WORDS)
    return Blocks(banks, ceil(word_bits / URAM_BITS), deep)


def weight_buffer(unit: Tlmm, regions: int) -> Blocks:
    """
    UltraRAM of a buffer of `regions` regions of weights: [regions][blocks][outputs] index vectors.

    A vector is 5 bits for each of the T tables, and Q / 2 cyclic banks of two ports give Q of
    them a step. For TeLLMe v2: [3][19][1536] words of 140 bits in 8 banks, 2 blocks wide and
    ceil(87,552 / 8 / 4096) = 3 deep, 48 blocks. Raises `ValueError` for a unit without regions.
    """
    if unit.region_inputs is None or unit.region_outputs is None:
        raise ValueError("expected `region_inputs` and `region_outputs`, got none")
    blocks = ceil(unit.region_inputs.value / unit.block)
    words = regions * blocks * unit.region_outputs.value
    banks = ceil(unit.outputs_per_step.value / 2)
    return uram_blocks(words, INDEX_BITS * unit.tables.value, banks)


def printed_equation(unit: Tlmm, inputs: int, outputs: int, copies: int) -> int:
    """
    Equation (9) of TeLLMe v2 as printed: U = ceil((Y/Q) ceil(X/(G T)) / 4096) c Q/2.

    X `inputs`, Y `outputs`, c `copies`. With the paper's 4116, 1596 and 2:
    ceil(99.75 x 49 / 4096) = 2, and 2 x 2 x 8 = 32.
    """
    per_step = unit.outputs_per_step.value
    blocks = ceil(inputs / unit.block)
    deep = ceil(outputs * blocks / (per_step * URAM_WORDS))
    return deep * copies * per_step // 2
