"""
Object files in memory: the code that LLVM made in an earlier process, ready to call.

Only what the JIT makes is understood: 64-bit x86 ELF, whose references are whole addresses. All else is an
`UnknownObject`, and is compiled again.
"""

import ctypes
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

ALLOCATED = 0x2
"""The flag of sections that are in memory when the code runs."""

SYMBOLS, RELOCATIONS, NO_BITS = 2, 4, 8
"""Kinds of sections."""

ABSOLUTE = 1
"""The kind of reference that is an address in 64 bits."""

X86_64 = 62
"""The machine."""

LOOKUP = ".eh_frame"
"""Tables for unwinding, which this code never does."""


class UnknownObject(Exception):
    """The file is not of the kind that this loader understands."""


@dataclass(frozen=True)
class Section:
    """A section's row of the table in the file."""

    name: int
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


@dataclass(frozen=True)
class Loaded:
    """Code in memory, and where its functions are."""

    symbols: dict[str, int]
    memory: mmap.mmap = field(repr=False)


@dataclass(frozen=True)
class Symbol:
    """A symbol's row: a name, a section, a place in it."""

    name: str
    section: int
    value: int


class ObjectFile:
    """The parts of a file; errors of `struct` and of slices are those of a damaged file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        machine = struct.unpack_from("<H", data, 18)[0]
        if data[:6] != b"\x7fELF\x02\x01" or machine != X86_64:
            raise UnknownObject("expected a 64-bit x86 object")
        start = struct.unpack_from("<Q", data, 40)[0]
        count, names = struct.unpack_from("<HH", data, 60)
        rows = (
            struct.unpack_from("<IIQQQQIIQQ", data, start + 64 * n)
            for n in range(count)
        )
        self.sections = [
            Section(r[0], r[1], r[2], r[4], r[5], r[6], r[7], r[8]) for r in rows
        ]
        self.names = self.sections[names]

    def text(self, table: Section, at: int) -> str:
        """A string of a table."""
        start = table.offset + at
        return self.data[start : self.data.index(b"\0", start)].decode()

    def rows(self, section: Section, form: str) -> Iterator[tuple[int, ...]]:
        """The rows of a section."""
        body = self.data[section.offset : section.offset + section.size]
        return struct.iter_unpack(form, body)

    def symbols(self) -> list[Symbol]:
        """All symbols in order."""
        (table,) = (s for s in self.sections if s.kind == SYMBOLS)
        names = self.sections[table.link]
        return [
            Symbol(self.text(names, row[0]), row[3], row[4])
            for row in self.rows(table, "<IBBHQQ")
        ]

    def kept(self) -> list[int]:
        """The sections that go into memory."""
        return [
            at
            for at, section in enumerate(self.sections)
            if section.flags & ALLOCATED
            and self.text(self.names, section.name) != LOOKUP
        ]


def load_object(data: bytes) -> Loaded:
    """Map the code of an object file; `UnknownObject` where it is not such a file."""
    try:
        return mapped(ObjectFile(data))
    except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
        raise UnknownObject(str(error)) from None


def mapped(file: ObjectFile) -> Loaded:
    """Copy the sections, resolve what refers to them, make them executable."""
    places, size = layout(file)
    memory = mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    base = address(memory)
    for at, place in places.items():
        section = file.sections[at]
        if section.kind != NO_BITS:
            body = file.data[section.offset : section.offset + section.size]
            memory[place : place + len(body)] = body
    symbols = file.symbols()
    for section in file.sections:
        if section.kind == RELOCATIONS and section.info in places:
            resolve(file, section, memory, symbols, places)
    protect(base, size)
    found = {
        s.name: base + places[s.section] + s.value
        for s in symbols
        if s.section in places
    }
    return Loaded(found, memory)


def layout(file: ObjectFile) -> tuple[dict[int, int], int]:
    """Where each section goes, and the size of all."""
    places: dict[int, int] = {}
    size = 0
    for at in file.kept():
        align = max(file.sections[at].align, 1)
        size = -(-size // align) * align
        places[at] = size
        size += file.sections[at].size
    return places, size


def resolve(
    file: ObjectFile,
    section: Section,
    memory: mmap.mmap,
    symbols: list[Symbol],
    places: dict[int, int],
) -> None:
    """Write the addresses that a section refers to."""
    base = address(memory)
    for offset, info, plus in file.rows(section, "<QQq"):
        kind, symbol = info & 0xFFFFFFFF, symbols[info >> 32]
        if kind != ABSOLUTE or symbol.section not in places:
            raise UnknownObject(f"a reference of kind {kind} to '{symbol.name}'")
        at = places[section.info] + offset
        value = base + places[symbol.section] + symbol.value + plus
        struct.pack_into("<q", memory, at, value)


def address(memory: mmap.mmap) -> int:
    """Where a mapping begins."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def protect(base: int, size: int) -> None:
    """Make a mapping one that is run and no longer written."""
    call = ctypes.CDLL(None, use_errno=True).mprotect
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    whole = -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    if call(base, whole, mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError(ctypes.get_errno(), "mprotect")
