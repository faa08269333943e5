"""Submissions of many devices in one commit: each counted once, each with its own answer (design §1)."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests.front_door import KEY, SUBMIT, FrontDoor, envelope, opened, sound

from tacita.crypto.envelope import signature_matches
from tacita.privacy.policy import BUDGET_CAP
from tacita.store import contributions, rounds
from tacita.store.connection import run_transaction
from tacita.store.sealing import ledger_tag, new_round_key, open_device_keys
from tacita.store.submissions import Accepted

DEVICES = [f"{number:064x}" for number in range(1, 13)]


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        for device in DEVICES:
            door.enrol(device=device)
        yield door


def at_once(front: FrontDoor, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    async def send() -> list[httpx.Response]:
        return await asyncio.gather(*(front.client.post(SUBMIT, content=json.dumps(body)) for body in bodies))

    return front.runner.run(send())


def bodies_of(devices: list[str], nodes: int = 20) -> list[dict[str, Any]]:
    return [envelope(sound(i, nodes, deviceIdHash=device), device=device) for i, device in enumerate(devices)]


def devices_counted(front: FrontDoor) -> int:
    return front.runner.run(run_transaction(front.door.pool, lambda connection: contributions.count(connection, 1)))


def test_graphs_that_come_at_once_are_committed_in_one_transaction(front: FrontDoor) -> None:
    answers = at_once(front, bodies_of(DEVICES))

    assert {answer.status_code for answer in answers} == {200}
    assert front.rows("SELECT count(DISTINCT xmin::text), count(*) FROM contributions") == [(1, len(DEVICES))]
    assert front.rows("SELECT count(DISTINCT xmin::text), count(*) FROM accepted_envelopes") == [(1, len(DEVICES))]


def test_the_number_of_distinct_devices_is_kept_with_them(front: FrontDoor) -> None:
    at_once(front, bodies_of(DEVICES[:5]) + bodies_of(DEVICES[:5], nodes=30))

    assert devices_counted(front) == 5
    assert front.rows("SELECT count(*) FROM contributions") == [(5,)]


def test_two_graphs_of_one_device_in_one_batch_add_up(front: FrontDoor) -> None:
    device = DEVICES[0]
    both = [envelope(sound(seed, 20, deviceIdHash=device), device=device) for seed in (1, 2)]

    at_once(front, both)

    assert [counts.nodes for counts in front.counted()] == [40]


def test_one_envelope_twice_in_one_batch_counts_once_and_is_answered_twice(front: FrontDoor) -> None:
    [body] = bodies_of(DEVICES[:1])

    answers = at_once(front, [body, body])

    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted(answer.json()["message"] for answer in answers) == [
        "Graph received and validated",
        "Graph received and validated before",
    ]
    assert [counts.nodes for counts in front.counted()] == [20]


def test_a_refused_graph_does_not_disturb_its_neighbours(front: FrontDoor) -> None:
    bodies = bodies_of(DEVICES[:4])
    tag = ledger_tag(front.door.ledger_key, bytes.fromhex(DEVICES[1]))
    with psycopg.connect(front.dsn) as connection:
        connection.execute(
            "INSERT INTO ledger (entry, tag, round, nano_rho, charged_at, chain) VALUES (1, %s, 1, %s, %s, %s)",
            [tag, BUDGET_CAP, front.now - timedelta(days=3), bytes(32)],
        )

    answers = at_once(front, [*bodies, envelope(b"no graph", device=DEVICES[5])])

    assert [answer.status_code for answer in answers] == [200, 429, 200, 200, 400]
    assert devices_counted(front) == 3


def test_a_row_that_the_store_refuses_fails_alone(front: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = bytes.fromhex(DEVICES[2])
    made = Accepted.__init__

    def broken(row: Accepted, device: bytes, digest: bytes, tags: bytes) -> None:
        made(row, device, digest, tags + b"odd" if device == bad else tags)

    monkeypatch.setattr(Accepted, "__init__", broken)

    answers = at_once(front, bodies_of(DEVICES[:4]))

    assert [answer.status_code for answer in answers] == [200, 200, 503, 200]
    assert devices_counted(front) == 3


def test_a_key_that_changed_after_the_signature_was_checked_is_checked_again(front: FrontDoor) -> None:
    device = bytes.fromhex(DEVICES[0])
    [body] = bodies_of(DEVICES[:1])
    front.submit(envelope(sound(7, 20, deviceIdHash=DEVICES[0]), device=DEVICES[0]))
    with psycopg.connect(front.dsn) as connection:
        connection.execute("DELETE FROM devices WHERE device = %s", [device])

    answer = front.submit(body)

    assert answer.status_code == 401
    assert front.door.device_keys.remembered(device) is None


def test_keys_that_were_only_sealed_anew_still_count(front: FrontDoor) -> None:
    device = bytes.fromhex(DEVICES[0])
    front.submit(envelope(sound(7, 20, deviceIdHash=DEVICES[0]), device=DEVICES[0]))
    [(sealed,)] = front.rows("SELECT sealed_keys FROM devices ORDER BY device LIMIT 1")
    label = f"device/{DEVICES[0]}"
    anew = front.door.keyring.seal(front.door.keyring.open(bytes(sealed), label), label)
    with psycopg.connect(front.dsn) as connection:
        connection.execute("UPDATE devices SET sealed_keys = %s WHERE device = %s", [anew, device])

    answer = front.submit(envelope(sound(8, 20, deviceIdHash=DEVICES[0]), device=DEVICES[0]))

    assert answer.status_code == 200
    assert [counts.nodes for counts in front.counted()] == [40]


def test_a_batch_goes_into_the_round_that_collects_when_it_commits(front: FrontDoor) -> None:
    at_once(front, bodies_of(DEVICES[:3]))
    front.runner.run(run_transaction(front.door.pool, lambda connection: _next_round(front, connection)))

    answers = at_once(front, bodies_of(DEVICES[3:6]))

    assert {answer.json()["next_model_version"] for answer in answers} == {"granite-3b-v3"}
    assert front.rows("SELECT round, count(*) FROM contributions GROUP BY 1 ORDER BY 1") == [(1, 3), (2, 3)]


async def _next_round(front: FrontDoor, connection: Any) -> None:
    await rounds.advance(connection, 1, rounds.State.COLLECTING, rounds.State.CLOSED, front.now)
    await rounds.open_next(connection, 2, new_round_key(front.door.keyring, 2), front.now)


def test_a_retry_of_what_was_accepted_when_it_was_fresh_is_answered_200(front: FrontDoor) -> None:
    [body] = bodies_of(DEVICES[:1])
    front.submit(body)
    front.now += timedelta(days=30, minutes=1)

    answer = front.submit(body)

    assert (answer.status_code, answer.json()["message"]) == (200, "Graph received and validated before")


def test_a_device_that_sends_too_fast_is_told_when_it_may_again(front: FrontDoor) -> None:
    [body] = bodies_of(DEVICES[:1])
    for _ in range(30):
        assert front.submit(body).status_code == 200

    answer = front.submit(body)

    assert (answer.status_code, answer.json()) == (429, {"detail": "Too many submissions"})
    assert answer.headers["Retry-After"] == "60"


def test_who_does_not_hold_the_key_cannot_slow_a_device_down(front: FrontDoor) -> None:
    [body] = bodies_of(DEVICES[:1])
    for _ in range(40):
        assert front.submit(body | {"signature": "A" * 43 + "="}).status_code == 401

    assert front.submit(body).status_code == 200


def test_an_unknown_device_and_a_wrong_signature_cost_the_same_work(
    front: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[str] = []

    def spied(name: str, function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            work.append(name)
            return function(*arguments)

        return call

    monkeypatch.setattr("tacita.api.submit.signature_matches", spied("hmac", signature_matches))
    monkeypatch.setattr("tacita.api.device_keys.open_device_keys", spied("open", open_device_keys))
    reading = front.door.device_keys._reading
    monkeypatch.setattr(reading, "_work", spied("read", reading._work))
    [body] = bodies_of(DEVICES[:1])

    assert front.submit(body | {"signature": "A" * 43 + "="}).status_code == 401
    of_a_wrong_signature = work.copy()
    work.clear()
    assert front.submit(envelope(sound(deviceIdHash="ff" * 32), KEY, "ff" * 32)).status_code == 401

    assert work == of_a_wrong_signature == ["read", "open", "hmac"]
