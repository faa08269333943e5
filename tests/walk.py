"""The walk of a round on a real database: a deployment's tools, as a test drives them step by step."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psycopg
from tests.graphs import NOW

from tacita.crypto.keyring import Keyring
from tacita.models import trust
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PACK_FORMAT, encode_pack
from tacita.privacy import tables
from tacita.privacy.bounding import Counts
from tacita.privacy.release import Release
from tacita.rounds import close, publish
from tacita.rounds.launchers.local import LocalLauncher
from tacita.rounds.workshop import Workshop
from tacita.store import releases, rounds, submissions
from tacita.store.blobs import local_blobs
from tacita.store.connection import Connection, Pool, open_pool, run_transaction
from tacita.store.registry import Model
from tacita.store.rounds import State
from tacita.store.sealing import ledger_tag, open_round_key, round_tag

_Result = TypeVar("_Result")
SIZE = 6


@dataclass
class Walk:
    """A deployment's tools and what a test does with them; each call runs on its own loop."""

    dsn: str
    folder: Path
    now: datetime = NOW
    pool: Callable[[str, int], AbstractAsyncContextManager[Pool]] = open_pool

    def do(self, work: Callable[[Workshop], Awaitable[_Result]]) -> _Result:
        async def run() -> _Result:
            async with self.pool(self.dsn, 3) as pool:
                return await work(self.shop(pool))

        return asyncio.run(run())

    def shop(self, pool: Pool) -> Workshop:
        keyring = Keyring.load(self.folder / "keys")
        blobs, runs = local_blobs(self.folder / "blobs"), self.folder / "runs"
        return Workshop(pool, keyring, blobs, LocalLauncher(60), runs, SIZE, lambda: self.now)

    def transaction(self, work: Callable[[Connection], Awaitable[_Result]]) -> _Result:
        return self.do(lambda shop: run_transaction(shop.pool, work))

    def contribute(self, devices: int, first: int = 0) -> None:
        """Let devices contribute 90 nodes each to the collecting round."""

        async def put(shop: Workshop) -> None:
            async def do(connection: Connection) -> None:
                current = await rounds.collecting(connection)
                assert current is not None
                key = open_round_key(shop.keyring, current)
                rows = []
                for number in range(first, first + devices):
                    device = number.to_bytes(32)
                    name = ledger_tag(shop.keyring.ledger_key(), device)
                    tag = round_tag(key, device)
                    rows.append((tag, key.seal_contribution(tag, sample_counts(number), name)))
                await submissions.record(connection, current.number, rows, (0, devices), {}, [], self.now)

            await run_transaction(shop.pool, do)

        self.do(put)

    def state(self, number: int) -> State:
        found = self.transaction(lambda connection: rounds.get(connection, number))
        assert found is not None
        return found.state

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()


def sample_counts(seed: int) -> Counts:
    rng, cells = np.random.default_rng(seed), np.zeros(tables.CELLS, np.int64)
    for table in tables.TABLES:
        start = tables.OFFSETS[table.name]
        cells[start : start + table.cells] = rng.multinomial(90, np.full(table.cells, 1 / table.cells))
    return Counts(cells)


def begun(dsn: str, folder: Path) -> Walk:
    """Make keys, the genesis model and the first round."""
    keyring = Keyring.create(folder / "keys")
    keyring.add_ledger_key()
    for role, secret in trust.generate_role_keys().items():
        keyring.put(f"tuf-{role}", secret)
    (folder / "runs").mkdir()
    made = Walk(dsn, folder)

    async def begin(shop: Workshop) -> None:
        data = encode_pack(genesis_pack())
        digest = await shop.blobs.put(data)
        model = Model("granite-3b-v1", 1, None, None, "candidate", PACK_FORMAT, digest, len(data), NOW, None, None, [])
        await publish.publish_genesis(shop, model)
        await close.open_first(shop)

    made.do(begin)
    return made


async def add_release(connection: Connection, release: Release, when: datetime) -> None:
    """Insert a release, revealed."""
    statement = release.statement
    await releases.add_draw(connection, statement, release.digest(), b"sealed", when)
    await releases.reveal(connection, statement.round, release.vector)
