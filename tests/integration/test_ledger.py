"""The ledger of budgets: append-only, chained, and what it says a device can pay."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graphs import NOW

from tacita.privacy import accountant, policy
from tacita.privacy.policy import NanoRho
from tacita.store import ledger, ledger_proof, rounds
from tacita.store.connection import Connection, open_pool, run_transaction
from tacita.store.ledger_proof import Flaw
from tacita.store.rounds import State

_Result = TypeVar("_Result")
TAGS = [bytes([number]) * 32 for number in range(4)]
YEAR = policy.BUDGET_WINDOW


def transaction(dsn: str, work: Callable[[Connection], Awaitable[_Result]]) -> _Result:
    async def run() -> _Result:
        async with open_pool(dsn, 1) as pool:
            return await run_transaction(pool, work)

    return asyncio.run(run())


def charge(dsn: str, tags: list[bytes], number: int, when: datetime = NOW) -> None:
    """Charge `tags` for a round of that number, which is made for it."""

    async def do(connection: Connection) -> None:
        if await rounds.get(connection, number) is None:
            await rounds.open_next(connection, number, b"key", when)
            await rounds.advance(connection, number, State.COLLECTING, State.CLOSED, when)
        await ledger.charge(connection, tags, number, policy.ROUND_CHARGE, when)

    transaction(dsn, do)


@pytest.fixture
def charged(database: str) -> str:
    """Return the DSN of a database whose ledger has two rounds of charges: six entries."""
    charge(database, TAGS[:3], 1)
    charge(database, TAGS[1:], 2, NOW + timedelta(days=7, microseconds=123_457))
    return database


@pytest.mark.parametrize("statement", ["UPDATE ledger SET nano_rho = 1", "DELETE FROM ledger", "TRUNCATE ledger"])
def test_the_ledger_takes_nothing_back(charged: str, statement: str) -> None:
    with psycopg.connect(charged) as connection, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        connection.execute(statement.encode())


def test_a_device_cannot_be_charged_twice_for_one_round(charged: str) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        charge(charged, TAGS[:1], 1)


def test_two_rounds_charged_at_once_keep_one_chain(charged: str) -> None:
    async def both() -> None:
        async with open_pool(charged, 2) as pool:

            async def one(number: int) -> None:
                tags = TAGS if number == 3 else TAGS[::-1]
                await run_transaction(
                    pool, lambda connection: ledger.charge(connection, tags, number, policy.ROUND_CHARGE, NOW)
                )

            await asyncio.gather(one(3), one(4))

    for number in (3, 4):
        charge(charged, [], number)
    asyncio.run(both())
    proof = transaction(charged, ledger_proof.prove)
    assert (proof.entries, {finding.flaw for finding in proof.findings}) == (6 + 8, {Flaw.UNLIKE_RELEASE})


def test_a_history_is_of_one_device_and_one_window(charged: str) -> None:
    history = transaction(charged, lambda connection: ledger.history(connection, TAGS[1], NOW))
    assert history == [(NOW + timedelta(days=7, microseconds=123_457), policy.ROUND_CHARGE)]


def test_histories_agree_with_each_devices_history(charged: str) -> None:
    since = NOW - timedelta(days=1)

    async def read(connection: Connection) -> bool:
        together = await ledger.histories(connection, TAGS, since)
        return all([together.get(tag, []) == await ledger.history(connection, tag, since) for tag in TAGS])

    assert transaction(charged, read)


def test_a_device_that_spent_its_cap_is_told_when_its_oldest_charge_leaves_the_window(database: str) -> None:
    for number in range(12):
        charge(database, TAGS[:1], number + 1, NOW + timedelta(days=7 * number))
    later = NOW + timedelta(days=100)
    history = transaction(database, lambda connection: ledger.history(connection, TAGS[0], later - YEAR))
    eligible = accountant.next_eligible([(when, NanoRho(amount)) for when, amount in history], later)
    assert eligible == NOW + YEAR


_HISTORIES = st.lists(
    st.tuples(
        st.integers(0, 800 * 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes)),
        st.integers(1, policy.ROUND_CHARGE).map(NanoRho),
    ),
    max_size=40,
)


def spent_at(history: list[accountant.Charge], when: datetime) -> int:
    return sum(amount for charged_at, amount in history if when - YEAR < charged_at <= when)


@given(_HISTORIES)
def test_at_the_next_eligible_date_one_more_round_fits_under_the_cap(history: list[accountant.Charge]) -> None:
    eligible = accountant.next_eligible(history, NOW) or NOW
    assert spent_at(history, eligible) + policy.ROUND_CHARGE <= policy.BUDGET_CAP


@given(_HISTORIES)
def test_just_before_the_next_eligible_date_no_round_fits(history: list[accountant.Charge]) -> None:
    eligible = accountant.next_eligible(history, NOW)
    if eligible is not None:
        before = max(NOW, eligible - timedelta(microseconds=1))
        assert spent_at(history, before) + policy.ROUND_CHARGE > policy.BUDGET_CAP


@given(st.lists(st.integers(1, 60 * 24 * 60), max_size=60))
def test_a_device_that_pays_whenever_it_can_never_exceeds_the_cap_in_any_window(gaps: list[int]) -> None:
    history: list[accountant.Charge] = []
    now = NOW
    for gap in gaps:
        now += timedelta(minutes=gap)
        if accountant.next_eligible(history, now) is None:
            history.append((now, policy.ROUND_CHARGE))
    assert all(spent_at(history, when) <= policy.BUDGET_CAP for when, _ in history)


@given(_HISTORIES)
def test_the_order_of_a_history_does_not_matter(history: list[accountant.Charge]) -> None:
    assert accountant.next_eligible(history, NOW) == accountant.next_eligible(history[::-1], NOW)
