"""`tacita keys rotate-kek` on a real deployment: while it serves, killed in the middle, and to another place."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.front_door import ENROL, envelope
from tests.front_door import opened as front_door
from tests.sealed import NOW, Sealed, rotate, sealed_deployment
from tests.serving import served
from typer.testing import CliRunner

from tacita import config
from tacita.cli import app
from tacita.crypto.envelope import encode_base64, open_sealed
from tacita.crypto.errors import DoesNotOpen, KeyringError
from tacita.crypto.keyring import random_key
from tacita.device.state import Device
from tacita.device.uploader import Uploader
from tacita.store import devices, resealing
from tacita.store.connection import open_pool, session
from tacita.store.resealing import BATCH
from tacita.store.sealing import DeviceKeys, seal_device_keys

DEVICES = 4 * BATCH


@pytest.fixture
def sealed(database: str, tmp_path: Path) -> Sealed:
    return sealed_deployment(database, tmp_path / "deployment")


def test_everything_is_sealed_anew_and_the_old_key_opens_nothing(sealed: Sealed) -> None:
    sealed.enrol(BATCH + 1)
    old = sealed.kek

    said = rotate(sealed.folder)

    new, total = sealed.kek, len(sealed.values())
    assert new != old
    assert (sealed.under(old), sealed.under(new)) == (0, total)
    assert said.startswith(f"{total} values sealed anew")
    assert not list((sealed.folder / "keys").glob("*.kek"))
    config.load(sealed.folder).keyring().ledger_key()


@pytest.mark.timeout(180)
def test_killed_in_the_middle_it_goes_on_where_it_was(sealed: Sealed) -> None:
    sealed.enrol(DEVICES)
    old = sealed.kek
    with psycopg.connect(sealed.dsn) as other:
        middle = other.execute("SELECT device FROM devices ORDER BY device OFFSET %s LIMIT 1", [2 * BATCH]).fetchone()
        assert middle is not None
        other.execute("SELECT 1 FROM devices WHERE device = %s FOR UPDATE", [middle[0]])
        command = [sys.executable, "-m", "tacita", "keys", "rotate-kek", str(sealed.folder)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _wait_until_it_waits_for_a_row(sealed.dsn)
            process.send_signal(signal.SIGKILL)

    total, left = len(sealed.values()), sealed.under(old)
    opened_meanwhile = config.load(sealed.folder).keyring()
    for value, label in sealed.values():
        opened_meanwhile.open(value, label)
    again = rotate(sealed.folder)

    assert left == DEVICES - 2 * BATCH
    assert again.startswith(f"{left} values sealed anew")
    assert (sealed.under(old), sealed.under(sealed.kek)) == (0, total)


def _wait_until_it_waits_for_a_row(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as watcher:
        for _ in range(600):
            row = watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ).fetchone()
            if row and row[0]:
                return
            time.sleep(0.1)
    raise AssertionError("the rotation never came to the locked row")


async def _enrolled(url: str, device: Device) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        await Uploader(http, random.Random(1)).enrol(device)


async def _answered(url: str, device: Device) -> int:
    """Submit a graph that is signed rightly and holds nothing: 400 tells that the device's key was found and opened."""
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        body = envelope(b"{}", key=device.key, device=device.id_hash)
        return (await http.post("/api/v1/learning-graphs/submit", json=body)).status_code


@pytest.mark.timeout(180)
def test_a_server_that_runs_goes_on_through_a_rotation_and_so_does_one_that_starts_later(sealed: Sealed) -> None:
    before, after = Device.new(NOW), Device.new(NOW)
    with served(sealed.folder) as url:
        asyncio.run(_enrolled(url, before))

        rotate(sealed.folder)

        asyncio.run(_enrolled(url, after))
        answers = [asyncio.run(_answered(url, device)) for device in (before, after)]
    anew = config.load(sealed.folder).keyring()

    assert answers == [400, 400]
    assert sealed.under(anew.keks.current) == len(sealed.values())


def test_the_new_key_may_be_kept_at_another_place(sealed: Sealed) -> None:
    old = sealed.kek

    said = rotate(sealed.folder, "--to", "file:other.key")

    assert config.load(sealed.folder).settings.kek_source == "file:other.key"
    assert "What file:key-encryption-key holds opens nothing here" in said
    assert (sealed.under(old), sealed.under(sealed.kek)) == (0, len(sealed.values()))


def test_a_place_that_holds_a_key_already_is_not_overwritten(sealed: Sealed) -> None:
    (sealed.folder / "keys" / "other.key").write_text(encode_base64(random_key()))

    with pytest.raises(KeyringError, match="holds a key already"):
        rotate(sealed.folder, "--to", "file:other.key")

    assert not list((sealed.folder / "keys").glob("*.kek"))


def test_keys_in_the_environment_are_rotated_in_two_steps(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = sealed.kek, random_key()
    monkeypatch.setenv("NEW_KEK", encode_base64(new))

    begun = rotate(sealed.folder, "--to", "env:NEW_KEK")
    with pytest.raises(KeyringError, match="a rotation to env:NEW_KEK is under way"):
        rotate(sealed.folder, "--to", "file:elsewhere")
    started_with_the_old = config.load(sealed.folder).keyring()
    early = rotate(sealed.folder)
    finished = rotate(sealed.folder, TACITA_KEK=encode_base64(new))

    assert "both valid" in begun
    assert started_with_the_old.keks.current == new
    assert "both valid" in early
    assert "the key-encryption key is in env:TACITA_KEK" in finished
    assert (sealed.under(old), sealed.under(new)) == (0, len(sealed.values()))
    with pytest.raises(KeyringError):
        config.load(sealed.folder).keyring()


def test_the_present_key_of_the_environment_is_no_new_one(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAME_KEK", encode_base64(sealed.kek))

    with pytest.raises(KeyringError, match="holds the present key"):
        rotate(sealed.folder, "--to", "env:SAME_KEK")


def test_keys_list_says_where_the_key_encryption_key_is_and_goes(sealed: Sealed) -> None:
    ring = config.load(sealed.folder).keyring()
    ring.keks.begin(random_key(), "file:other.key")

    said = CliRunner().invoke(app, ["keys", "list", str(sealed.folder)], catch_exceptions=False).stdout

    assert "key-encryption key: file:key-encryption-key; a rotation to file:other.key is under way" in said


def test_the_change_waits_for_whoever_seals_under_the_old_key(sealed: Sealed) -> None:
    ring, device = config.load(sealed.folder).keyring(), bytes(32)
    old = ring.keks.current

    async def run() -> tuple[bool, int]:
        async with open_pool(sealed.dsn, 3) as pool, session(pool) as enrolling:
            await resealing.hold_kek(enrolling)
            row = seal_device_keys(ring, device, DeviceKeys.enrolled_with(device))
            changing = asyncio.create_task(resealing.change_kek(pool, lambda: ring.keks.begin(random_key(), "file:x")))
            await asyncio.sleep(0.3)
            changed_early = changing.done() or ring.keks.target() is not None
            await devices.enrol(enrolling, device, row, NOW)
            await enrolling.commit()
            await changing
            return changed_early, await resealing.reseal_devices(pool, ring, lambda _: None)

    changed_early, resealed = asyncio.run(run())

    assert (changed_early, resealed) == (False, 1)
    [row] = [value for value, label in sealed.values() if label == f"device/{device.hex()}"]
    assert not _opens(old, row, device)


def _opens(kek: bytes, row: bytes, device: bytes) -> bool:
    try:
        open_sealed(kek, row, f"device/{device.hex()}".encode())
    except DoesNotOpen:
        return False
    return True


def test_an_enrolment_waits_for_a_change_of_the_key_under_way(database: str, tmp_path: Path) -> None:
    with front_door(database, tmp_path) as front, psycopg.connect(database) as rotation:
        rotation.execute("SELECT pg_advisory_xact_lock(hashtext('tacita.kek'))")
        body = front.enrolment()

        async def run() -> tuple[bool, int]:
            sent = asyncio.create_task(front.client.post(ENROL, json=body))
            await asyncio.sleep(0.5)
            answered_early = sent.done()
            rotation.rollback()
            return answered_early, (await sent).status_code

        assert front.runner.run(run()) == (False, 201)
