"""Ranges of a target, asked of the front door (RFC 9110 §14)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.front_door import FrontDoor, opened

DATA = hashlib.shake_256(b"weights").digest(1_000_003)
DIGEST = hashlib.sha256(DATA).hexdigest()
PATH = f"/tuf/targets/{DIGEST}.granite.json"
LAST = len(DATA) - 1


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        door.runner.run(door.door.blobs.put_named(f"targets/{DIGEST}.granite.json", DATA, immutable=True))
        yield door


def test_without_a_range_the_whole_is_streamed_and_ranges_are_offered(front: FrontDoor) -> None:
    answer = front.get(PATH)

    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(len(DATA))
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-", 0, LAST),
        ("bytes=0-0", 0, 0),
        ("bytes=700000-", 700_000, LAST),
        ("bytes=5-999999999999", 5, LAST),
        ("bytes=-7", LAST - 6, LAST),
        ("bytes=-999999999999", 0, LAST),
    ],
)
def test_a_range_is_answered_with_its_bytes_and_no_others(front: FrontDoor, asked: str, start: int, end: int) -> None:
    answer = front.get(PATH, headers={"Range": asked})

    assert (answer.status_code, answer.content) == (206, DATA[start : end + 1])
    assert answer.headers["content-range"] == f"bytes {start}-{end}/{len(DATA)}"


@pytest.mark.parametrize("asked", [f"bytes={len(DATA)}-", "bytes=-0", f"bytes={len(DATA)}-{len(DATA) + 5}"])
def test_a_range_outside_of_the_file_is_said_to_be_so(front: FrontDoor, asked: str) -> None:
    answer = front.get(PATH, headers={"Range": asked})

    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(DATA)}")


@pytest.mark.parametrize("asked", ["bytes=5-4", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=0x1-2"])
def test_what_is_not_one_range_of_bytes_is_ignored(front: FrontDoor, asked: str) -> None:
    assert front.get(PATH, headers={"Range": asked}).status_code == 200


@pytest.mark.parametrize(("tag", "status"), [(DIGEST, 206), ("0" * 64, 200)])
def test_a_resumed_download_of_another_file_gets_the_whole(front: FrontDoor, tag: str, status: int) -> None:
    answer = front.get(PATH, headers={"Range": "bytes=10-", "If-Range": f'"{tag}"'})

    assert answer.status_code == status


def test_a_download_goes_on_where_it_was_cut_off(front: FrontDoor) -> None:
    kept = front.get(PATH, headers={"Range": "bytes=0-654320"}).content

    rest = front.get(PATH, headers={"Range": f"bytes={len(kept)}-"}).content

    assert kept + rest == DATA
