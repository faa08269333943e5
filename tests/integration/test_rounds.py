"""The walk of a round on a real database, with the real trainer: each step once, whatever happens in between."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psycopg
import pytest
from tests.graphs import NOW

from tacita.crypto.keyring import Keyring
from tacita.models import trust
from tacita.models.genesis import genesis_pack
from tacita.models.policy_pack import PACK_FORMAT, encode_pack
from tacita.privacy import policy, tables
from tacita.privacy.bounding import Counts
from tacita.rounds import close, driver, publish, release
from tacita.rounds.launchers.local import LocalLauncher
from tacita.rounds.workshop import StepFailed, Workshop
from tacita.store import ledger, ledger_proof, registry, releases, rounds, submissions
from tacita.store.blobs import local_blobs
from tacita.store.connection import Connection, open_pool, run_transaction
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

    def do(self, work: Callable[[Workshop], Awaitable[_Result]]) -> _Result:
        keyring = Keyring.load(self.folder / "keys")

        async def run() -> _Result:
            async with open_pool(self.dsn, 3) as pool:
                roles = {role: keyring.get(f"tuf-{role}") for role in trust.ROLES}
                blobs = local_blobs(self.folder / "blobs")
                shop = Workshop(pool, keyring, blobs, roles, LocalLauncher(60), self.folder / "runs", SIZE, lambda: NOW)
                return await work(shop)

        return asyncio.run(run())

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
                    rows.append((tag, key.seal_contribution(tag, _counts(number), name)))
                await submissions.record(connection, current.number, rows, (0, devices), [], NOW)

            await run_transaction(shop.pool, do)

        self.do(put)

    def state(self, number: int) -> State:
        found = self.transaction(lambda connection: rounds.get(connection, number))
        assert found is not None
        return found.state

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()


def _counts(seed: int) -> Counts:
    rng, cells = np.random.default_rng(seed), np.zeros(tables.CELLS, np.int64)
    for table in tables.TABLES:
        start = tables.OFFSETS[table.name]
        cells[start : start + table.cells] = rng.multinomial(90, np.full(table.cells, 1 / table.cells))
    return Counts(cells)


@pytest.fixture
def walk(database: str, tmp_path: Path) -> Walk:
    keyring = Keyring.create(tmp_path / "keys")
    keyring.add_ledger_key()
    for role, secret in trust.generate_role_keys().items():
        keyring.put(f"tuf-{role}", secret)
    (tmp_path / "runs").mkdir()
    made = Walk(database, tmp_path)

    async def begin(shop: Workshop) -> None:
        data = encode_pack(genesis_pack())
        digest = await shop.blobs.put(data)
        model = Model("granite-3b-v1", 1, None, None, "candidate", PACK_FORMAT, digest, len(data), NOW, None, None, [])
        await publish.publish_genesis(shop, model)
        await close.open_first(shop)

    made.do(begin)
    return made


def test_a_round_closes_at_enough_distinct_devices_and_not_before(walk: Walk) -> None:
    walk.contribute(SIZE - 1)
    assert walk.do(close.close_if_full) is None

    walk.contribute(1, first=SIZE)

    assert walk.do(close.close_if_full) == 1
    assert (walk.state(1), walk.state(2)) == (State.CLOSED, State.COLLECTING)


def test_a_release_charges_every_device_and_leaves_nothing_of_its_contributions(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)

    walk.do(lambda shop: release.release_round(shop, 1))

    assert walk.state(1) is State.RELEASED
    assert walk.rows("SELECT count(*) FROM contributions") == [(0,)]
    assert walk.rows("SELECT sealed_key FROM rounds WHERE round = 1") == [(None,)]
    assert walk.rows("SELECT nano_rho, count(*) FROM ledger GROUP BY 1") == [(policy.ROUND_CHARGE, SIZE)]
    assert walk.transaction(ledger_proof.prove).findings == ()


def test_a_second_release_of_the_same_round_does_nothing(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)
    walk.do(lambda shop: release.release_round(shop, 1))
    first = walk.rows("SELECT digest FROM releases")

    walk.do(lambda shop: release.release_round(shop, 1))

    assert walk.rows("SELECT digest FROM releases") == first
    assert walk.rows("SELECT count(*) FROM ledger") == [(SIZE,)]


def test_a_release_that_dies_before_its_commit_leaves_everything_as_it_was(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)

    async def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(releases, "add", die)
        with pytest.raises(KeyboardInterrupt):
            walk.do(lambda shop: release.release_round(shop, 1))

    assert walk.state(1) is State.CLOSED
    assert walk.rows("SELECT (SELECT count(*) FROM contributions), (SELECT count(*) FROM ledger)") == [(SIZE, 0)]


def test_devices_that_cannot_pay_are_left_out_and_too_few_abandon_the_round(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)

    async def spend(shop: Workshop) -> None:
        tag = ledger_tag(shop.keyring.ledger_key(), (0).to_bytes(32))
        spent = NOW - timedelta(days=10)
        await run_transaction(shop.pool, lambda c: ledger.charge(c, [tag], 2, policy.BUDGET_CAP, spent))

    walk.do(spend)

    walk.do(lambda shop: release.release_round(shop, 1))

    assert walk.state(1) is State.ABANDONED
    assert walk.rows("SELECT count(*) FROM ledger WHERE round = 1") == [(0,)]
    assert walk.rows("SELECT count(*) FROM contributions") == [(0,)]


def test_an_abandoned_round_is_scrubbed_and_charges_nothing(walk: Walk) -> None:
    walk.contribute(SIZE - 2)

    walk.do(lambda shop: close.abandon(shop, "a test"))

    assert (walk.state(1), walk.state(2)) == (State.ABANDONED, State.COLLECTING)
    assert walk.rows("SELECT (SELECT count(*) FROM contributions), (SELECT count(*) FROM ledger)") == [(0, 0)]


def test_a_model_that_is_not_measurably_better_ends_its_round_and_cannot_be_signed(walk: Walk) -> None:
    walk.contribute(SIZE)

    assert walk.do(driver.drive_to_end) == [1]

    [(state, reason)] = walk.rows("SELECT state, reason FROM rounds WHERE round = 1")
    assert (state, reason[:21]) == ("abandoned", "not measurably better")
    rejected = walk.transaction(lambda connection: registry.get(connection, "granite-3b-v2"))
    assert rejected is not None
    assert rejected.state == "rejected"
    with pytest.raises(StepFailed, match="can't be signed"):
        walk.do(lambda shop: publish._sign(shop, rejected))


def test_two_drivers_at_once_make_one_release(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)

    async def twice(shop: Workshop) -> None:
        await asyncio.gather(release.release_round(shop, 1), release.release_round(shop, 1))

    walk.do(twice)

    assert walk.rows("SELECT (SELECT count(*) FROM releases), (SELECT count(*) FROM ledger)") == [(1, SIZE)]


def test_only_one_driver_drives(walk: Walk) -> None:
    async def both(shop: Workshop) -> tuple[bool, bool]:
        async with rounds.driving(shop.pool) as first, rounds.driving(shop.pool) as second:
            return first, second

    assert walk.do(both) == (True, False)


def test_training_that_fails_leaves_the_round_where_it_was_with_the_trainers_last_line(walk: Walk) -> None:
    walk.contribute(SIZE)
    walk.do(close.close_if_full)
    walk.do(lambda shop: release.release_round(shop, 1))

    async def without_time(shop: Workshop) -> None:
        await driver.step(replace(shop, launcher=LocalLauncher(0.01)))

    with pytest.raises(Exception, match=r"took longer than"):
        walk.do(without_time)

    assert walk.state(1) is State.RELEASED
