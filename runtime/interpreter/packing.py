"""Trits to bytes and back, in the orders of `#ternary.packing`."""

from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfc.dialects.ternary import TRITS_PER_GROUP, PackingAttr
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array

Bytes = NDArray[np.uint8]


def pack(w: Array, packing: PackingAttr, tile: tuple[int, int]) -> Array:
    """
    An N x K weight in tiles (rows, columns), row-major over tiles: tiles x bytes, int8.

    Edges are padded with zero trits.
    """
    rows, columns = tile
    down, across = ceil(w.shape[0] / rows), ceil(w.shape[1] / columns)
    padded = pad_to(w, (down * rows, across * columns))
    tiles = padded.reshape(down, rows, across, columns).swapaxes(1, 2)
    packed = [pack_tile(one, packing) for one in tiles.reshape(-1, rows, columns)]
    return np.stack(packed).view(np.int8)


def pad_to(w: Array, shape: tuple[int, int]) -> Array:
    """A matrix with zeros below and to the right."""
    return np.pad(w, [(0, n - old) for n, old in zip(shape, w.shape, strict=True)])


def pack_tile(tile: Array, packing: PackingAttr) -> Bytes:
    """One tile of trits as bytes."""
    code, order = packing.code.data, packing.order.data
    if order == "interleaved":
        return pack_codes(interleave(tile).reshape(1, -1), code)[0]
    if order == "beats":
        return pack_beats(tile, packing)
    return pack_codes(tile.reshape(1, -1), code)[0]


def unpack_tile(data: Array, packing: PackingAttr, shape: tuple[int, int]) -> Array:
    """The trits of one packed tile, not to be written to."""
    return unpacked(data.tobytes(), packing, shape)


@lru_cache(maxsize=8)
def unpacked(stored: bytes, packing: PackingAttr, shape: tuple[int, int]) -> Array:
    """The trits in some bytes; a tile is used by many firings in a row, so the last few are kept."""
    trits = np.ascontiguousarray(
        read_tile(np.frombuffer(stored, np.uint8), packing, shape)
    )
    trits.flags.writeable = False
    return trits


def read_tile(data: Bytes, packing: PackingAttr, shape: tuple[int, int]) -> Array:
    """The trits of one packed tile."""
    code, order = packing.code.data, packing.order.data
    if order == "interleaved":
        return deinterleave(unpack_codes(data[None], code)[0], shape)
    if order == "beats":
        return unpack_beats(data, packing, shape)
    trits = unpack_codes(data[None], code)[0]
    return trits[: shape[0] * shape[1]].reshape(shape)


def digits(groups: Array) -> Array:
    """Groups of trits (…, n) as one code each: w + 1, the first trit the lowest digit."""
    count = groups.shape[-1]
    base = 4 if count == 1 else 3
    codes = np.zeros(groups.shape[:-1], np.uint8)
    for place in reversed(range(count)):
        codes = codes * np.uint8(base) + (groups[..., place] + 1).view(np.uint8)
    return codes


def pack_codes(trits: Array, code: str) -> Bytes:
    """Rows of trits as rows of bytes, codes laid bit by bit from the lowest bit on."""
    count, bits = TRITS_PER_GROUP[code]
    groups = ceil(trits.shape[1] / count)
    padded = pad_to(trits, (trits.shape[0], groups * count))
    codes = digits(padded.reshape(len(trits), groups, count))
    if bits == 8:
        return codes
    if bits == 2:
        quads = pad_to(codes, (len(trits), ceil(groups / 4) * 4))
        shifted = quads.reshape(len(trits), -1, 4) << np.arange(0, 8, 2, dtype=np.uint8)
        return np.bitwise_or.reduce(shifted, axis=2, dtype=np.uint8)
    each = (codes[:, :, None] >> np.arange(bits, dtype=np.uint8)) & 1
    return np.packbits(each.reshape(len(trits), -1), axis=1, bitorder="little")


def tables(code: str) -> Array:
    """The trits of every code; a code that stands for none holds 2."""
    count, bits = TRITS_PER_GROUP[code]
    base = 4 if count == 1 else 3
    codes = np.arange(2**bits, dtype=np.int64)
    columns = [np.floor_divide(codes, base**j) % base for j in range(count)]
    trits: Array = np.stack(columns, 1) - 1
    trits[codes >= 3**count] = 2
    return trits.astype(np.int8)


TABLES = {code: tables(code) for code in TRITS_PER_GROUP}
"""code -> trits (codes x trits per code)."""


def unpack_codes(data: Bytes, code: str) -> Array:
    """Rows of bytes as rows of trits, trailing bits that make no code dropped."""
    bits = TRITS_PER_GROUP[code][1]
    if bits == 8:
        codes = data
    elif bits == 2:
        codes = (data[:, :, None] >> np.arange(0, 8, 2, dtype=np.uint8)) & 3
    else:
        each = np.unpackbits(data, axis=1, bitorder="little")
        whole = each.shape[1] // bits * bits
        each = each[:, :whole].reshape(len(data), -1, bits)
        codes = np.packbits(each, axis=2, bitorder="little")[:, :, 0]
    trits = np.take(TABLES[code], codes, axis=0)
    return checked(trits.reshape(len(data), -1), code)


def checked(trits: Array, code: str) -> Array:
    """Trits, unless a code stood for none."""
    if trits.size and trits.max() > 1:
        raise ExecutionError(
            f"expected bytes of {code}, got a code that stands for no trits"
        )
    return trits


def interleave(tile: Array) -> Array:
    """Blocks of 16 x 16; byte 4r + j of a block holds columns j, j + 4, j + 8, j + 12 of row r."""
    down, across = ceil(tile.shape[0] / 16), ceil(tile.shape[1] / 16)
    padded = pad_to(tile, (16 * down, 16 * across))
    return padded.reshape(down, 16, across, 4, 4).transpose(0, 2, 1, 4, 3)


def deinterleave(trits: Array, shape: tuple[int, int]) -> Array:
    """What `interleave` undoes, cut to the tile."""
    down, across = ceil(shape[0] / 16), ceil(shape[1] / 16)
    blocks = trits.reshape(down, across, 16, 4, 4).transpose(0, 2, 1, 4, 3)
    return blocks.reshape(16 * down, 16 * across)[: shape[0], : shape[1]]


def vectors_per_beat(packing: PackingAttr) -> int:
    """How many rows' vectors a beat holds."""
    return 8 * packing.beat.data // packing.vector_bits


def pack_beats(tile: Array, packing: PackingAttr) -> Bytes:
    """Per block of columns, one vector per row, whole vectors in beats."""
    block, vectors = packing.block.data, vectors_per_beat(packing)
    blocks, beats = ceil(tile.shape[1] / block), ceil(tile.shape[0] / vectors)
    padded = pad_to(tile, (beats * vectors, blocks * block))
    by_block = padded.reshape(beats, vectors, blocks, block).transpose(2, 0, 1, 3)
    data = pack_codes(
        by_block.reshape(blocks * beats, vectors * block), packing.code.data
    )
    filled = np.zeros((blocks * beats, packing.beat.data), np.uint8)
    filled[:, : data.shape[1]] = data
    return filled.reshape(-1)


def unpack_beats(data: Bytes, packing: PackingAttr, shape: tuple[int, int]) -> Array:
    """What `pack_beats` undoes, cut to the tile."""
    block, vectors = packing.block.data, vectors_per_beat(packing)
    blocks, beats = ceil(shape[1] / block), ceil(shape[0] / vectors)
    used = ceil(vectors * packing.vector_bits / 8)
    rows = data.reshape(blocks * beats, packing.beat.data)[:, :used]
    trits: Any = unpack_codes(rows, packing.code.data)[:, : vectors * block]
    by_block = trits.reshape(blocks, beats, vectors, block).transpose(1, 2, 0, 3)
    return by_block.reshape(beats * vectors, blocks * block)[: shape[0], : shape[1]]
