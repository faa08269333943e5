"""After a release nothing on the disk or in the database opens a device's contribution, keys on disk included."""

import asyncio
import random
from pathlib import Path

import httpx
import psycopg
import pytest
from tests import adversary
from tests.serving import served
from tests.small_fleet import enrol_all

from tacita import config
from tacita.cli.init import make_deployment
from tacita.cli.parts import open_workshop
from tacita.clock import system_clock
from tacita.crypto import round_secrets
from tacita.crypto.errors import KeyringError
from tacita.crypto.keyring import Keyring
from tacita.device.recorder import export
from tacita.device.state import Device
from tacita.device.uploader import Uploader, seal_submission
from tacita.fleet.world import World, user_rng
from tacita.models.genesis import genesis_pack
from tacita.privacy.bounding import Counts
from tacita.rounds import close, release
from tacita.store import contributions, rounds
from tacita.store.connection import Connection, run_transaction
from tacita.store.sealing import RoundKey, open_round_key

DEVICES = 3


async def _submit_all(url: str, devices: list[Device]) -> None:
    world, now = World.drawn(1), system_clock()
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        for index, device in enumerate(devices):
            device.nodes = world.interactions(user_rng(1, index, 1), genesis_pack(), 0, 30, now)
            graph = export(device, random.Random(index), now)
            await Uploader(http, random.Random(index)).submit(seal_submission(device, graph, now))


async def _contributed(folder: Path, dsn: str) -> tuple[RoundKey, list[Counts]]:
    """Return what the deployment itself can open while the round is."""
    async with open_workshop(config.load(folder), dsn) as shop:

        async def read(connection: Connection) -> tuple[RoundKey, list[Counts]]:
            current = await rounds.get(connection, 1)
            assert current is not None
            key = open_round_key(shop.keyring, current)
            return key, [
                key.open_contribution(tag, sealed).counts for tag, sealed in await contributions.all_of(connection, 1)
            ]

        return await run_transaction(shop.pool, read)


async def _release(folder: Path, dsn: str) -> None:
    async with open_workshop(config.load(folder), dsn) as shop:
        assert await close.close_if_full(shop) == 1
        await release.release_round(shop, 1)


def _checkpoint(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def _as_bytes(found: list[Counts]) -> set[bytes]:
    return {counts.to_bytes() for counts in found}


@pytest.mark.timeout(200)
def test_after_a_release_no_contribution_opens_with_all_that_is_on_the_disk_and_in_the_database(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "deployment"
    make_deployment(folder, round_size=DEVICES)
    devices = [Device.new(system_clock()) for _ in range(DEVICES)]
    with served(folder) as url, config.load(folder).database() as database:
        asyncio.run(enrol_all(url, devices))
        asyncio.run(_submit_all(url, devices))
        key, planted = asyncio.run(_contributed(folder, database.dsn))
        _checkpoint(database.dsn)
        while_open = adversary.recovered(folder, database.dsn)

        asyncio.run(_release(folder, database.dsn))
        _checkpoint(database.dsn)
        after = adversary.recovered(folder, database.dsn)
        _put_the_key_where_keys_were_before_this_test(folder, database.dsn, key)
        with_a_deleted_key = adversary.recovered(folder, database.dsn)

    assert _as_bytes(while_open) == _as_bytes(planted), "while a round is open, who has all keys can open it"
    assert after == []
    assert _as_bytes(with_a_deleted_key) == _as_bytes(planted), "the contributions do lie in the log, and are found"


def _put_the_key_where_keys_were_before_this_test(folder: Path, dsn: str, key: RoundKey) -> None:
    """Seal the round's key under the key-encryption key alone, in a column, and delete it: what a database keeps."""
    sealed = Keyring.load(folder / "keys").seal(key.key, f"round/{key.round}")
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE rounds SET sealed_key = %s WHERE state = 'collecting'", [sealed])
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM round_events WHERE round = 2")
        connection.execute("DELETE FROM rounds WHERE round = 2")


def test_a_destroyed_secret_is_overwritten_and_gone(tmp_path: Path) -> None:
    secret = round_secrets.obtain(tmp_path, 7)
    (tmp_path / "kept").hardlink_to(tmp_path / "rounds" / "7.secret")

    round_secrets.destroy(tmp_path, 7)

    assert round_secrets.held(tmp_path) == []
    assert (tmp_path / "kept").read_bytes() != secret
    with pytest.raises(KeyringError, match="round 7 is destroyed or missing"):
        round_secrets.read(tmp_path, 7)


def test_a_secret_is_made_once_and_can_be_destroyed_twice(tmp_path: Path) -> None:
    first = round_secrets.obtain(tmp_path, 7)

    assert round_secrets.obtain(tmp_path, 7) == first
    assert (tmp_path / "rounds" / "7.secret").stat().st_mode & 0o777 == 0o600
    round_secrets.destroy(tmp_path, 7)
    round_secrets.destroy(tmp_path, 7)
