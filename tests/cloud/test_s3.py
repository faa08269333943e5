"""Blobs in an S3 bucket: obstore over the real wire protocol, against the moto server in a process of its own."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.chain import Chain, Cut, Killed, serving
from tests.cloud.loopback import free_port, moto

from tacita.models.trusted_client import UntrustedModel
from tacita.store.blobs import Blobs, open_blobs
from tacita.store.errors import BlobCorrupt, BlobMissing, StoreUnavailable

boto3 = pytest.importorskip("boto3", reason="`make test-cloud` installs the providers' libraries")
pytestmark = pytest.mark.filterwarnings("default")
DATA = bytes(range(256)) * 4_096


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """Make a bucket; return it as boto3 sees it, with everything that obstore reads in the environment."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    name = "b" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    made = boto3.resource("s3").Bucket(name)
    made.create()
    return made


@pytest.fixture
def blobs(bucket: Any, tmp_path: Path) -> Blobs:
    return open_blobs(f"s3://{bucket.name}/models", tmp_path / "unused")


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def body() -> Any:
        return await work()

    return asyncio.run(body())


def test_a_blob_comes_back_under_its_digest(blobs: Blobs, bucket: Any, tmp_path: Path) -> None:
    digest = run(lambda: blobs.put(DATA))

    assert digest == hashlib.sha256(DATA).hexdigest()
    assert (run(lambda: blobs.get(digest)), run(lambda: blobs.size(digest))) == (DATA, len(DATA))
    assert [stored.key for stored in bucket.objects.all()] == [f"models/sha256/{digest}"]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_blob_is_an_error(blobs: Blobs) -> None:
    with pytest.raises(BlobMissing):
        run(lambda: blobs.get("0" * 64))


def test_a_damaged_blob_is_not_served_and_is_mended_by_putting_it_again(blobs: Blobs, bucket: Any) -> None:
    digest = run(lambda: blobs.put(DATA))
    bucket.put_object(Key=f"models/sha256/{digest}", Body=b"damaged")

    with pytest.raises(BlobCorrupt):
        run(lambda: blobs.get(digest))

    run(lambda: blobs.put(DATA))
    assert run(lambda: blobs.get(digest)) == DATA


def test_an_immutable_name_takes_the_same_content_again_and_no_other(blobs: Blobs) -> None:
    for _ in range(2):
        run(lambda: blobs.put_named("targets/a", b"1", immutable=True))

    with pytest.raises(BlobCorrupt):
        run(lambda: blobs.put_named("targets/a", b"2", immutable=True))

    assert run(lambda: blobs.get_named("targets/a")) == b"1"


def test_of_writers_at_once_one_creates_and_the_others_are_told(blobs: Blobs) -> None:
    async def race() -> list[Any]:
        writes = [blobs.put_named("metadata/2.root.json", b"%d" % n, immutable=True) for n in range(8)]
        return await asyncio.gather(*writes, return_exceptions=True)

    outcomes = run(race)

    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, BlobCorrupt) for outcome in outcomes) == 7


def test_a_mutable_name_holds_what_was_put_last(blobs: Blobs) -> None:
    for data in (b"1", b"2"):
        run(partial(blobs.put_named, "metadata/timestamp.json", data, immutable=False))

    assert run(lambda: blobs.get_named("metadata/timestamp.json")) == b"2"


def test_a_cdn_is_told_what_changes_and_what_never_does(blobs: Blobs, bucket: Any) -> None:
    digest = run(lambda: blobs.put(DATA))
    run(lambda: blobs.put_named("targets/a", b"1", immutable=True))
    run(lambda: blobs.put_named("metadata/timestamp.json", b"1", immutable=False))

    told = {name: bucket.Object(f"models/{name}").cache_control for name in (
        f"sha256/{digest}", "named/targets/a", "named/metadata/timestamp.json"
    )}  # fmt: skip

    forever = "public, max-age=31536000, immutable"
    assert list(told.values()) == [forever, forever, "no-cache"]


def test_a_range_is_streamed(blobs: Blobs) -> None:
    run(lambda: blobs.put_named("targets/a", DATA, immutable=True))

    async def read() -> bytes:
        return b"".join([chunk async for chunk in blobs.stream_named("targets/a", 1_000, 900_000)])

    assert run(read) == DATA[1_000:900_000]
    assert run(lambda: blobs.size_named("targets/a")) == len(DATA)


def test_a_store_without_the_bucket_is_unavailable(bucket: Any, tmp_path: Path) -> None:
    nowhere = open_blobs("s3://no-such-bucket", tmp_path)

    with pytest.raises(StoreUnavailable, match="can't be reached"):
        run(lambda: nowhere.put(DATA))


def test_a_store_that_is_away_is_unavailable(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    away = open_blobs(f"s3://{bucket.name}", tmp_path)

    with pytest.raises(StoreUnavailable, match="can't be reached"):
        run(lambda: away.get_named("metadata/timestamp.json"))


class _InS3(Chain):
    """A chain in a bucket, which its clients see through a copy, as a CDN would have it."""

    kept: Blobs
    bucket: Any

    @property
    def blobs(self) -> Blobs:
        return self.kept

    def copy(self) -> None:
        for stored in self.bucket.objects.all():
            path = self.folder / stored.key.removeprefix("models/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stored.get()["Body"].read())


@pytest.mark.parametrize("writes", range(3))
def test_a_publication_into_a_bucket_killed_at_any_write_leaves_the_old_chain_and_completes(
    blobs: Blobs, bucket: Any, tmp_path: Path, writes: int
) -> None:
    chain = _InS3(tmp_path)
    chain.kept, chain.bucket = blobs, bucket
    chain.start()
    chain.publish("one.json", b"1")

    with pytest.raises(Killed):
        chain.publish("two.json", b"2", storage=Cut(blobs, writes))

    chain.copy()
    with serving(chain.named) as chain.url:
        assert chain.fetch("one.json") == b"1"
        with pytest.raises(UntrustedModel, match="has no"):
            chain.fetch("two.json")
        chain.publish("two.json", b"2")
        chain.copy()
        assert chain.fetch("two.json") == b"2"
