"""Blobs: models by digest, and the named files of the TUF repository, on a local folder or an object store."""

import asyncio
import hashlib
import os
from pathlib import Path

from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore

from tacita.store.errors import BlobCorrupt, BlobMissing


class Blobs:
    """Objects that are written whole or not at all.

    Args:
        store: the object store; `local_blobs` makes one on a folder.
        folder: where a local store lies, so that a write is flushed to the disk before it counts as done.
    """

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    async def put(self, data: bytes) -> str:
        """Store `data` and return its SHA-256 in lower-case hex. To store it twice is to store it once."""
        digest = hashlib.sha256(data).hexdigest()
        if not await self._create(_by_digest(digest), data) and await self._read(_by_digest(digest)) != data:
            await self._overwrite(_by_digest(digest), data)  # a disk damaged it; its right content is at hand
        return digest

    async def get(self, digest: str) -> bytes:
        """Return a blob, verified against its digest.

        Raises:
            BlobMissing: there is none.
            BlobCorrupt: its content is not what its digest says.
        """
        data = await self._read(_by_digest(digest))
        if data is None:
            raise BlobMissing(f"there is no blob {digest}")
        if hashlib.sha256(data).hexdigest() != digest:
            raise BlobCorrupt(f"blob {digest} is damaged: restore it from a backup")
        return data

    async def size(self, digest: str) -> int:
        """Return a blob's size in bytes, without reading it.

        Raises:
            BlobMissing: there is none.
        """
        try:
            return (await self._store.head_async(_by_digest(digest)))["size"]
        except FileNotFoundError:
            raise BlobMissing(f"there is no blob {digest}") from None

    async def put_named(self, name: str, data: bytes, *, immutable: bool) -> None:
        """Store `data` under a name, as `targets/…` or `timestamp.json`.

        Raises:
            BlobCorrupt: the name is immutable and holds something else already.
        """
        if not immutable:
            await self._overwrite(_by_name(name), data)
        elif not await self._create(_by_name(name), data) and await self._read(_by_name(name)) != data:
            raise BlobCorrupt(f"{name} is immutable and holds something else")

    async def get_named(self, name: str) -> bytes | None:
        """Return what is stored under a name, or None."""
        return await self._read(_by_name(name))

    async def _create(self, path: str, data: bytes) -> bool:
        try:
            await self._store.put_async(path, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        await self._flush(path)
        return True

    async def _overwrite(self, path: str, data: bytes) -> None:
        await self._store.put_async(path, data, mode="overwrite", use_multipart=False)
        await self._flush(path)

    async def _read(self, path: str) -> bytes | None:
        try:
            result = await self._store.get_async(path)
        except FileNotFoundError:
            return None
        return bytes(await result.bytes_async())

    async def _flush(self, path: str) -> None:
        """Make a local write outlive a power cut; obstore renames atomically but doesn't fsync."""
        if self._folder is not None:
            await asyncio.to_thread(_fsync_with_parents, self._folder / path, self._folder)


def local_blobs(folder: Path) -> Blobs:
    """Return blobs on a local folder, made if it isn't there."""
    folder.mkdir(parents=True, exist_ok=True)
    return Blobs(LocalStore(folder, mkdir=True), folder)


def _by_digest(digest: str) -> str:
    return f"sha256/{digest}"


def _by_name(name: str) -> str:
    return f"named/{name}"


def _fsync_with_parents(path: Path, top: Path) -> None:
    for entry in (path, *path.relative_to(top).parents):
        handle = os.open(top / entry, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
