"""A crash at any statement of a release: one draw is visible, paid for once, and no other is in the clear."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed
from tests.faults import Crash, Fault, Faults, end_backend, kill_backend, kill_self, raise_crash
from tests.graphs import NOW
from tests.walk import SIZE, Walk, begun

from tacita.crypto import round_secrets
from tacita.privacy.release import Cohort, Release
from tacita.privacy.release import release as draw
from tacita.rounds import close, release
from tacita.store import ledger_proof
from tacita.store.connection import open_pool
from tacita.store.errors import StoreUnavailable
from tacita.store.migrate import migrate
from tacita.store.postgres import EmbeddedPostgres
from tacita.store.rounds import State

LOOKED_FOR, CELLS_LOOKED_FOR = (20, 120, 320, 420), 8
"""From where on so many neighbouring cells on the disk give a draw away. A page's end may part one or two of them."""


class Draws:
    """Every noisy vector that was drawn, by whichever process, in a file outside of the server's folder."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, cohort: Cohort, minimum: int) -> Release:
        made = draw(cohort, minimum)
        with self.file.open("a") as file:
            file.write(json.dumps([cohort.round, made.vector]) + "\n")
        return made

    def of(self, number: int) -> list[list[int]]:
        lines = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [vector for drawn_for, vector in lines if drawn_for == number]

    def everything(self) -> list[list[int]]:
        return [json.loads(line)[1] for line in self.file.read_text().splitlines()]


@pytest.fixture
def draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draws:
    made = Draws(tmp_path / "draws")
    monkeypatch.setattr(release, "release", made)
    return made


@dataclass(frozen=True)
class Server:
    """A running server and a migrated database on it."""

    running: EmbeddedPostgres
    dsn: str


@pytest.fixture
def server(postgres: EmbeddedPostgres, database: str) -> Server:
    return findable(Server(postgres, database))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Yield a server that a test may kill."""
    with EmbeddedPostgres(tmp_path / "postgres", durable=False) as running:
        migrate(running.dsn)
        yield findable(Server(running, running.dsn))


def findable(server: Server) -> Server:
    """Have what is written in the clear written as it is, so that it can be found."""
    with psycopg.connect(server.dsn) as connection:
        connection.execute("ALTER TABLE releases ALTER COLUMN vector SET STORAGE EXTERNAL")
    return server


def closed_round(walk: Walk) -> int:
    walk.pool = open_pool
    [(number,)] = walk.rows("SELECT round FROM rounds WHERE state = 'collecting'")
    walk.contribute(SIZE, first=SIZE * number)
    assert walk.do(close.close_if_full) == number
    return int(number)


def crash(walk: Walk, number: int, fault: Fault, at: int) -> list[str]:
    """Release a round with a fault before statement `at`; return the statements that were sent."""
    faults = Faults(walk.dsn, fault, at)
    walk.pool = faults.pool
    if fault is kill_self:
        child = os.fork()
        if child == 0:
            walk.do(lambda shop: release.release_round(shop, number))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return []
        assert os.WTERMSIG(status) == signal.SIGKILL
        return ["killed"] * at
    with suppress(Crash, StoreUnavailable):
        walk.do(lambda shop: release.release_round(shop, number))
    if fault is kill_backend:
        wait_until_back(walk.dsn)
    return faults.sent


@retry(retry=retry_if_exception_type(psycopg.OperationalError), wait=wait_fixed(0.1), stop=stop_after_delay(60))
def wait_until_back(dsn: str) -> None:
    """Wait until the server has recovered from its log and takes several connections in a row."""
    for _ in range(3):
        psycopg.connect(dsn).close()


def recover(walk: Walk, number: int) -> None:
    """Do what the driver does after a restart."""
    walk.pool = open_pool
    if walk.state(number) is State.CLOSED:
        walk.do(lambda shop: release.release_round(shop, number))
    assert walk.state(number) is State.RELEASED
    walk.do(lambda shop: release.reveal(shop, number))


def disk(server: Server) -> bytes:
    """Return every file of the database, and the server's whole log."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    assert row is not None
    folders = [server.running.data / "base" / str(row[0]), server.running.data / "pg_wal"]
    return b"".join(path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())


def lies_on(data: bytes, vector: list[int]) -> bool:
    cells = np.array(vector, "<i8")
    return any(cells[start : start + CELLS_LOOKED_FOR].tobytes() in data for start in LOOKED_FOR)


def check(walk: Walk, number: int, drawn: list[list[int]]) -> list[int]:
    """Check that a round has one release, one of those drawn, paid for once, and nothing left; return its vector."""
    found = walk.rows("SELECT round, vector, sealed_vector FROM releases ORDER BY round")
    [(vector, sealed)] = [row[1:] for row in found if row[0] == number]
    charged = walk.rows("SELECT round, count(*), count(DISTINCT tag) FROM ledger GROUP BY round")
    assert (sealed, (number, SIZE, SIZE) in charged) == (None, True)
    assert vector in drawn
    assert number not in [row[0] for row in walk.rows("SELECT round FROM contributions")]
    assert number not in round_secrets.held(walk.folder / "keys")
    return [int(cell) for cell in vector]


Record = Callable[[str, object], None]


@pytest.mark.parametrize(
    "fault", [raise_crash, *(pytest.param(fault, marks=pytest.mark.slow) for fault in (end_backend, kill_self))]
)
def test_after_a_crash_at_any_statement_of_a_release_one_draw_alone_is_ever_in_the_clear(
    server: Server, draws: Draws, tmp_path: Path, fault: Fault, record_property: Record
) -> None:
    crash_everywhere(server, draws, tmp_path, fault, record_property)


@pytest.mark.slow
def test_after_a_kill_9_of_the_database_at_any_statement_of_a_release_one_draw_alone_is_ever_in_the_clear(
    own_server: Server, draws: Draws, tmp_path: Path, record_property: Record
) -> None:
    crash_everywhere(own_server, draws, tmp_path, kill_backend, record_property)


def crash_everywhere(server: Server, draws: Draws, tmp_path: Path, fault: Fault, record_property: Record) -> None:
    """Release round after round, each with a crash one statement later; then look for every draw on the disk."""
    walk = begun(server.dsn, tmp_path)
    seen, at = [], 0

    while True:
        at += 1
        number = closed_round(walk)
        sent = crash(walk, number, fault, at)
        recover(walk, number)
        seen.append(check(walk, number, draws.of(number)))
        if len(sent) < at:
            break

    data, everything = disk(server), draws.everything()
    assert at - 1 >= 17, "every statement of the draw and of its revelation"
    assert len(everything) > len(seen), "some crashes must come after a draw"
    assert [lies_on(data, vector) for vector in everything] == [vector in seen for vector in everything]
    assert walk.transaction(ledger_proof.prove).findings == ()
    record_property("statements, draws, releases", (at - 1, len(everything), len(seen)))


def test_the_search_of_the_disk_finds_what_a_rolled_back_transaction_wrote(server: Server, tmp_path: Path) -> None:
    vector = [int(cell) for cell in np.random.default_rng(5).integers(-400_000, 400_000, 452)]
    begun(server.dsn, tmp_path)

    with psycopg.connect(server.dsn) as connection:
        connection.execute(
            "INSERT INTO releases (round, digest, released_at, statement, vector)"
            " VALUES (1, 'ab', %s, '{}', %s::bigint[])",
            [NOW, vector],
        )
        connection.rollback()

    assert lies_on(disk(server), vector)


def test_a_database_restored_from_before_its_release_cannot_draw_a_second_time(
    server: Server, draws: Draws, tmp_path: Path
) -> None:
    walk = begun(server.dsn, tmp_path)
    number = closed_round(walk)
    name = conninfo_to_dict(server.dsn)["dbname"]
    copy = "CREATE DATABASE {} TEMPLATE {}"
    with psycopg.connect(server.running.dsn, autocommit=True) as connection:
        connection.execute(SQL(copy).format(Identifier(f"{name}_backup"), Identifier(str(name))))
    walk.do(lambda shop: release.release_round(shop, number))

    restored = Walk(make_conninfo(server.dsn, dbname=f"{name}_backup"), tmp_path)
    with pytest.raises(Exception, match="secret of round 1 is destroyed"):
        restored.do(lambda shop: release.release_round(shop, number))

    assert len(draws.everything()) == 1
