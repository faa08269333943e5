"""A signed chain on a folder, served over loopback HTTP as an API or a CDN would, and writes that are cut off."""

import asyncio
import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tacita.models import trust
from tacita.models.approval import Approved
from tacita.models.roots import NamedStorage
from tacita.models.trusted_client import fetch_verified
from tacita.store.blobs import Blobs, local_blobs


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        content = self.server.answers.get(self.path.partition("?")[0])  # type: ignore[attr-defined]  # ours, see `serving`
        if content is None:
            super().do_GET()
            return
        self.send_response(200)
        self.end_headers()
        with suppress(ConnectionError):  # the client has had enough
            for chunk in [content] if isinstance(content, bytes) else content:
                self.wfile.write(chunk)

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/tuf"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass


@contextmanager
def serving(folder: Path, answers: Mapping[str, bytes | Iterable[bytes]] | None = None) -> Iterator[str]:
    """Serve `folder` under /tuf, and `answers`, some of them endless, at their own paths; yield the base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        server.answers = {} if answers is None else answers  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Killed(Exception):  # noqa: N818 - what happened to the process
    pass


@dataclass
class Cut:
    """Blobs that die instead of making write number `writes_left` + 1."""

    under: Blobs
    writes_left: int

    async def get_named(self, name: str) -> bytes | None:
        return await self.under.get_named(name)

    async def put_named(self, name: str, data: bytes, *, immutable: bool) -> None:
        if self.writes_left == 0:
            raise Killed
        self.writes_left -= 1
        await self.under.put_named(name, data, immutable=immutable)


def just_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Chain:
    """A repository on `folder`, as its owner has it, and one client of it."""

    folder: Path
    url: str = ""
    keys: dict[str, bytes] = field(default_factory=trust.generate_role_keys)

    @property
    def blobs(self) -> Blobs:
        return local_blobs(self.folder)

    @property
    def named(self) -> Path:
        return self.folder / "named"

    @property
    def first_root(self) -> bytes:
        return (self.named / "metadata" / "1.root.json").read_bytes()

    def start(self, age: timedelta = timedelta(0), storage: NamedStorage | None = None) -> None:
        asyncio.run(trust.initialise(storage or self.blobs, trust.signers(self.keys), just_now() - age))

    def publish(
        self,
        name: str,
        data: bytes,
        age: timedelta = timedelta(0),
        storage: NamedStorage | None = None,
        signed_by: dict[str, bytes] | None = None,
    ) -> None:
        digest = hashlib.sha256(data).hexdigest()

        async def run() -> None:
            await self.blobs.put_named(f"targets/{digest}.{name}", data, immutable=True)
            by = trust.signers(signed_by or self.keys)
            approved = Approved(name.removesuffix(".json"), name, digest, 1, {"better": True})
            custom, to = {"base_version": None}, storage or self.blobs
            await trust.publish(to, by, approved, name, len(data), digest, custom, just_now() - age)

        asyncio.run(run())

    def refresh(self, age: timedelta = timedelta(0)) -> None:
        asyncio.run(trust.refresh(self.blobs, trust.signers(self.keys), just_now() - age))

    def appoint(self, keys: dict[str, bytes]) -> None:
        """Give roles other keys, each named by its role and whatever tells it from the role's others."""
        by, appointed = trust.signers(self.keys), trust.signers(keys)
        given = {role: of_role for role, of_role in appointed.items() if of_role}
        asyncio.run(trust.rotate(self.blobs, by, given, just_now()))
        self.keys = {name: secret for name, secret in self.keys.items() if name not in given} | keys

    def rotate(self, *roles: str) -> None:
        """Give roles new keys; the old ones are forgotten."""
        self.appoint({role: trust.generate_role_keys()[role] for role in roles})

    def metadata(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.named / "metadata").iterdir()}

    def fetch(self, name: str, client: str = "client") -> bytes:
        return fetch_verified(self.url, name, self.folder / client, self.first_root)
