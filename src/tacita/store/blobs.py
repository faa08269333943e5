"""Blobs: models by digest, and the named files of the TUF repository, on a local folder or an object store."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from tacita.store.errors import BlobCorrupt, BlobMissing, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import RetryConfig  # exists for type checkers only

FOREVER = "public, max-age=31536000, immutable"
FRESH = "no-cache"
_CHUNK_BYTES = 256 * 1024
_PATIENCE: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}


class Blobs:
    """Objects that are written whole or not at all.

    Args:
        store: the object store; `open_blobs` makes it of a URL or a folder.
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
        size = await self._size(_by_digest(digest))
        if size is None:
            raise BlobMissing(f"there is no blob {digest}")
        return size

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

    async def size_named(self, name: str) -> int | None:
        """Return the size in bytes of what is stored under a name, or None."""
        return await self._size(_by_name(name))

    async def stream_named(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to before `end` of what is stored under a name, never much of it at once.

        Raises:
            StoreUnavailable: the store can't be reached, or has no such bytes.
        """
        with _reached():
            result = await self._store.get_async(_by_name(name), options={"range": (start, end)})
            async for chunk in result.stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(chunk)

    async def _create(self, path: str, data: bytes) -> bool:
        try:
            with _reached():
                await self._store.put_async(
                    path, data, mode="create", use_multipart=False, attributes=self._attributes(FOREVER)
                )
        except AlreadyExistsError:
            return False
        await self._flush(path)
        return True

    async def _overwrite(self, path: str, data: bytes) -> None:
        with _reached():
            await self._store.put_async(
                path, data, mode="overwrite", use_multipart=False, attributes=self._attributes(FRESH)
            )
        await self._flush(path)

    async def _read(self, path: str) -> bytes | None:
        with _reached():
            try:
                result = await self._store.get_async(path)
            except FileNotFoundError:
                return None
            return bytes(await result.bytes_async())

    async def _size(self, path: str) -> int | None:
        with _reached():
            try:
                return (await self._store.head_async(path))["size"]
            except FileNotFoundError:
                return None

    def _attributes(self, cache_control: str) -> Any:
        """Return what an object store tells a CDN; a folder keeps no attributes, there the API does."""
        return None if self._folder is not None else {"Cache-Control": cache_control}

    async def _flush(self, path: str) -> None:
        """Make a local write outlive a power cut; obstore renames atomically but doesn't fsync."""
        if self._folder is not None:
            await asyncio.to_thread(_fsync_with_parents, self._folder / path, self._folder)


@contextmanager
def _reached() -> Iterator[None]:
    """Say of whatever else the store could not do that it is unavailable.

    Its own words stay out of it: they hold addresses, and of a cloud's answers whatever it chose to repeat.
    """
    try:
        yield
    except AlreadyExistsError:
        raise
    except (BaseError, FileNotFoundError) as error:  # not found while writing: there is no bucket
        raise StoreUnavailable(f"the blobs can't be reached: {type(error).__name__}") from error


def open_blobs(url: str | None, folder: Path) -> Blobs:
    """Return blobs in a bucket, or without one on a local folder.

    Args:
        url: as `s3://bucket/prefix`; region, credentials and another endpoint are read from `AWS_…` in the environment.
        folder: where they lie without one.
    """
    return local_blobs(folder) if url is None else Blobs(from_url(url, retry_config=_PATIENCE))


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
