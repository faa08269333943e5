"""Who has a copy of a deployment's disk and database, and every key on that disk, and looks for contributions."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import psycopg

from tacita.crypto.envelope import open_sealed
from tacita.crypto.errors import DoesNotOpen
from tacita.crypto.keyring import Keyring
from tacita.privacy.bounding import Counts
from tacita.store.sealing import RoundKey

_ROUNDS = range(1, 4)
_PAGE, _LONG_HEADER, _SHORT_HEADER, _HAS_LONG = 8_192, 40, 24, 2
_CONTRIBUTION_BYTES = 12 + 452 + 32 + 16
_SEALED_KEYS = (12 + 32 + 16, 12 + 12 + 32 + 16 + 16)
"""The lengths of a round key sealed once, and of one sealed twice."""

_TAG_THEN_SEALED = re.compile(rb"(?s)\x43(.{32})\x00{0,3}\x10\x08\x00\x00(?=(.{512}))")
"""A row of `contributions` as PostgreSQL writes it: a short value of 32 bytes, padding, a long one of 512."""


def dump(dsn: str) -> bytes:
    """Return every row of every table as text."""
    dumped = []
    with psycopg.connect(dsn) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            copied = psycopg.sql.SQL("COPY {} TO STDOUT").format(psycopg.sql.Identifier(table))
            with connection.cursor().copy(copied) as copy:
                dumped += [bytes(part) for part in copy]
    return b"".join(dumped)


def disk(folder: Path) -> list[bytes]:
    """Return what every file under `folder` holds; the database's log also without its page headers."""
    found = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]
    return found + [_records(path.read_bytes()) for path in folder.rglob("pg_wal/*") if path.is_file()]


def _records(log: bytes) -> bytes:
    pages = [log[start : start + _PAGE] for start in range(0, len(log), _PAGE)]
    return b"".join(page[_LONG_HEADER if page[2:3] and page[2] & _HAS_LONG else _SHORT_HEADER :] for page in pages)


def recovered(folder: Path, dsn: str) -> list[Counts]:
    """Return every device's counts that can be opened with what lies on the disk and in the database."""
    ring = Keyring.load(folder / "keys")
    in_rows = [bytes.fromhex(text.decode()) for text in re.findall(rb"\\\\x([0-9a-f]+)", dump(dsn))]
    data = disk(folder)
    keys = {key for sealed in _sealed_keys(data, in_rows) for key in _round_keys(ring, sealed)}
    pairs = {match.groups() for each in data for match in _TAG_THEN_SEALED.finditer(each)}
    sealed_rows = [value for value in in_rows if len(value) == _CONTRIBUTION_BYTES]
    tags = [value for value in in_rows if len(value) == 32]
    return [
        found
        for number, key in keys
        for tag, sealed in [*pairs, *product(tags, sealed_rows)]
        for found in _opened(RoundKey(number, key), tag, sealed)
    ]


def _sealed_keys(data: list[bytes], in_rows: list[bytes]) -> Iterator[bytes]:
    """Yield whatever may be a sealed round key: values of its length, live or dead, in pages or in the log."""
    yield from (value for value in in_rows if len(value) in _SEALED_KEYS)
    for length in _SEALED_KEYS:
        header = re.escape(bytes([(length + 1) << 1 | 1]))
        pattern = re.compile(b"(?s)" + header + b"(?=(.{%d}))" % length)
        for each in data:
            yield from {match[1] for match in pattern.finditer(each) if match[1].count(0) < length // 4}


def _round_keys(ring: Keyring, sealed: bytes) -> Iterator[tuple[int, bytes]]:
    secrets = [path.read_bytes() for path in ring.folder.rglob("*") if path.is_file() and path.stat().st_size == 32]
    for number in _ROUNDS:
        try:
            inner = ring.open(sealed, f"round/{number}")
        except DoesNotOpen:
            continue
        if len(inner) == 32:
            yield number, inner
        for secret in [*secrets, *(ring.get(path.stem) for path in ring.folder.glob("*.sealed"))]:
            try:
                yield number, open_sealed(secret, inner, f"round-key/{number}".encode())
            except (DoesNotOpen, ValueError):
                continue


def _opened(key: RoundKey, tag: bytes, sealed: bytes) -> Iterator[Counts]:
    try:
        yield key.open_contribution(tag, sealed).counts
    except DoesNotOpen:
        return
