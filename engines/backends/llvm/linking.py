"""An object file goes in, code that runs wherever it is put comes out.

What LLVM gives for x86-64 Linux (ELF, made to lie anywhere) needs little: code and constants are
put behind each other, and the distances between them, which are known from then on, are filled in.
Nothing outside is ever called, and nothing written. Anything else is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from engines.errors import UnsupportedNetwork

_FILE = struct.Struct("<4sBB10xHHI8x8xQI6xHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBxHQQ")
_CHANGE = struct.Struct("<QIIq")

_WIDE, _LITTLE, _UNLINKED, _X86_64 = 2, 1, 1, 62
_CONTENT, _SYMBOLS, _CHANGES = 1, 2, 4  # types of sections
_UNWINDING = 0x70000001  # for exceptions, which no code of ours throws
_MOST_ALIGNED = 4096  # a page, which an image begins at
_WRITTEN, _LOADED = 1, 2  # flags of sections
_DISTANCES = (2, 4)  # R_X86_64_PC32, R_X86_64_PLT32


class Image(NamedTuple):
    """Code that may lie at any address that is a multiple of a page."""

    content: bytes
    entry: int
    """Where its function begins."""


class _Section(NamedTuple):
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    aligned: int


class _Symbol(NamedTuple):
    name: str
    section: int
    value: int


def linked(file: bytes, entry: str) -> Image:
    """`entry`: the function's name. Raises `UnsupportedNetwork` for a file of another kind."""
    try:
        return _Object(file).image(entry)
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise UnsupportedNetwork("LLVM gave an object file that is cut short") from error


class _Object:
    def __init__(self, file: bytes) -> None:
        magic, wide, order, kind, machine, _, at, _, size, count, _ = _FILE.unpack_from(file)
        found = magic, wide, order, kind, machine, size
        if found != (b"\x7fELF", _WIDE, _LITTLE, _UNLINKED, _X86_64, _SECTION.size):
            raise UnsupportedNetwork("LLVM gives no object files for x86-64 Linux here")
        self._file = file
        headers = _SECTION.iter_unpack(file[at : at + count * _SECTION.size])
        self._sections = [
            _Section(kind, flags, offset, length, link, info, max(aligned, 1))
            for _, kind, flags, _, offset, length, link, info, aligned, _ in headers
        ]
        (table,) = (section for section in self._sections if section.kind == _SYMBOLS)
        self._symbols = list(self._named(table))

    def image(self, entry: str) -> Image:
        places, content = self._placed()
        for section in self._sections:
            if section.kind == _CHANGES and section.info in places:
                self._fill(section, places, content)
        begins = [
            places[symbol.section] + symbol.value
            for symbol in self._symbols
            if symbol.name == entry and symbol.section in places
        ]
        if len(begins) != 1:
            raise UnsupportedNetwork(f"the object file has no function {entry!r}")
        return Image(bytes(content), begins[0])

    def _placed(self) -> tuple[dict[int, int], bytearray]:
        """Where each section that is loaded begins, and all of them."""
        places: dict[int, int] = {}
        content = bytearray()
        for number, section in enumerate(self._sections):
            if not section.flags & _LOADED or not section.size or section.kind == _UNWINDING:
                continue
            if section.kind != _CONTENT or section.flags & _WRITTEN:
                raise UnsupportedNetwork("the object file has more than code and constants")
            if section.aligned > _MOST_ALIGNED:
                raise UnsupportedNetwork("the object file asks for more room than code needs")
            content += bytes(-len(content) % section.aligned)
            places[number] = len(content)
            content += self._content(section)
        return places, content

    def _fill(self, section: _Section, places: dict[int, int], content: bytearray) -> None:
        for offset, kind, number, addend in _CHANGE.iter_unpack(self._content(section)):
            symbol = self._symbols[number]
            if kind not in _DISTANCES or symbol.section not in places:
                raise UnsupportedNetwork("the object file needs something from outside of it")
            at = places[section.info] + offset
            distance = places[symbol.section] + symbol.value + addend - at
            struct.pack_into("<i", content, at, distance)

    def _content(self, section: _Section) -> bytes:
        found = self._file[section.offset : section.offset + section.size]
        if len(found) != section.size:
            raise UnsupportedNetwork("LLVM gave an object file that is cut short")
        return found

    def _named(self, table: _Section) -> Iterator[_Symbol]:
        names = self._content(self._sections[table.link])
        for name, _, section, value, _ in _SYMBOL.iter_unpack(self._content(table)):
            yield _Symbol(names[name : names.index(b"\0", name)].decode(), section, value)
