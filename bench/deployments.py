"""A deployment to measure on: its own PostgreSQL with contributions stored in it, and devices to send more."""

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import psutil
import psycopg

from bench import naive
from bench.bodies import Submission, submissions
from tacita.cli.init import make_deployment
from tacita.config import Deployment
from tacita.crypto.envelope import decode_base64, open_sealed
from tacita.crypto.keyring import Keyring
from tacita.device.state import Device
from tacita.device.uploader import seal_submission
from tacita.privacy.decoding import decode_graph
from tacita.protocol.envelope import Envelope, decode_body
from tacita.protocol.graph import LearningGraph
from tacita.store.sealing import DeviceKeys, seal_device_keys

_DISTINCT = 32
_ENVIRONMENT = {
    "TACITA_SUBMISSIONS_PER_HOUR": "1000000",
    "TACITA_SUBMISSION_BURST": "1000000",
    "PATH": "/usr/bin:/bin",
}
_STORED = """
INSERT INTO devices SELECT sha256(('d' || i)::bytea), decode(repeat(md5(i::text), 6), 'hex'), now()
    FROM generate_series(%(first)s, %(last)s) AS i;
INSERT INTO contributions SELECT 1, sha256(('t' || i)::bytea), decode(repeat(md5(i::text), 32), 'hex')
    FROM generate_series(%(first)s, %(last)s) AS i;
INSERT INTO accepted_envelopes
    SELECT sha256(('d' || i)::bytea), now(), 1, sha256(('e' || i)::bytea), decode(repeat(md5(i::text), 45), 'hex')
    FROM generate_series(%(first)s, %(last)s) AS i;
INSERT INTO naive_devices SELECT encode(sha256(('d' || i)::bytea), 'hex'), sha256('a')
    FROM generate_series(%(first)s, %(last)s) AS i;
INSERT INTO naive_contributions (device, round, cells, created_at)
    SELECT encode(sha256(('d' || i)::bytea), 'hex'), 1, jsonb_build_object('a', repeat(md5(i::text), 60)), now()
    FROM generate_series(%(first)s, %(last)s) AS i;
"""


class Bodies:
    """An endless supply of bodies, each of a new device: a few simulated users' graphs, sealed anew.

    Args:
        now: when they are made.
    """

    def __init__(self, now: datetime) -> None:
        self.now = now
        made = submissions(_DISTINCT, now=now)
        self._graphs = itertools.cycle([_graph_of(one) for one in made])

    def fresh(self, count: int) -> list[Submission]:
        """Return bodies of devices that nobody has enrolled."""
        sent = []
        for graph in itertools.islice(self._graphs, count):
            device = Device.new(self.now)
            mine = msgspec.structs.replace(graph, device_id_hash=device.id_hash)
            sent.append(Submission(device, seal_submission(device, mine, self.now)))
        return sent

    def fresh_enrolled(self, on: "Ground", count: int) -> list[Submission]:
        """Return bodies of devices that are enrolled on a ground."""
        sent = self.fresh(count)
        on.enrol(sent)
        return sent


def _graph_of(one: Submission) -> LearningGraph:
    envelope = decode_body(one.body, Envelope)
    return decode_graph(open_sealed(one.device.key, decode_base64(envelope.encrypted_data)))[0]


@dataclass
class Ground:
    """A deployment with its database running.

    Attributes:
        deployment: where it is.
        dsn: its database.
        stored: contributions of other devices that it holds.
    """

    deployment: Deployment
    dsn: str
    stored: int = 0

    def store(self, total: int) -> None:
        """Fill the tables up to `total` contributions of made-up devices, and let the planner know."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = off")
            for first in range(self.stored + 1, total + 1, 50_000):
                last = min(first + 49_999, total)
                for statement in _STORED.strip().split(";")[:-1]:
                    filled = statement.replace("%(first)s", str(first)).replace("%(last)s", str(last))
                    connection.execute(filled.encode())
            connection.execute(
                "INSERT INTO round_devices VALUES (1, 0, %s) ON CONFLICT (round, shard) DO UPDATE SET devices = %s",
                [total, total],
            )
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
        self.stored = total

    def enrol(self, sent: list[Submission]) -> None:
        """Enrol devices with both servers, past their doors."""
        keyring = Keyring.load(self.deployment.keys)
        with psycopg.connect(self.dsn) as connection, connection.cursor() as cursor:
            with cursor.copy("COPY devices (device, sealed_keys, enrolled_at) FROM STDIN") as copy:
                for one in sent:
                    device = bytes.fromhex(one.device.id_hash)
                    keys = seal_device_keys(keyring, device, DeviceKeys.enrolled_with(one.device.key))
                    copy.write_row((device, keys, one.device.created_at))
            with cursor.copy("COPY naive_devices (device, key) FROM STDIN") as copy:
                for one in sent:
                    copy.write_row((one.device.id_hash, one.device.key))

    def database_processes(self) -> list[psutil.Process]:
        """Return the postmaster and its children."""
        pid = int((self.deployment.folder / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
        postmaster = psutil.Process(pid)
        return [postmaster, *postmaster.children(recursive=True)]


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Yield a fresh deployment whose round never fills, with its database running and the naive peer's tables in it."""
    deployment = make_deployment(folder, round_size=10_000_000)
    with deployment.database() as database:
        with psycopg.connect(database.dsn) as connection:
            connection.execute(naive.SCHEMA.encode())
        yield Ground(deployment, database.dsn)


@contextmanager
def serving(arguments: list[str]) -> Iterator[tuple[psutil.Process, int]]:
    """Start `python -m …`; yield its process and its port once it says `ready`."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_ENVIRONMENT) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it is a pipe
            yield psutil.Process(server.pid), int(server.stdout.readline().rsplit(":", 1)[1])
        finally:
            server.terminate()
            server.wait(60)
