"""Format 2 (contract §2.6): the outer fields are authenticated, exactly as they were sent."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.front_door import KEY, FrontDoor, envelope, opened, sound
from tests.graphs import DEVICE, NOW

from tacita.crypto.envelope import encode_base64, seal, sign
from tacita.device.state import Device
from tacita.device.uploader import seal_submission
from tacita.protocol.graph import LearningGraph

ACCEPTED = b'{"status":"accepted","next_model_version":"granite-3b-v2","message":"Graph received and validated"}'
FAILED = (400, b'{"detail":"Decryption failed"}')


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        door.enrol()
        yield door


def sealed_to(timestamp: str, bound: str | None = None) -> bytes:
    """Return a format 2 body whose timestamp is written as the given JSON token."""
    data = bound if bound is not None else f"tacita/2|{DEVICE}|1.4.0|granite-3b-v1|{timestamp}"
    sealed = seal(KEY, json.dumps(sound()).encode(), data.encode())
    outer = {
        "deviceIdHash": DEVICE,
        "appVersion": "1.4.0",
        "modelVersion": "granite-3b-v1",
        "encryptedData": encode_base64(sealed),
        "signature": sign(KEY, sealed),
        "format": 2,
    }
    return json.dumps(outer).encode()[:-1] + f', "timestamp": {timestamp}}}'.encode()


@pytest.mark.parametrize(
    "timestamp",
    ["817214280", "817214280.50", "8.1721428e8", '"2026-11-24T11:58:00Z"', '"2026-11-24T11:58:00.0+00:00"'],
)
def test_the_timestamp_is_authenticated_as_the_text_that_was_sent(front: FrontDoor, timestamp: str) -> None:
    answer = front.submit(sealed_to(timestamp))

    assert (answer.status_code, answer.content) == (200, ACCEPTED)


def test_the_same_moment_written_otherwise_does_not_open(front: FrontDoor) -> None:
    answer = front.submit(sealed_to("817214280.50").replace(b"817214280.50", b"817214280.5"))

    assert (answer.status_code, answer.content) == FAILED


@pytest.mark.parametrize(
    ("field", "value"), [("appVersion", "9.9"), ("modelVersion", "granite-3b-v9"), ("timestamp", 817214281)]
)
def test_a_changed_outer_field_does_not_open(front: FrontDoor, field: str, value: Any) -> None:
    body = json.loads(sealed_to("817214280"))

    answer = front.submit(body | {field: value})

    assert (answer.status_code, answer.content) == FAILED


def test_an_accepted_graph_is_no_retry_under_changed_outer_fields(front: FrontDoor) -> None:
    body = json.loads(sealed_to("817214280"))
    assert front.submit(body).status_code == 200

    again, changed = front.submit(body), front.submit(body | {"appVersion": "9.9"})

    assert again.json()["message"] == "Graph received and validated before"
    assert (changed.status_code, changed.content) == FAILED


def test_format_2_cannot_be_stripped_off(front: FrontDoor) -> None:
    body = json.loads(sealed_to("817214280"))
    del body["format"]

    answer = front.submit(body)

    assert (answer.status_code, answer.content) == FAILED


def test_format_2_cannot_be_put_on(front: FrontDoor) -> None:
    answer = front.submit(envelope(sound()) | {"format": 2})

    assert (answer.status_code, answer.content) == FAILED


def test_the_quotes_of_a_text_timestamp_are_part_of_what_was_sent(front: FrontDoor) -> None:
    bound = f"tacita/2|{DEVICE}|1.4.0|granite-3b-v1|2026-11-24T11:58:00Z"

    answer = front.submit(sealed_to('"2026-11-24T11:58:00Z"', bound))

    assert (answer.status_code, answer.content) == FAILED


@pytest.mark.parametrize("unknown", [0, 1, 3, 2.5, "2", None, True, [2]])
def test_an_unknown_format_is_named(front: FrontDoor, unknown: Any) -> None:
    answer = front.submit(envelope(sound()) | {"format": unknown})

    assert (answer.status_code, answer.content) == (422, b'{"detail":"Malformed envelope: format"}')


def test_the_reference_device_writes_format_2(front: FrontDoor) -> None:
    device = Device("made up", KEY, NOW)
    front.enrol(device=device.id_hash)
    graph = msgspec.convert(sound(device=device.id_hash), LearningGraph)

    answer = front.submit(seal_submission(device, graph, NOW, wire_format=2))

    assert (answer.status_code, answer.content) == (200, ACCEPTED)
