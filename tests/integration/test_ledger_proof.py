"""What the proof of the ledger finds: any row changed, deleted or inserted behind the triggers' back."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import LiteralString, TypeVar

import psycopg
import pytest
from tests.graphs import NOW
from tests.walk import add_release
from typer.testing import CliRunner, Result

from tacita import config
from tacita.cli import app
from tacita.cli.init import make_deployment
from tacita.privacy import policy
from tacita.privacy.release import Release, Statement
from tacita.store import ledger, ledger_proof, rounds
from tacita.store.connection import Connection, open_pool, run_transaction
from tacita.store.ledger import GENESIS, Entry
from tacita.store.ledger_proof import MAX_FINDINGS, Flaw, Proof

_Result = TypeVar("_Result")
DEVICES = [bytes([number]) * 32 for number in range(4)]
ROUNDS = 3
INSERT = (
    "INSERT INTO ledger SELECT %(entry)s, %(tag)s, round, nano_rho, charged_at, %(chain)s FROM ledger WHERE entry = 12"
)


def transaction(dsn: str, work: Callable[[Connection], Awaitable[_Result]]) -> _Result:
    async def run() -> _Result:
        async with open_pool(dsn, 1) as pool:
            return await run_transaction(pool, work)

    return asyncio.run(run())


def released(number: int, devices: int) -> Release:
    statement = Statement(number, devices, 1.0, 1e-6, policy.ROUND_CHARGE, 139_189, policy.CLIP_NORM, "policy")
    return Release(statement, [0] * 452)


async def charge(connection: Connection, tags: list[bytes], number: int, days: float) -> None:
    """Make a round and its release `days` after NOW, charged to `tags`."""
    when = NOW + timedelta(days=days)
    await rounds.open_next(connection, number, b"key", when)
    await rounds.advance(connection, number, rounds.State.COLLECTING, rounds.State.CLOSED, when)
    await ledger.charge(connection, tags, number, policy.ROUND_CHARGE, when)
    await add_release(connection, released(number, len(tags)), when)


@pytest.fixture
def charged(database: str) -> str:
    """Return a database whose ledger has three releases of four devices: entries 1 to 12."""

    async def fill(connection: Connection) -> None:
        for number in range(1, ROUNDS + 1):
            await charge(connection, DEVICES, number, 7 * number)

    transaction(database, fill)
    return database


def tamper(dsn: str, statement: LiteralString = "SELECT 1", **values: object) -> Proof:
    """Change the ledger as who owns the database can, and prove it."""
    with psycopg.connect(dsn) as connection:
        connection.execute("ALTER TABLE ledger DISABLE TRIGGER USER")
        connection.execute(statement, values)
        connection.execute("ALTER TABLE ledger ENABLE TRIGGER USER")
    return transaction(dsn, ledger_proof.prove)


def each_tampered(dsn: str, changes: list[tuple[LiteralString, dict[str, object]]]) -> list[Proof]:
    """Prove the ledger after each of the changes by itself."""

    async def do(connection: Connection) -> list[Proof]:
        await connection.execute("ALTER TABLE ledger DISABLE TRIGGER USER")
        proofs = []
        for statement, values in changes:
            async with connection.transaction(force_rollback=True):
                await connection.execute(statement, values)
                proofs.append(await ledger_proof._read(connection, lambda _: None))
        return proofs

    return transaction(dsn, do)


def found(proof: Proof) -> list[tuple[Flaw, int | None]]:
    return [(finding.flaw, finding.entry) for finding in proof.findings]


def test_what_releases_charged_holds(charged: str) -> None:
    proof = transaction(charged, ledger_proof.prove)

    assert (proof.entries, proof.flaws, proof.findings) == (12, 0, ())
    assert proof.head == tamper(charged).head


def test_an_empty_ledger_holds(database: str) -> None:
    assert transaction(database, ledger_proof.prove) == Proof(0, GENESIS, (), 0)


def test_the_chain_holds_whatever_the_databases_time_zone(charged: str) -> None:
    with psycopg.connect(charged, autocommit=True) as connection:
        connection.execute("ALTER ROLE CURRENT_USER SET timezone TO 'Asia/Kathmandu'")
    try:
        assert transaction(charged, ledger_proof.prove).findings == ()
    finally:
        with psycopg.connect(charged, autocommit=True) as connection:
            connection.execute("ALTER ROLE CURRENT_USER RESET timezone")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger SET nano_rho = nano_rho - 1 WHERE entry = %(entry)s",
        "UPDATE ledger SET tag = sha256('x') WHERE entry = %(entry)s",
        "UPDATE ledger SET charged_at = charged_at - interval '1 us' WHERE entry = %(entry)s",
        "UPDATE ledger SET chain = sha256('') WHERE entry = %(entry)s",
        "UPDATE ledger SET round = round %% 3 + 1, tag = sha256('y') WHERE entry = %(entry)s",
    ],
)
def test_any_changed_row_is_reported_with_its_entry(charged: str, change: LiteralString) -> None:
    proofs = each_tampered(charged, [(change, {"entry": entry}) for entry in range(1, 13)])

    assert all((Flaw.CHANGED, entry) in found(proof) for entry, proof in enumerate(proofs, start=1))


def test_any_deleted_row_is_reported_with_its_entry(charged: str) -> None:
    proofs = each_tampered(
        charged, [("DELETE FROM ledger WHERE entry = %(entry)s", {"entry": entry}) for entry in range(1, 12)]
    )

    assert [found(proof)[0] for proof in proofs] == [(Flaw.MISSING, entry) for entry in range(1, 12)]
    assert all(proof.findings[-1].flaw is Flaw.UNLIKE_RELEASE for proof in proofs)


def test_a_deleted_row_whose_gap_was_closed_is_reported_with_its_entry(charged: str) -> None:
    tamper(charged, "DELETE FROM ledger WHERE entry = 3")

    proof = tamper(charged, "UPDATE ledger SET entry = entry - 1 WHERE entry > 3")

    assert found(proof)[0] == (Flaw.CHANGED, 3)


def test_rows_deleted_at_the_end_leave_a_round_unlike_its_release(charged: str) -> None:
    one, all_of_it = each_tampered(
        charged, [("DELETE FROM ledger WHERE entry = 12", {}), ("DELETE FROM ledger WHERE entry > 8", {})]
    )

    assert found(one) == [(Flaw.UNLIKE_RELEASE, 9)]
    assert [(f.flaw, f.entry, f.round) for f in all_of_it.findings] == [(Flaw.UNLIKE_RELEASE, None, 3)]


def test_an_inserted_row_is_reported_with_its_entry(charged: str) -> None:
    wrong = {"tag": b"f" * 32, "chain": bytes(32)}
    expected = {13: (Flaw.CHANGED, 13), 20: (Flaw.MISSING, 13), 0: (Flaw.MISSING, 1), -1: (Flaw.MISSING, 1)}

    proofs = each_tampered(charged, [(INSERT, {"entry": entry, **wrong}) for entry in expected])

    assert [found(proof)[0] for proof in proofs] == list(expected.values())
    assert [found(proof)[-1] for proof in proofs] == [(Flaw.UNLIKE_RELEASE, min(entry, 9)) for entry in expected]


def test_an_inserted_row_with_a_true_chain_is_still_unlike_its_release(charged: str) -> None:
    head = transaction(charged, ledger_proof.prove).head
    when = NOW + timedelta(days=21)
    forged = Entry(13, b"f" * 32, 3, policy.ROUND_CHARGE, when, b"").expected_chain(head)

    proof = tamper(charged, INSERT, entry=13, tag=b"f" * 32, chain=forged)

    assert found(proof) == [(Flaw.UNLIKE_RELEASE, 9)]


def test_a_device_over_its_cap_is_found_at_the_first_charge_too_many(database: str) -> None:
    async def spend(connection: Connection) -> None:
        for number in range(1, 15):
            await charge(connection, DEVICES[:1], number, 7 * number)

    transaction(database, spend)

    proof = transaction(database, ledger_proof.prove)

    assert found(proof) == [(Flaw.OVER_CAP, 13), (Flaw.OVER_CAP, 14)]


@pytest.mark.parametrize(("days", "flaws"), [(365.0, 0), (365.0 - 1e-6, 1)])
def test_a_charge_leaves_the_window_exactly_when_the_accountant_says(database: str, days: float, flaws: int) -> None:
    async def spend(connection: Connection) -> None:
        for number in range(1, 13):
            await charge(connection, DEVICES[:1], number, 0)
        await charge(connection, DEVICES[:1], 13, days)

    transaction(database, spend)

    assert transaction(database, ledger_proof.prove).flaws == flaws


def test_a_release_without_charges_is_found(charged: str) -> None:
    with psycopg.connect(charged) as connection:
        connection.execute("ALTER TABLE ledger DISABLE TRIGGER USER")
        connection.execute("TRUNCATE ledger")

    proof = transaction(charged, ledger_proof.prove)

    assert [(f.flaw, f.round) for f in proof.findings] == [(Flaw.UNLIKE_RELEASE, n) for n in (1, 2, 3)]


def test_the_findings_of_a_ruined_ledger_are_counted_and_not_all_kept(database: str) -> None:
    many = [number.to_bytes(32) for number in range(MAX_FINDINGS + 50)]
    transaction(database, lambda connection: charge(connection, many, 1, 0))

    proof = tamper(database, "UPDATE ledger SET chain = sha256('')")

    assert (proof.flaws, len(proof.findings)) == (MAX_FINDINGS + 50, MAX_FINDINGS)


def _tacita(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["privacy", "ledger", *arguments])


def test_the_command_proves_a_ledger_and_names_the_entry_that_was_tampered_with(tmp_path: Path) -> None:
    folder = tmp_path / "deployment"
    deployment = make_deployment(folder, round_size=5)

    async def fill(connection: Connection) -> None:
        await ledger.charge(connection, DEVICES, 1, policy.ROUND_CHARGE, NOW)
        await add_release(connection, released(1, len(DEVICES)), NOW)

    with deployment.database() as database:
        transaction(database.dsn, fill)
        whole = _tacita(str(folder), "--verify", "--json")
        tamper(database.dsn, "UPDATE ledger SET nano_rho = 1 WHERE entry = 2")
        ruined = _tacita(str(folder), "--verify")

    told = json.loads(whole.stdout)
    assert (whole.exit_code, told["proof"]["holds"], told["proof"]["entries"]) == (0, True, 4), whole.stderr
    assert told["spent"] == [{"nano_rho": policy.ROUND_CHARGE, "epsilon": pytest.approx(1.0, abs=1e-6), "devices": 4}]
    assert ruined.exit_code == 1
    assert "entry 2" in ruined.stderr
    assert config.load(folder).settings.round_size == 5
