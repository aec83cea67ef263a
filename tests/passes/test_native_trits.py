"""Interleaved 3 trits in 5 bits on every instruction set: the interpreter's integers, and nothing read behind the weight."""

import ctypes
import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_testing import HERE, kernel, product_text, random_product
from pass_testing import parse
from test_convert_ternary_to_vector import check_product

from dfc.dialects.ternary import PackingAttr
from dfc.passes.native.trit_codes import byte_of
from dfc.runtime.interpreter import run

PACKING = PackingAttr("trits3in5", "interleaved")


@pytest.mark.parametrize("isa", HERE)
@settings(deadline=None, max_examples=4)
@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=4),
    st.integers(1, 150),
    st.integers(1, 200),
)
def test_products_are_exact(isa: str, tokens: list[int], n: int, k: int):
    check_product(tokens, (n, k), PACKING, isa)


# columns: of one block, of several, those of q ending in each field of the last block
@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("shape", [(1, 1), (16, 12), (17, 33), (100, 49), (33, 61)])
def test_every_form_meets_every_edge(isa: str, shape: tuple[int, int]):
    tokens = (1, 2, 3, 4, 5, 16, 17, 21, 300)
    check_product(tokens, shape, PACKING, isa, threads=2)


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("trit", [-1, 1])
@pytest.mark.parametrize("activation", [-128, 127])
def test_the_largest_sums(isa: str, trit: int, activation: int):
    n, k = 16, 1200
    size = PACKING.tile_bytes(n, k)
    codes = {-1: 0, 1: 26}[trit]
    bits = np.tile([codes >> i & 1 for i in range(5)], size * 8 // 5)
    packed = np.packbits(bits, bitorder="little").view(np.int8)
    for tokens in (1, 2):
        module = parse(product_text((tokens, n, k), PACKING))
        q = np.full((tokens, k), activation, np.int8)
        a = np.zeros((tokens, n), np.int32)
        made = kernel(module, isa)
        made([each.ctypes.data for each in (q, packed, a)], tokens)
        assert (a == trit * activation * k).all()


def at_the_end_of_a_page(data: bytes) -> tuple[mmap.mmap, np.ndarray]:
    """Bytes whose end is that of the last page of a file, behind which nothing can be read."""
    room = -(-len(data) // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, room + mmap.PAGESIZE)
    every = np.frombuffer(memory, np.uint8)
    protect(every.ctypes.data + room)
    place = every[room - len(data) : room]
    place[:] = np.frombuffer(data, np.uint8)
    return memory, place


def protect(address: int) -> None:
    """Make a page unreadable: a read of it ends the process."""
    assert (
        ctypes.CDLL(None, use_errno=True).mprotect(
            ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), 0
        )
        == 0
    )


@pytest.mark.parametrize("isa", HERE)
@pytest.mark.parametrize("tokens", [1, 5])
@pytest.mark.parametrize("k", [1, 12, 61, 96])
def test_nothing_is_read_behind_weights_and_activations(isa: str, tokens: int, k: int):
    shape = (tokens, 20, k)
    module = parse(product_text(shape, PACKING))
    q, packed = random_product(shape, PACKING, seed=9)
    (expected,) = run(module, "f", [q, packed])
    wide = np.zeros((tokens, -(-k // 16) * 16), np.int8)
    wide[:, :k] = q
    held = [at_the_end_of_a_page(each.tobytes()) for each in (wide, packed)]
    found = np.zeros((tokens, 20), np.int32)
    addresses = [place.ctypes.data for _, place in held]
    kernel(module, isa)([*addresses, found.ctypes.data], tokens)
    np.testing.assert_array_equal(found, expected)


def test_a_byte_holds_each_trit_in_two_bits():
    for code in range(27):
        digits = [byte_of(code) >> 2 * place & 3 for place in range(3)]
        assert sum(digit * 3**place for place, digit in enumerate(digits)) == code
        # what the arithmetic of the other instruction sets gives
        assert byte_of(code) == code + (code * 11 >> 5) + 4 * (code * 57 >> 9)
    assert [byte_of(code) for code in range(27, 32)] == [0] * 5
