"""The answers of contract §2.7, byte for byte, and what a refusal leaves behind."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from tests.front_door import KEY, FrontDoor, envelope, opened, sound
from tests.graphs import DEVICE, NOW

from tacita.crypto.envelope import decode_base64, sign
from tacita.privacy.policy import BUDGET_CAP
from tacita.store.sealing import ledger_tag


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        door.enrol()
        yield door


def test_a_retry_is_told_apart_by_its_message_only(front: FrontDoor) -> None:
    body = envelope(sound())
    first = front.submit(body)

    again = front.submit(body)

    assert (again.status_code, again.json() | {"message": ""}) == (200, first.json() | {"message": ""})
    assert again.json()["message"] == "Graph received and validated before"


def test_a_retry_does_not_count_twice(front: FrontDoor) -> None:
    body = envelope(sound(nodes=20))

    for _ in range(3):
        front.submit(body)

    assert [counts.nodes for counts in front.counted()] == [20]


def test_repeated_nodes_of_a_later_upload_do_not_count_twice(front: FrontDoor) -> None:
    earlier, later = sound(1, 20), sound(2, 10)
    front.submit(envelope(earlier))
    both = later | {"nodes": earlier["nodes"] + later["nodes"]}
    both["aggregateMetrics"] = both["aggregateMetrics"] | {"totalInteractions": 30}

    front.submit(envelope(both))

    assert [counts.nodes for counts in front.counted()] == [30]


def test_the_hundred_node_limit_holds_for_all_graphs_of_a_round_together(front: FrontDoor) -> None:
    for seed in range(3):
        assert front.submit(envelope(sound(seed, 60))).status_code == 200

    assert [counts.nodes for counts in front.counted()] == [100]


def test_what_does_not_open_fails_to_decrypt(front: FrontDoor) -> None:
    body = envelope(sound(), key=bytes(32))

    answer = front.submit(body | {"signature": sign(KEY, decode_base64(body["encryptedData"]))})

    assert (answer.status_code, answer.content) == (400, b'{"detail":"Decryption failed"}')


@pytest.mark.parametrize("plain", [b"", b"no json", b"[]", b'{"nodes":[]}', b"\xff\xfe"])
def test_what_opens_but_is_no_graph_is_malformed(front: FrontDoor, plain: bytes) -> None:
    answer = front.submit(envelope(plain))

    assert (answer.status_code, answer.content) == (400, b'{"detail":"Malformed learning graph"}')


def test_an_unknown_device_and_a_wrong_signature_look_alike(front: FrontDoor) -> None:
    unknown = front.submit(envelope(sound(device="cd" * 32), device="cd" * 32))
    wrong = front.submit(envelope(sound(), signature="A" * 43 + "="))

    for answer in (unknown, wrong):
        assert (answer.status_code, answer.content) == (401, b'{"detail":"Invalid signature"}')
    assert unknown.headers == wrong.headers


def test_an_unknown_key_is_refused_without_repeating_it(front: FrontDoor) -> None:
    plain = sound(secretDiary="dear diary")

    answer = front.submit(envelope(plain))

    assert answer.status_code == 403
    assert answer.json()["violations"][0]["rule"] == "unknown_field"
    assert b"iary" not in answer.content


def test_a_graph_of_another_device_is_refused(front: FrontDoor) -> None:
    answer = front.submit(envelope(sound(device="cd" * 32)))

    assert (answer.status_code, answer.content) == (
        403,
        b'{"detail":"Privacy violation detected","violations":[{"rule":"device_mismatch","field":"deviceIdHash"}]}',
    )


def test_a_body_over_one_mebibyte_is_too_large(front: FrontDoor) -> None:
    answer = front.submit(b" " * ((1 << 20) + 1))

    assert (answer.status_code, answer.content) == (413, b'{"detail":"Body over 1 MiB"}')


@pytest.mark.parametrize("missing", ["deviceIdHash", "appVersion", "modelVersion", "encryptedData", "signature"])
def test_a_missing_key_of_the_envelope_is_named(front: FrontDoor, missing: str) -> None:
    body = envelope(sound())
    del body[missing]

    answer = front.submit(body)

    assert (answer.status_code, answer.json()) == (422, {"detail": f"Malformed envelope: {missing}"})


def test_an_unknown_key_of_the_envelope_is_never_echoed(front: FrontDoor) -> None:
    answer = front.submit(envelope(sound()) | {"hunter2": 1})

    assert (answer.status_code, answer.content) == (422, b'{"detail":"Malformed envelope: body"}')


def test_a_spent_budget_answers_429_with_the_date_of_the_next_round(front: FrontDoor) -> None:
    tag = ledger_tag(front.door.ledger_key, bytes.fromhex(DEVICE))
    with psycopg.connect(front.dsn) as connection:
        connection.execute(
            "INSERT INTO ledger (entry, tag, round, nano_rho, charged_at, chain) VALUES (1, %s, 1, %s, %s, %s)",
            [tag, BUDGET_CAP, NOW - timedelta(days=364), bytes(32)],
        )

    answer = front.submit(envelope(sound()))

    assert (answer.status_code, answer.content) == (
        429,
        b'{"detail":"Privacy budget spent; next eligible 2026-11-25"}',
    )
    assert 86_400 <= int(answer.headers["Retry-After"]) <= 86_401


def test_an_unreachable_store_answers_503_and_accepts_nothing(front: FrontDoor) -> None:
    with psycopg.connect(front.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE accepted_envelopes RENAME TO elsewhere")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        front.runner.run(front.door.pool.close())

    answer = front.submit(envelope(sound()))

    assert (answer.status_code, answer.json()) == (503, {"detail": "Store not reachable; nothing was accepted"})
    assert answer.headers["Retry-After"] == "5"


def test_every_refusal_is_counted_by_reason_and_app_version(front: FrontDoor) -> None:
    front.submit(envelope(sound(), signature="A" * 43 + "=", appVersion="2.0"))
    front.submit(envelope(sound(), signature="A" * 43 + "=", appVersion="2.0"))
    front.submit(envelope(b"no json"))
    front.submit(envelope(sound(lastUpdatedAt=0)))
    front.submit(b"{")

    rows = front.rows("SELECT reason, app_version, refused FROM refusals ORDER BY reason")

    assert rows == [
        ("malformed_body", "unknown", 1),
        ("malformed_graph", "1.4.0", 1),
        ("stale_graph", "1.4.0", 1),
        ("wrong_signature", "2.0", 2),
    ]


def test_a_refused_graph_leaves_nothing_behind_but_its_counter(front: FrontDoor) -> None:
    front.submit(envelope(json.dumps(sound(lastUpdatedAt=0)).encode()))

    left = front.rows("SELECT (SELECT count(*) FROM contributions), (SELECT count(*) FROM accepted_envelopes)")

    assert left == [(0, 0)]
