"""Trits to bytes and back, in the orders of `#ternary.packing`, in parts that stay in a processor's cache."""

from collections.abc import Iterator
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dfc.dialects.ternary import INTERLEAVED, TRITS_PER_GROUP, PackingAttr
from dfc.runtime.errors import ExecutionError
from dfc.runtime.interpreter.dtypes import Array

Bytes = NDArray[np.uint8]

PART = 120 << 12
"""Trits that are worked on at once: whole bytes in every code."""

KEPT = 1 << 20
"""Trits of a tile up to which it is kept for the next firings that use it."""


def pack(w: Array, packing: PackingAttr, tile: tuple[int, int]) -> Array:
    """
    An N x K weight in tiles (rows, columns), row-major over tiles: tiles x bytes, int8.

    Edges are padded with zero trits.
    """
    rows, columns = tile
    down, across = ceil(w.shape[0] / rows), ceil(w.shape[1] / columns)
    padded = pad_to(w, (down * rows, across * columns))
    tiles = padded.reshape(down, rows, across, columns).swapaxes(1, 2)
    packed = np.empty((down * across, packing.tile_bytes(rows, columns)), np.uint8)
    for one, place in zip(tiles.reshape(-1, rows, columns), packed, strict=True):
        place[:] = pack_tile(one, packing)
    return packed.view(np.int8)


def pad_to(w: Array, shape: tuple[int, int]) -> Array:
    """A matrix with zeros below and to the right."""
    if w.shape == shape:
        return w
    return np.pad(w, [(0, n - old) for n, old in zip(shape, w.shape, strict=True)])


def pack_tile(tile: Array, packing: PackingAttr) -> Bytes:
    """One tile of trits as bytes."""
    code, order = packing.code.data, packing.order.data
    if order == "interleaved":
        return interleave(tile, code)
    if order == "quarters":
        return pack_quarters(tile)
    if order == "beats":
        return pack_beats(tile, packing)
    flat = tile.reshape(1, -1)
    parts = [flat[:, at : at + PART] for at in range(0, flat.shape[1], PART)]
    return np.concatenate([pack_codes(part, code)[0] for part in parts])


def unpack_tile(data: Array, packing: PackingAttr, shape: tuple[int, int]) -> Array:
    """The trits of one packed tile, not to be written to."""
    if shape[0] * shape[1] <= KEPT:
        return unpacked(data.tobytes(), packing, shape)
    return read_tile(data.reshape(-1).view(np.uint8), packing, shape)


@lru_cache(maxsize=8)
def unpacked(stored: bytes, packing: PackingAttr, shape: tuple[int, int]) -> Array:
    """The trits in some bytes; a tile is used by many firings in a row, so the last few are kept."""
    trits = read_tile(np.frombuffer(stored, np.uint8), packing, shape)
    trits.flags.writeable = False
    return trits


def read_tile(data: Bytes, packing: PackingAttr, shape: tuple[int, int]) -> Array:
    """The trits of one packed tile, rows x columns."""
    code, order = packing.code.data, packing.order.data
    if order == "interleaved":
        trits = deinterleave(data, shape, code)
    elif order == "quarters":
        trits = unpack_quarters(data, shape)
    elif order == "beats":
        trits = unpack_beats(data, packing, shape)
    else:
        count, bits = TRITS_PER_GROUP[code]
        step = PART // count * bits // 8
        parts = [data[None, at : at + step] for at in range(0, len(data), step)]
        flat = np.concatenate([unpack_codes(part, code)[0] for part in parts])
        trits = flat[: shape[0] * shape[1]].reshape(shape)
    return np.ascontiguousarray(trits)


def row_parts(rows: int, columns: int) -> Iterator[slice]:
    """Rows in slices that hold about `PART` trits."""
    step = max(1, PART // max(1, columns))
    for first in range(0, rows, step):
        yield slice(first, min(first + step, rows))


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
        words = np.ascontiguousarray(quads).view(np.uint32)
        return (words | words >> 6 | words >> 12 | words >> 18).astype(np.uint8)
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


def interleave(tile: Array, code: str) -> Bytes:
    """
    Blocks of 16 rows, of which code 4r + j holds columns j, j + 4, j + 8 (and j + 12) of row r.

    Four columns are one word of four bytes, and what is done to a word is done to each byte: no digit of a
    code carries into the next byte.
    """
    width, size = INTERLEAVED[code]
    count, base = width // 4, DIGITS[code]
    down, across = ceil(tile.shape[0] / 16), ceil(tile.shape[1] / width)
    found = np.empty((down, across, size), np.uint8)
    for part in row_parts(down, 16 * width * across):
        rows = tile[16 * part.start : 16 * part.stop]
        padded = pad_to(rows, (16 * (part.stop - part.start), width * across))
        fours = (padded + 1).view(np.uint32).reshape(-1, across, count)
        words = fours[..., count - 1].copy()
        for place in reversed(range(count - 1)):
            words *= np.uint32(base)
            words += fours[..., place]
        blocks = np.ascontiguousarray(words.reshape(-1, 16, across).swapaxes(1, 2))
        found[part] = blocks.view(np.uint8) if base == 4 else squeeze(blocks)
    return found.reshape(-1)


DIGITS = {"trits1in2": 4, "trits3in5": 3}
"""The base of the digits of a byte in order `interleaved`."""

FIVES = tuple((np.uint32(31 << 8 * j), np.uint32(3 * j)) for j in range(4))
"""Where the 5 bits of code j stand in a word of bytes, and how many bits too high."""


def squeeze(blocks: Array) -> Bytes:
    """Words of four codes of 5 bits in bytes (… x 16) as 40 bytes without gaps (… x 40)."""
    rows = np.zeros(blocks.shape, np.uint32)
    for mask, shift in FIVES:
        rows |= (blocks & mask) >> shift
    wide = rows.astype(np.uint64)
    pairs = wide[..., ::2] | wide[..., 1::2] << np.uint64(20)
    return (
        pairs.view(np.uint8)
        .reshape(*pairs.shape, 8)[..., :5]
        .reshape(*blocks.shape[:-1], 40)
    )


def widen(data: Bytes) -> Array:
    """What `squeeze` undoes: … x 40 bytes as … x 16 words."""
    eights = np.zeros((*data.shape[:-1], 8, 8), np.uint8)
    eights[..., :5] = data.reshape(*data.shape[:-1], 8, 5)
    pairs = eights.view(np.uint64)[..., 0]
    twenty = np.uint64(0xFFFFF)
    rows = np.stack([pairs & twenty, pairs >> np.uint64(20)], axis=-1)
    rows = rows.astype(np.uint32).reshape(*data.shape[:-1], 16)
    words = np.zeros(rows.shape, np.uint32)
    for mask, shift in FIVES:
        words |= rows << shift & mask
    return words


def deinterleave(data: Bytes, shape: tuple[int, int], code: str) -> Array:
    """What `interleave` undoes, cut to the tile."""
    width, size = INTERLEAVED[code]
    down, across = ceil(shape[0] / 16), ceil(shape[1] / width)
    blocks = data.reshape(down, across, size)
    trits = np.empty((down, 16, across, width // 4), np.uint32)
    for part in row_parts(down, 16 * width * across):
        stored = np.ascontiguousarray(blocks[part])
        words = stored.view(np.uint32) if size == 64 else widen(stored)
        rows = np.ascontiguousarray(words.swapaxes(1, 2))
        for place in range(width // 4):
            trits[part, ..., place] = field(rows, place, code)
    found = trits.view(np.int8).reshape(16 * down, width * across)
    return checked(found[: shape[0], : shape[1]], code)


def field(words: Array, place: int, code: str) -> Array:
    """The trits at a place of the codes in each byte of some words."""
    if code == "trits1in2":
        codes = (words >> np.uint32(2 * place) & np.uint32(0x03030303)).view(np.uint8)
        return (codes - np.uint8(1)).view(np.uint32)
    return np.take(TABLES[code][:, place], words.view(np.uint8)).view(np.uint32)


def pack_quarters(tile: Array) -> Bytes:
    """Row r of bytes holds row r of each quarter of the rows, the first in the lowest bits."""
    rows, columns = ceil(tile.shape[0] / 4), tile.shape[1]
    quarters = pad_to(tile, (4 * rows, columns)).reshape(4, rows, columns)
    found = np.zeros((rows, columns), np.uint8)
    for part in row_parts(rows, columns):
        for place, quarter in enumerate(quarters):
            found[part] |= (quarter[part] + 1).view(np.uint8) << 2 * place
    return found.reshape(-1)


def unpack_quarters(data: Bytes, shape: tuple[int, int]) -> Array:
    """What `pack_quarters` undoes, cut to the tile."""
    rows, columns = ceil(shape[0] / 4), shape[1]
    stored = data.reshape(rows, columns)
    trits = np.empty((4, rows, columns), np.uint8)
    for part in row_parts(rows, columns):
        for place in range(4):
            trits[place, part] = (stored[part] >> 2 * place & 3) - np.uint8(1)
    found = trits.view(np.int8).reshape(4 * rows, columns)
    return checked(found[: shape[0]], "trits1in2")


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
