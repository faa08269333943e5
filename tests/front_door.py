"""The real application on a real database, called through ASGI; what it is sent is written here byte by byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from fastapi import FastAPI
from tests.graphs import DEVICE, NOW, graph

from tacita.api.app import create_app
from tacita.api.door import Door
from tacita.api.rate import RateLimit
from tacita.crypto import enrolment_keys
from tacita.crypto.enrolment_keys import EnrolmentKeys
from tacita.crypto.envelope import decode_base64, encode_base64, seal, sign
from tacita.crypto.hpke import X25519_SUITE, wrap
from tacita.crypto.keyring import Keyring
from tacita.privacy.bounding import Counts
from tacita.protocol.dates import apple_seconds
from tacita.store import contributions, rounds
from tacita.store.blobs import local_blobs
from tacita.store.connection import Connection, open_pool, run_transaction
from tacita.store.sealing import new_round_key, open_round_key

KEY = bytes(range(32))
SUBMIT = "/api/v1/learning-graphs/submit"
ENROL = "/api/v1/devices/enroll"


def envelope(plain: Any, key: bytes = KEY, device: str = DEVICE, **changes: Any) -> dict[str, Any]:
    """Return an envelope as the app makes it around a plaintext (bytes, or a value to be written as JSON)."""
    data = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    sealed = seal(key, data)
    made: dict[str, Any] = {
        "deviceIdHash": device,
        "appVersion": "1.4.0",
        "modelVersion": "granite-3b-v1",
        "encryptedData": encode_base64(sealed),
        "signature": sign(key, sealed),
        "timestamp": apple_seconds(NOW),
    }
    return made | changes


@dataclass
class FrontDoor:
    """The application under test and the clock that it goes by."""

    dsn: str
    app: FastAPI
    door: Door
    client: httpx.AsyncClient
    runner: asyncio.Runner
    now: datetime = NOW

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.runner.run(self.client.get(path, headers=headers))

    def post(self, path: str, body: bytes | dict[str, Any]) -> httpx.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.runner.run(self.client.post(path, content=data))

    def submit(self, body: bytes | dict[str, Any]) -> httpx.Response:
        return self.post(SUBMIT, body)

    def enrolment(
        self, key: bytes = KEY, device: str = DEVICE, suite: str = X25519_SUITE, **changes: Any
    ) -> dict[str, Any]:
        offered = next(shown for shown in self.get("/api/v1/keys").json()["keys"] if shown["suite"] == suite)
        sealed = wrap(decode_base64(offered["public_key"]), key, device, suite)
        made = {
            "deviceIdHash": device,
            "appVersion": "1.4.0",
            "key_id": offered["key_id"],
            "sealedKey": encode_base64(sealed),
        }
        return made | changes

    def enrol(self, key: bytes = KEY, device: str = DEVICE) -> None:
        assert self.post(ENROL, self.enrolment(key, device)).status_code == 201

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    def counted(self) -> list[Counts]:
        """Open what the collecting round holds: one entry a device."""

        async def read(connection: Connection) -> list[Counts]:
            current = await rounds.collecting(connection)
            assert current is not None
            key = open_round_key(self.door.keyring, current)
            sealed = await contributions.all_of(connection, current.number)
            return [key.open_contribution(tag, data).counts for tag, data in sealed]

        return self.runner.run(run_transaction(self.door.pool, read))


async def _open_round(door: Door) -> None:
    async def first(connection: Connection) -> None:
        await rounds.open_next(connection, 1, new_round_key(door.keyring, 1), NOW)

    await run_transaction(door.pool, first)


@contextmanager
def opened(dsn: str, folder: Path) -> Iterator[FrontDoor]:
    """Yield the application on a migrated database, with round 1 collecting."""
    keyring = Keyring.create(folder / "keys")
    keyring.add_ledger_key()
    enrolment_keys.add_first(keyring)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        pool = runner.run(stack.enter_async_context(open_pool(dsn, 2)))
        pairs = EnrolmentKeys(keyring)
        ledger_key = keyring.ledger_key()
        rate = RateLimit.open(folder / "rates", ledger_key, per_hour=60, burst=30)
        door = Door(pool, keyring, pairs, ledger_key, local_blobs(folder / "blobs"), lambda: front.now, rate)

        @asynccontextmanager
        async def the_door() -> AsyncIterator[Door]:
            yield door

        app = create_app(the_door)
        app.state.door = door
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tacita")
        front = FrontDoor(dsn, app, door, client, runner)
        runner.run(_open_round(door))
        try:
            yield front
        finally:
            runner.run(client.aclose())
            runner.run(stack.aclose())


def sound(seed: int = 0, nodes: int = 20, **changes: Any) -> dict[str, Any]:
    """Return a graph that breaks no rule."""
    return graph(seed, nodes, **changes)
