"""Making a delta: each chunk of the target by the smallest of its possible makings. The same files, the same delta."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from backports import zstd

from tacita.models.deltas import planes
from tacita.models.deltas.layout import Region, regions
from tacita.models.deltas.structure import FORMAT, MAX_CHUNK, MIN_PREFIX, Chunk, File, Header, Operation, write_head

CHUNK = 1 << 20
LEVEL = 12
_WINDOW_LOG = 22
_OPTIONS = {
    int(zstd.CompressionParameter.compression_level): LEVEL,
    int(zstd.CompressionParameter.window_log): _WINDOW_LOG,
    int(zstd.CompressionParameter.checksum_flag): 0,
    int(zstd.CompressionParameter.content_size_flag): 1,
}


def described(path: Path) -> File:
    """Return a file's digest and size."""
    with path.open("rb") as file:
        return File(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def make_delta(base: Path, target: Path, delta: Path) -> bool:
    """Write the delta from one file to another, if it is smaller than the other; return whether it was.

    Args:
        base: what devices have.
        target: what they shall have; at least one byte.
        delta: where it is written, whole or not at all.
    """
    payloads = delta.with_suffix(".payloads")
    partial = delta.with_suffix(".partial")
    try:
        with payloads.open("w+b") as body:
            chunks = []
            for chunk, payload in _chunks(base, target):
                chunks.append(chunk)
                body.write(payload)
            head = write_head(Header(FORMAT, described(base), described(target), len(chunks)), chunks)
            if len(head) + body.tell() >= target.stat().st_size:
                return False
            body.seek(0)
            with partial.open("wb") as file:
                file.write(head)
                while block := body.read(CHUNK):
                    file.write(block)
        partial.replace(delta)
        return True
    finally:
        payloads.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)


def _chunks(base: Path, target: Path) -> Iterator[tuple[Chunk, bytes]]:
    """Yield the target's chunks in their order, each with its payload."""
    known = {(region.name, region.length, region.period): region for region in regions(base) if region.name}
    base_size = base.stat().st_size
    with base.open("rb") as old, target.open("rb") as new:
        for region in regions(target):
            same = known.get((region.name, region.length, region.period))
            step = CHUNK - CHUNK % region.period
            for start in range(0, region.length, step):
                length = min(step, region.length - start)
                data = _read(new, region.offset + start, length)
                if same is not None:
                    yield _of_tensor(data, region, _read(old, same.offset + start, length), same.offset + start)
                else:
                    yield _of_bytes(data, region, old, base_size, region.offset + start)


def _of_tensor(data: bytes, region: Region, before: bytes, base_offset: int) -> tuple[Chunk, bytes]:
    """Return a chunk of a tensor that the base has too: its difference, or itself, whichever is smaller."""
    difference = planes.xor(data, before)
    best = Operation.XOR, _compressed(planes.split(difference, region.period))
    if difference.count(0) * 4 < len(difference):  # hardly an equal byte: perhaps another tensor altogether
        best = min(best, (Operation.PLANES, _compressed(planes.split(data, region.period))), key=lambda b: len(b[1]))
    operation, payload = best
    at, length = (base_offset, len(data)) if operation is Operation.XOR else (0, 0)
    return _chunk(operation, region.period, data, (at, length), payload), payload


def _of_bytes(data: bytes, region: Region, old: BinaryIO, base_size: int, offset: int) -> tuple[Chunk, bytes]:
    """Return a chunk of anything else: with the base's bytes around the same place as a prefix, or by itself."""
    alone = _compressed(planes.split(data, region.period))
    best = _chunk(Operation.PLANES, region.period, data, (0, 0), alone), alone
    around = max(0, min(offset - (MAX_CHUNK - len(data)) // 2, base_size - MAX_CHUNK))
    length = min(MAX_CHUNK, base_size - around)
    if length >= MIN_PREFIX:
        prefixed = _compressed(data, _read(old, around, length))
        if len(prefixed) < len(alone):
            best = _chunk(Operation.PREFIX, 1, data, (around, length), prefixed), prefixed
    return best


def _chunk(operation: Operation, period: int, data: bytes, base: tuple[int, int], payload: bytes) -> Chunk:
    return Chunk(operation, period, len(data), *base, len(payload), hashlib.sha256(data).digest())


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _compressed(data: bytes, prefix: bytes | None = None) -> bytes:
    reference = None if prefix is None else zstd.ZstdDict(prefix, is_raw=True).as_prefix
    compressor = zstd.ZstdCompressor(options=_OPTIONS, zstd_dict=reference)
    return bytes(compressor.compress(data, zstd.ZstdCompressor.FLUSH_FRAME))
