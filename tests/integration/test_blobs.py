"""Blobs on a local folder."""

import asyncio
import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tacita.store.blobs import local_blobs
from tacita.store.errors import BlobCorrupt, BlobMissing

_DIGEST = hashlib.sha256(b"weights").hexdigest()
_WRITE_FOREVER = """
import asyncio, sys
from pathlib import Path
from tacita.store.blobs import local_blobs
async def write():
    blobs = local_blobs(Path(sys.argv[1]))
    for number in range(1_000_000):
        await blobs.put_named("timestamp.json", bytes([number % 256]) * 3_000_000, immutable=False)
        print(number, flush=True)
asyncio.run(write())
"""


def test_a_blob_is_found_by_its_digest(tmp_path: Path) -> None:
    blobs = local_blobs(tmp_path)

    digest = asyncio.run(blobs.put(b"weights"))

    assert digest == _DIGEST
    assert asyncio.run(blobs.get(digest)) == b"weights"


def test_putting_a_blob_twice_is_putting_it_once(tmp_path: Path) -> None:
    blobs = local_blobs(tmp_path)

    digests = [asyncio.run(blobs.put(b"weights")) for _ in range(2)]

    assert digests == [_DIGEST] * 2


def test_a_size_is_in_bytes(tmp_path: Path) -> None:
    blobs = local_blobs(tmp_path)

    assert asyncio.run(blobs.size(asyncio.run(blobs.put(b"weights")))) == 7


def test_a_missing_blob_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BlobMissing):
        asyncio.run(local_blobs(tmp_path).get(_DIGEST))


def test_a_missing_blob_has_no_size(tmp_path: Path) -> None:
    with pytest.raises(BlobMissing):
        asyncio.run(local_blobs(tmp_path).size(_DIGEST))


def test_a_damaged_blob_is_not_served(tmp_path: Path) -> None:
    blobs = local_blobs(tmp_path)
    asyncio.run(blobs.put(b"weights"))
    (tmp_path / "sha256" / _DIGEST).write_bytes(b"weighty")

    with pytest.raises(BlobCorrupt):
        asyncio.run(blobs.get(_DIGEST))


def test_putting_a_damaged_blob_again_mends_it(tmp_path: Path) -> None:
    blobs = local_blobs(tmp_path)
    asyncio.run(blobs.put(b"weights"))
    (tmp_path / "sha256" / _DIGEST).write_bytes(b"weighty")

    asyncio.run(blobs.put(b"weights"))

    assert asyncio.run(blobs.get(_DIGEST)) == b"weights"


def test_a_name_that_was_never_put_holds_nothing(tmp_path: Path) -> None:
    assert asyncio.run(local_blobs(tmp_path).get_named("timestamp.json")) is None


def test_a_mutable_name_holds_what_was_put_last(tmp_path: Path) -> None:
    blobs = local_blobs(tmp_path)
    for data in (b"1", b"2"):
        asyncio.run(blobs.put_named("timestamp.json", data, immutable=False))

    assert asyncio.run(blobs.get_named("timestamp.json")) == b"2"


def test_an_immutable_name_takes_the_same_content_again(tmp_path: Path) -> None:
    blobs = local_blobs(tmp_path)
    for _ in range(2):
        asyncio.run(blobs.put_named("targets/a.pack", b"1", immutable=True))

    assert asyncio.run(blobs.get_named("targets/a.pack")) == b"1"


def test_an_immutable_name_refuses_other_content(tmp_path: Path) -> None:
    blobs = local_blobs(tmp_path)
    asyncio.run(blobs.put_named("1.root.json", b"1", immutable=True))

    with pytest.raises(BlobCorrupt):
        asyncio.run(blobs.put_named("1.root.json", b"2", immutable=True))


@pytest.mark.parametrize("name", ["../outside", "a/../../outside"])
def test_a_name_can_not_leave_the_folder(tmp_path: Path, name: str) -> None:
    blobs = local_blobs(tmp_path / "blobs")

    with pytest.raises(Exception, match=r"(?i)path"):
        asyncio.run(blobs.put_named(name, b"1", immutable=False))
    assert [entry.name for entry in tmp_path.iterdir()] == ["blobs"]


def test_a_writer_killed_in_its_middle_leaves_a_whole_object(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _WRITE_FOREVER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)

    data = asyncio.run(local_blobs(tmp_path).get_named("timestamp.json"))

    assert data is not None
    assert len(data) == 3_000_000
    assert len(set(data)) == 1
