"""Enrolment: contract §5.1 to §5.3."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.front_door import ENROL, KEY, FrontDoor, envelope, opened, sound

from tacita.crypto.hpke import SUITES


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        yield door


def test_the_server_offers_a_key_of_each_suite_of_the_contract(front: FrontDoor) -> None:
    offered = front.get("/api/v1/keys").json()["keys"]

    assert [(key["suite"], len(base64.b64decode(key["public_key"]))) for key in offered] == [
        ("DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM", 32),
        ("X-Wing, HKDF-SHA256, AES-256-GCM", 1_216),
    ]
    assert {(key["status"], key["not_after"]) for key in offered} == {("active", None)}


@pytest.mark.parametrize("suite", SUITES)
def test_a_key_wrapped_under_either_suite_is_enrolled(front: FrontDoor, suite: str) -> None:
    answer = front.post(ENROL, front.enrolment(suite=suite))

    assert (answer.status_code, front.submit(envelope(sound())).status_code) == (201, 200)


def test_a_key_wrapped_under_the_other_suites_key_does_not_open(front: FrontDoor) -> None:
    [_, xwing] = front.get("/api/v1/keys").json()["keys"]

    answer = front.post(ENROL, front.enrolment() | {"key_id": xwing["key_id"]})

    assert (answer.status_code, answer.json()) == (400, {"detail": "Decryption failed"})


def test_a_new_device_is_enrolled(front: FrontDoor) -> None:
    answer = front.post(ENROL, front.enrolment())

    assert (answer.status_code, answer.content) == (201, b'{"status":"enrolled"}')


def test_the_same_key_again_answers_200_with_the_same_body(front: FrontDoor) -> None:
    front.enrol()

    answer = front.post(ENROL, front.enrolment())

    assert (answer.status_code, answer.content) == (200, b'{"status":"enrolled"}')


def test_a_key_wrapped_for_another_device_does_not_open(front: FrontDoor) -> None:
    body = front.enrolment(device="cd" * 32)

    answer = front.post(ENROL, body | {"deviceIdHash": "ef" * 32})

    assert answer.status_code == 400


def test_an_unknown_server_key_is_named_as_the_wrong_field(front: FrontDoor) -> None:
    answer = front.post(ENROL, front.enrolment() | {"key_id": "00000000"})

    assert (answer.status_code, answer.json()) == (422, {"detail": "Malformed envelope: key_id"})


def test_the_device_key_lies_sealed_in_the_store(front: FrontDoor) -> None:
    front.enrol()

    [(sealed,)] = front.rows("SELECT sealed_keys FROM devices")

    assert KEY not in bytes(sealed)
