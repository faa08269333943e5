"""The signed chain against python-tuf's stock client over HTTP: followed when sound, refused when not."""

import asyncio
import hashlib
import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from securesystemslib.signer import Signer

from tacita.models import trust
from tacita.models.trusted_client import UntrustedModel, fetch_verified

CONTENT = b'{"a":"model"}'


class Killed(Exception):  # noqa: N818 - what happened to the publisher
    """The publisher died here."""


class Folder:
    """Named storage in a folder that can die after so many writes."""

    def __init__(self, top: Path) -> None:
        self.top, self.writes_left = top, -1

    async def get_named(self, name: str) -> bytes | None:
        path = self.top / name
        return path.read_bytes() if path.exists() else None

    async def put_named(self, name: str, data: bytes, *, immutable: bool) -> None:  # noqa: ARG002 - the seam's form
        if self.writes_left == 0:
            raise Killed
        self.writes_left -= 1
        (self.top / name).parent.mkdir(parents=True, exist_ok=True)
        (self.top / name).write_bytes(data)


class Chain:
    """A repository and a client of it."""

    def __init__(self, top: Path, url: str) -> None:
        self.storage, self.url, self.client = Folder(top / "repository"), url, top / "client"
        self.signers: dict[str, Signer] = trust.signers(trust.generate_role_keys())
        self.now = datetime.now(UTC)
        asyncio.run(trust.initialise(self.storage, self.signers, self.now))

    def publish(self, name: str, content: bytes = CONTENT) -> None:
        digest = hashlib.sha256(content).hexdigest()
        target = self.storage.top / "targets" / f"{digest}.{name}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
        asyncio.run(trust.publish(self.storage, self.signers, name, len(content), digest, {}, self.now))

    def fetch(self, name: str) -> bytes:
        root = (self.storage.top / "metadata" / "1.root.json").read_bytes()
        return fetch_verified(self.url, name, self.client, root)

    def metadata(self, name: str) -> Path:
        return self.storage.top / "metadata" / name


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/tuf"))


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    (tmp_path / "repository").mkdir()
    handler = partial(_Quiet, directory=str(tmp_path / "repository"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Chain(tmp_path, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_a_published_target_is_fetched_and_verified(chain: Chain) -> None:
    chain.publish("v2.json")

    assert chain.fetch("v2.json") == CONTENT


def test_a_target_that_was_never_signed_is_refused(chain: Chain) -> None:
    with pytest.raises(UntrustedModel, match=r"has no v9\.json"):
        chain.fetch("v9.json")


def test_a_tampered_target_is_refused(chain: Chain) -> None:
    chain.publish("v2.json")
    next((chain.storage.top / "targets").iterdir()).write_bytes(CONTENT.replace(b"model", b"trick"))

    with pytest.raises(UntrustedModel):
        chain.fetch("v2.json")


def test_tampered_metadata_is_refused(chain: Chain) -> None:
    chain.publish("v2.json")
    path = chain.metadata("2.targets.json")
    path.write_bytes(path.read_bytes().replace(b"v2.json", b"v3.json"))

    with pytest.raises(UntrustedModel):
        chain.fetch("v3.json")


def test_a_rollback_is_refused_by_a_client_that_saw_more(chain: Chain) -> None:
    chain.publish("v2.json")
    older = chain.metadata("timestamp.json").read_bytes()
    chain.publish("v3.json")
    chain.fetch("v3.json")
    chain.metadata("timestamp.json").write_bytes(older)
    chain.metadata("3.snapshot.json").unlink()

    with pytest.raises(UntrustedModel):
        chain.fetch("v4.json")


def test_a_chain_that_expired_is_refused(chain: Chain) -> None:
    chain.now = datetime.now(UTC) - timedelta(days=30)
    chain.publish("v2.json")

    with pytest.raises(UntrustedModel):
        chain.fetch("v2.json")


def test_metadata_of_another_key_is_refused(chain: Chain) -> None:
    chain.signers = trust.signers(trust.generate_role_keys())
    chain.publish("v2.json")

    with pytest.raises(UntrustedModel):
        chain.fetch("v2.json")


@pytest.mark.parametrize("writes", range(3))
def test_a_publisher_killed_between_any_two_writes_leaves_the_old_chain_and_can_repeat(
    chain: Chain, writes: int
) -> None:
    chain.publish("v2.json")
    chain.storage.writes_left = writes
    with pytest.raises(Killed):
        chain.publish("v3.json", b"newer")

    assert chain.fetch("v2.json") == CONTENT
    chain.storage.writes_left = -1
    chain.publish("v3.json", b"newer")
    assert chain.fetch("v3.json") == b"newer"


def test_publishing_the_same_again_changes_nothing(chain: Chain) -> None:
    chain.publish("v2.json")
    before = chain.metadata("timestamp.json").read_bytes()

    chain.publish("v2.json")

    assert chain.metadata("timestamp.json").read_bytes() == before


def test_another_content_under_a_signed_name_is_refused(chain: Chain) -> None:
    chain.publish("v2.json")

    with pytest.raises(trust.TrustError, match="another content"):
        chain.publish("v2.json", b"other")


def test_a_chain_is_signed_anew_before_it_expires(chain: Chain) -> None:
    chain.now = datetime.now(UTC) - timedelta(days=30)
    chain.publish("v2.json")

    asyncio.run(trust.refresh(chain.storage, chain.signers, datetime.now(UTC)))

    assert chain.fetch("v2.json") == CONTENT
