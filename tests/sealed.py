"""A deployment on a migrated database, what of it is sealed under its key-encryption key, and changing that key."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import tomli_w
from typer.testing import CliRunner

from tacita import config
from tacita.cli import app
from tacita.crypto import enrolment_keys
from tacita.crypto.envelope import open_sealed
from tacita.crypto.errors import DoesNotOpen
from tacita.crypto.keyring import Keyring
from tacita.store.sealing import DeviceKeys, new_round_key, seal_device_keys

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@dataclass(frozen=True)
class Sealed:
    """A deployment, and what of it is sealed under the key-encryption key."""

    folder: Path
    dsn: str

    @property
    def kek(self) -> bytes:
        return config.load(self.folder).kek_source().read()

    def enrol(self, count: int) -> None:
        ring = config.load(self.folder).keyring()
        devices = [random.Random(n).randbytes(32) for n in range(count)]
        rows = [(d, seal_device_keys(ring, d, DeviceKeys.enrolled_with(d)), NOW) for d in devices]
        with psycopg.connect(self.dsn) as connection:
            connection.cursor().executemany(
                "INSERT INTO devices (device, sealed_keys, enrolled_at) VALUES (%s, %s, %s)", rows
            )

    def values(self) -> list[tuple[bytes, str]]:
        """Return every sealed value with its label."""
        files = [(path.read_bytes(), f"key/{path.stem}") for path in (self.folder / "keys").glob("*.sealed")]
        with psycopg.connect(self.dsn) as connection:
            devices = connection.execute("SELECT sealed_keys, device FROM devices").fetchall()
            rounds = connection.execute("SELECT sealed_key, round FROM rounds WHERE sealed_key IS NOT NULL").fetchall()
        in_store = [(bytes(sealed), f"device/{device.hex()}") for sealed, device in devices]
        return [*files, *in_store, *((bytes(sealed), f"round/{number}") for sealed, number in rounds)]

    def under(self, kek: bytes) -> int:
        """Return how many values open under `kek`."""
        return sum(_opens(kek, sealed, label) for sealed, label in self.values())


def _opens(kek: bytes, sealed: bytes, label: str) -> bool:
    try:
        open_sealed(kek, sealed, label.encode())
    except DoesNotOpen:
        return False
    return True


def sealed_deployment(database: str, folder: Path) -> Sealed:
    """Make one with a file for its key-encryption key, and round 1 collecting."""
    ring = Keyring.create(folder / "keys")
    ring.add_ledger_key()
    enrolment_keys.add_first(ring)
    (folder / config.CONFIG_NAME).write_text(tomli_w.dumps({"database_url": database}))
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO rounds (round, state, model_version, sealed_key)"
            " VALUES (1, 'collecting', 'granite-3b-v2', %s)",
            [new_round_key(ring, 1)],
        )
    return Sealed(folder, database)


def rotate(folder: Path, *arguments: str, **environment: str) -> str:
    """Give the command in this process; return what it says, in one line.

    Raises:
        KeyringError: what it complains of.
    """
    given = ["keys", "rotate-kek", str(folder), *arguments]
    return " ".join(CliRunner().invoke(app, given, env=environment, catch_exceptions=False).stdout.split())
