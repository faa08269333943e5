"""Applying a delta: a stream with bounded memory, that goes on where it was cut off, and ends whole or not at all.

The new file grows beside the old one as `….partial`, chunk by verified chunk, and takes its name only when all of it is
there, verified and on the disk. A later call goes on after the last chunk that verifies, whatever the crash left.
"""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from backports import zstd

from tacita.models.deltas import planes
from tacita.models.deltas.errors import DeltaRefused, Flaw
from tacita.models.deltas.structure import Chunk, File, Operation, Plan, offsets, read_plan

_WINDOW_LOG = 22
"""A payload's window is at most 4 MiB: what a decompressor may be made to hold."""


def apply_delta(base: Path, delta: Path, target: File, output: Path) -> None:
    """Make `output` from `base` and `delta`; what was at `output` before stays until the new file is whole.

    Args:
        base: the file at hand.
        delta: verified to be the signed one, or not: nothing it holds is trusted.
        target: the signed digest and size of what must come out.
        output: where it goes.

    Raises:
        DeltaRefused: it is malformed, of another base, leads elsewhere, or is damaged. `output` is as it was.
    """
    partial = output.with_name(f"{output.name}.partial")
    with delta.open("rb") as payloads, base.open("rb") as old:
        plan = read_plan(payloads, delta.stat().st_size, target)
        if base.stat().st_size != plan.header.base.size:
            raise DeltaRefused(Flaw.OTHER_BASE)
        try:
            with partial.open("a+b") as new:
                digest = _grow(plan, payloads, old, new)
        except DeltaRefused:
            partial.unlink(missing_ok=True)
            raise
    if digest != target.sha256:
        partial.unlink(missing_ok=True)
        raise DeltaRefused(Flaw.OTHER_TARGET)
    partial.replace(output)
    _sync_folder(output.parent)


def _grow(plan: Plan, payloads: BinaryIO, old: BinaryIO, new: BinaryIO) -> str:
    """Bring the partial file to its end; return the digest of all of it."""
    whole = hashlib.sha256()
    new.seek(0)
    done = 0
    for chunk in plan.chunks:  # what an earlier call left, as far as it is right
        data = new.read(chunk.length)
        if hashlib.sha256(data).digest() != chunk.sha256:
            break
        whole.update(data)
        done += 1
    places = offsets(plan.chunks)
    new.truncate(places[done][0] if done < len(places) else plan.header.target.size)
    new.seek(0, os.SEEK_END)
    for chunk, (_, payload_at) in zip(plan.chunks[done:], places[done:], strict=True):
        payloads.seek(plan.payloads_at + payload_at)
        data = _made(chunk, payloads.read(chunk.payload_length), old)
        whole.update(data)
        new.write(data)
    new.flush()
    os.fsync(new.fileno())
    return whole.hexdigest()


def _made(chunk: Chunk, payload: bytes, old: BinaryIO) -> bytes:
    """Return one chunk of the target, verified."""
    old.seek(chunk.base_offset)
    beside = old.read(chunk.base_length)
    data = planes.unfold(chunk, _decompressed(chunk, payload, beside), beside)
    if hashlib.sha256(data).digest() != chunk.sha256:
        raise DeltaRefused(Flaw.DAMAGED)
    return data


def _decompressed(chunk: Chunk, payload: bytes, beside: bytes) -> bytes:
    """Return exactly `chunk.length` bytes, and never hold more."""
    prefix = zstd.ZstdDict(beside, is_raw=True).as_prefix if chunk.operation is Operation.PREFIX else None
    limits = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG}
    try:
        decompressor = zstd.ZstdDecompressor(zstd_dict=prefix, options=limits)
        data = decompressor.decompress(payload, max_length=chunk.length)
        more = b"" if decompressor.eof else decompressor.decompress(b"", max_length=1)
    except (zstd.ZstdError, EOFError):
        raise DeltaRefused(Flaw.DAMAGED) from None
    if len(data) != chunk.length or more or not decompressor.eof or decompressor.unused_data:
        raise DeltaRefused(Flaw.DAMAGED)
    return data


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
