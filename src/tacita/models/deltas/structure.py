"""The bytes of a delta: magic, header, table of chunks, payloads (docs/delta-format.md).

Everything that sizes claim is checked against everything else before a byte is decompressed or a file is made: what a
delta can cost is bounded by its own signed length and the target's signed length.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from typing import BinaryIO

import msgspec

from tacita.models.deltas.errors import DeltaRefused, Flaw

MAGIC = b"TACDLT1\n"
FORMAT = "tacita-delta/1"
MAX_CHUNK = 4 << 20
"""Bytes of one chunk of the target, or of the base beside it; what an applier must hold at once, a few times."""

MAX_TARGET = 16 << 30
MIN_PREFIX = 8
"""zstd takes nothing shorter for a dictionary."""

_LENGTH = struct.Struct("<I")
_MAX_HEADER = 4_096
_CHUNK = struct.Struct("<BBHIIIQ32s")
_EXPANSION = 1_024
"""Payload bytes of a chunk beyond its length at most: what zstd adds to what it can't compress."""


class Operation(IntEnum):
    """How a chunk of the target comes out of its payload, which is one zstd frame (RFC 8878)."""

    PLANES = 0
    """Decompress, undo the byte planes."""
    XOR = 1
    """Decompress, undo the byte planes, xor with as many bytes of the base."""
    PREFIX = 2
    """Decompress with the base's bytes as the prefix that matches may refer to (raw content dictionary)."""


class File(msgspec.Struct, frozen=True):
    """A whole file: its SHA-256 in lower-case hex and its size in bytes."""

    sha256: str
    size: int


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the delta leads from and to, and how many chunks the target has."""

    format: str
    base: File
    target: File
    chunks: int


@dataclass(frozen=True)
class Chunk:
    """One chunk of the target, in the order of the target's bytes.

    Attributes:
        operation: how it is made.
        period: bytes of one element or block, whose byte planes lie apart; 1: as they are.
        length: bytes of the target.
        base_offset, base_length: the base's bytes that it needs.
        payload_length: bytes of its zstd frame.
        sha256: digest of the target's bytes.
    """

    operation: Operation
    period: int
    length: int
    base_offset: int
    base_length: int
    payload_length: int
    sha256: bytes


@dataclass(frozen=True)
class Plan:
    """A delta's header, its chunks, and where the payloads begin."""

    header: Header
    chunks: tuple[Chunk, ...]
    payloads_at: int


def write_head(header: Header, chunks: Iterable[Chunk]) -> bytes:
    """Return everything of a delta that comes before its payloads."""
    described = msgspec.json.encode(header, order="sorted")
    rows = b"".join(
        _CHUNK.pack(c.operation, c.period - 1, 0, c.length, c.base_length, c.payload_length, c.base_offset, c.sha256)
        for c in chunks
    )
    return MAGIC + _LENGTH.pack(len(described)) + described + rows


def read_plan(file: BinaryIO, size: int, target: File) -> Plan:
    """Read and check everything before the payloads.

    Args:
        file: the delta, at its beginning.
        size: its length in bytes, as signed.
        target: the signed file that it must lead to.

    Raises:
        DeltaRefused: anything is not as docs/delta-format.md says.
    """
    header = _read_header(file)
    if header.target != target:
        raise DeltaRefused(Flaw.OTHER_TARGET)
    if not 0 < target.size <= MAX_TARGET or not 0 <= header.base.size <= MAX_TARGET:
        raise DeltaRefused(Flaw.TOO_LARGE)
    if not 0 < header.chunks <= min(target.size, size // _CHUNK.size):
        raise DeltaRefused(Flaw.INCONSISTENT)
    table = file.read(header.chunks * _CHUNK.size)
    if len(table) != header.chunks * _CHUNK.size:
        raise DeltaRefused(Flaw.TRUNCATED)
    chunks = tuple([_chunk(row, header.base.size) for row in _CHUNK.iter_unpack(table)])
    payloads_at = file.tell()
    if sum(chunk.length for chunk in chunks) != target.size:
        raise DeltaRefused(Flaw.INCONSISTENT)
    if payloads_at + sum(chunk.payload_length for chunk in chunks) != size:
        raise DeltaRefused(Flaw.TRUNCATED)
    return Plan(header, chunks, payloads_at)


def _read_header(file: BinaryIO) -> Header:
    start = file.read(len(MAGIC) + _LENGTH.size)
    if len(start) != len(MAGIC) + _LENGTH.size or not start.startswith(MAGIC):
        raise DeltaRefused(Flaw.NOT_A_DELTA)
    (length,) = _LENGTH.unpack_from(start, len(MAGIC))
    if length > _MAX_HEADER:
        raise DeltaRefused(Flaw.TOO_LARGE)
    try:
        header = msgspec.json.decode(file.read(length), type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DeltaRefused(Flaw.NOT_A_DELTA) from None
    if header.format != FORMAT:
        raise DeltaRefused(Flaw.NOT_A_DELTA)
    return header


def _chunk(row: tuple[int, int, int, int, int, int, int, bytes], base_size: int) -> Chunk:
    operation, period, reserved, length, base_length, payload_length, base_offset, sha256 = row
    if operation > max(Operation) or reserved:
        raise DeltaRefused(Flaw.NOT_A_DELTA)
    chunk = Chunk(Operation(operation), period + 1, length, base_offset, base_length, payload_length, sha256)
    if max(length, base_length) > MAX_CHUNK or payload_length > length + _EXPANSION:
        raise DeltaRefused(Flaw.TOO_LARGE)
    needs_base = chunk.operation is not Operation.PLANES
    whole = length > 0 and base_offset + base_length <= base_size and needs_base == (base_length > 0)
    other_length = chunk.operation is Operation.XOR and base_length != length
    no_prefix = chunk.operation is Operation.PREFIX and base_length < MIN_PREFIX
    if not whole or other_length or no_prefix:
        raise DeltaRefused(Flaw.INCONSISTENT)
    return chunk


def offsets(chunks: Iterable[Chunk]) -> list[tuple[int, int]]:
    """Return where each chunk begins in the target, and its payload after the first one's beginning."""
    made = list(chunks)
    in_target = accumulate((c.length for c in made), initial=0)
    in_payloads = accumulate((c.payload_length for c in made), initial=0)
    return list(zip(in_target, in_payloads, strict=True))[:-1]
