"""Enrolment: contract §5.1 to §5.3."""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.front_door import ENROL, KEY, FrontDoor, envelope, opened, sound

OTHER_KEY = bytes(range(32, 64))


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        yield door


def test_the_server_offers_its_public_key_with_the_suite_of_the_contract(front: FrontDoor) -> None:
    [offered] = front.get("/api/v1/keys").json()["keys"]

    assert offered["suite"] == "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM"
    assert (offered["status"], offered["not_after"], len(base64.b64decode(offered["public_key"]))) == (
        "active",
        None,
        32,
    )


def test_a_new_device_is_enrolled(front: FrontDoor) -> None:
    answer = front.post(ENROL, front.enrolment())

    assert (answer.status_code, answer.content) == (201, b'{"status":"enrolled"}')


def test_the_same_key_again_answers_200_with_the_same_body(front: FrontDoor) -> None:
    front.enrol()

    answer = front.post(ENROL, front.enrolment())

    assert (answer.status_code, answer.content) == (200, b'{"status":"enrolled"}')


def test_another_key_without_proof_is_a_conflict(front: FrontDoor) -> None:
    front.enrol()

    answer = front.post(ENROL, front.enrolment(OTHER_KEY))

    assert answer.status_code == 409


def test_another_key_with_proof_of_the_old_one_takes_its_place(front: FrontDoor) -> None:
    front.enrol()
    body = front.enrolment(OTHER_KEY)
    sealed = base64.b64decode(body["sealedKey"])
    proof = base64.b64encode(hmac.digest(KEY, sealed, hashlib.sha256)).decode()

    answer = front.post(ENROL, body | {"proof": proof})

    assert answer.status_code == 200
    assert front.submit(envelope(sound(), key=OTHER_KEY)).status_code == 200
    assert front.submit(envelope(sound(), key=KEY)).status_code == 401


def test_nodes_counted_under_the_old_key_do_not_count_again_under_the_new_one(front: FrontDoor) -> None:
    front.enrol()
    front.submit(envelope(sound(nodes=20)))
    body = front.enrolment(OTHER_KEY)
    proof = hmac.digest(KEY, base64.b64decode(body["sealedKey"]), hashlib.sha256)
    front.post(ENROL, body | {"proof": base64.b64encode(proof).decode()})

    front.submit(envelope(sound(nodes=20), key=OTHER_KEY))

    assert [counts.nodes for counts in front.counted()] == [20]


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
