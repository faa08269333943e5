"""Every form that contract §1 and §2.3 allow is accepted; the next ones to them are not."""

import json
from collections.abc import Iterator
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from tests.front_door import KEY, FrontDoor, envelope, opened, sound
from tests.graphs import NOW

from tacita.crypto.envelope import sign_sketch

ACCEPTED = b'{"status":"accepted","next_model_version":"granite-3b-v2","message":"Graph received and validated"}'


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        door.enrol()
        yield door


DATES = {
    "apple seconds, whole": 817214280,
    "apple seconds, fractional": 817214280.123456,
    "ISO 8601 with Z": "2026-11-24T11:58:00Z",
    "ISO 8601 with a fraction": "2026-11-24T11:58:00.250Z",
    "ISO 8601 with an offset": (NOW - timedelta(minutes=2)).astimezone(timezone(timedelta(hours=2))).isoformat(),
}


@pytest.mark.parametrize("date", DATES.values(), ids=DATES.keys())
def test_every_form_of_a_date_is_accepted_wherever_one_appears(front: FrontDoor, date: float | str) -> None:
    plain = sound(createdAt=date, lastUpdatedAt=date)
    plain["nodes"][0]["timestamp"] = date

    answer = front.submit(envelope(plain, timestamp=date))

    assert (answer.status_code, answer.content) == (200, ACCEPTED)


def test_date_text_without_an_offset_in_the_graph_is_malformed(front: FrontDoor) -> None:
    answer = front.submit(envelope(sound(lastUpdatedAt="2026-11-24T11:58:00")))

    assert (answer.status_code, answer.content) == (400, b'{"detail":"Malformed learning graph"}')


def test_date_text_without_an_offset_in_the_envelope_is_malformed(front: FrontDoor) -> None:
    answer = front.submit(envelope(sound(), timestamp="2026-11-24T11:58:00"))

    assert (answer.status_code, answer.content) == (422, b'{"detail":"Malformed envelope: timestamp"}')


def test_the_sketch_form_of_the_signature_is_accepted(front: FrontDoor) -> None:
    body = envelope(sound())

    answer = front.submit(body | {"signature": sign_sketch(KEY, body["encryptedData"])})

    assert (answer.status_code, answer.content) == (200, ACCEPTED)


def test_escaped_slashes_and_any_order_of_keys_are_accepted(front: FrontDoor) -> None:
    body = envelope(json.dumps(sound()).replace("/", "\\/").encode())
    turned = json.dumps(dict(reversed(body.items()))).replace("/", "\\/").encode()

    answer = front.submit(turned)

    assert (answer.status_code, answer.content) == (200, ACCEPTED)


def _written_as(texts: dict[float, str], plain: dict[str, Any]) -> bytes:
    """Return the graph's JSON with each bucket value written as the given text."""
    written = json.dumps(plain)
    for value, text in texts.items():
        for name in ("pleasureBucket", "arousalBucket", "dominanceBucket"):
            written = written.replace(f'"{name}": {value}', f'"{name}": {text}')
    return written.encode()


def test_both_texts_of_a_float_count_into_the_same_cells(front: FrontDoor) -> None:
    expansions = {0.2: "0.20000000298023224", 0.4: "0.4000000059604645", -0.6: "-0.6000000238418579"}
    other = "cd" * 32
    front.enrol(device=other)

    short = front.submit(envelope(sound(3)))
    expanded = front.submit(envelope(_written_as(expansions, sound(3, device=other)), device=other))

    counts = front.counted()
    assert (short.status_code, expanded.status_code) == (200, 200)
    assert counts[0].to_bytes() == counts[1].to_bytes()


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_number_that_is_not_finite_is_malformed(front: FrontDoor, text: bytes) -> None:
    value = sound()
    value["aggregateMetrics"]["avgResponseTime"] = 1.75
    plain = json.dumps(value).encode().replace(b'"avgResponseTime": 1.75', b'"avgResponseTime": ' + text)

    answer = front.submit(envelope(plain))

    assert (answer.status_code, answer.content) == (400, b'{"detail":"Malformed learning graph"}')


def test_a_lower_case_uuid_is_refused_by_its_rule_and_field(front: FrontDoor) -> None:
    plain = sound()
    plain["nodes"][2]["id"] = plain["nodes"][2]["id"].lower()

    answer = front.submit(envelope(plain))

    assert (answer.status_code, answer.content) == (
        403,
        b'{"detail":"Privacy violation detected","violations":[{"rule":"not_a_uuid","field":"nodes[2].id"}]}',
    )
