"""Enrolment where the operator demands App Attest (contract §5.4): genuine apps get in, everything else is counted."""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.app_attest import APP_ID, Apple
from tests.front_door import ENROL, KEY, FrontDoor, opened

from tacita import config
from tacita.config import ConfigError
from tacita.crypto.app_attest import AppAttest

APPLE = Apple()
OTHER_KEY = bytes(range(32, 64))


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        door.door.app_attest = AppAttest(frozenset({APP_ID}), "production", APPLE.root.certificate)
        yield door


def attested(body: dict[str, Any], **wrong: Any) -> dict[str, Any]:
    """Return an enrolment with an attestation as an app makes it: over the device's hash and the sealed key's text."""
    data = f"tacita/attest/1|{body['deviceIdHash']}|{body['sealedKey']}".encode()
    key_id, made = APPLE.attest(hashlib.sha256(data).digest(), **wrong)
    given = {"keyId": base64.b64encode(key_id).decode(), "attestationObject": base64.b64encode(made).decode()}
    return body | {"attestation": given}


def refused(front: FrontDoor, answer: httpx.Response, detail: str, reason: str, status: int = 403) -> None:
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})
    assert front.rows("SELECT reason, app_version, refused FROM refusals") == [(reason, "1.4.0", 1)]
    assert front.rows("SELECT count(*) FROM devices") == [(0,)]


def test_an_attested_enrolment_is_taken(front: FrontDoor) -> None:
    assert front.post(ENROL, attested(front.enrolment())).status_code == 201


def test_without_an_attestation_enrolment_is_refused(front: FrontDoor) -> None:
    answer = front.post(ENROL, front.enrolment())

    refused(front, answer, "Attestation required", "attestation_missing")


@pytest.mark.parametrize("given", [{}, {"keyId": "AAAA"}, {"keyId": 1, "attestationObject": "AAAA"}])
def test_an_attestation_without_its_fields_is_a_malformed_envelope(front: FrontDoor, given: dict[str, Any]) -> None:
    answer = front.post(ENROL, front.enrolment() | {"attestation": given})

    assert (answer.status_code, answer.json()) == (422, {"detail": "Malformed envelope: attestation"})


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"app_id": "ABCDE12345.com.example.evil"}, "attestation_other_app"),
        ({"counter": 7}, "attestation_key_used"),
        ({"aaguid": b"appattestdevelop"}, "attestation_other_environment"),
        ({"chain": []}, "attestation_untrusted"),
    ],
)
def test_an_attestation_that_shows_something_else_is_counted_by_what_it_lacks(
    front: FrontDoor, wrong: dict[str, Any], reason: str
) -> None:
    answer = front.post(ENROL, attested(front.enrolment(), **wrong))

    refused(front, answer, "Attestation refused", reason)


def test_an_attestation_cannot_be_moved_to_another_key_or_device(front: FrontDoor) -> None:
    recorded = attested(front.enrolment())["attestation"]

    answer = front.post(ENROL, front.enrolment(OTHER_KEY) | {"attestation": recorded})

    refused(front, answer, "Attestation refused", "attestation_not_bound")
    assert front.post(ENROL, front.enrolment(device="cd" * 32) | {"attestation": recorded}).status_code == 403


def test_the_very_same_body_again_changes_nothing(front: FrontDoor) -> None:
    body = attested(front.enrolment())
    front.post(ENROL, body)

    assert front.post(ENROL, body).status_code == 200


def test_a_re_key_needs_an_attestation_beside_its_proof(front: FrontDoor) -> None:
    front.post(ENROL, attested(front.enrolment()))
    body = front.enrolment(OTHER_KEY)
    proof = base64.b64encode(hmac.digest(KEY, base64.b64decode(body["sealedKey"]), hashlib.sha256)).decode()

    bare = front.post(ENROL, body | {"proof": proof})
    full = front.post(ENROL, attested(body) | {"proof": proof})

    assert (bare.status_code, full.status_code) == (403, 200)


def test_an_attestation_does_not_stand_for_a_proof(front: FrontDoor) -> None:
    front.post(ENROL, attested(front.enrolment()))

    assert front.post(ENROL, attested(front.enrolment(OTHER_KEY))).status_code == 409


def test_where_none_is_demanded_an_attestation_is_not_looked_at(front: FrontDoor) -> None:
    front.door.app_attest = None

    assert front.post(ENROL, front.enrolment() | {"attestation": {"any": "thing"}}).status_code == 201


def _configured(folder: Path, settings: str) -> AppAttest | None:
    (folder / config.CONFIG_NAME).write_text(settings)
    return config.load(folder).app_attest()


def test_the_operators_settings_say_what_is_demanded(tmp_path: Path) -> None:
    demanded = _configured(tmp_path, f'attestation = "required"\nattestation_app_ids = ["{APP_ID}"]\n')

    assert demanded is not None
    assert (demanded.app_ids, demanded.environment) == (frozenset({APP_ID}), "production")
    assert "Apple App Attestation Root CA" in demanded.root.subject.rfc4514_string()
    assert _configured(tmp_path, "") is None


@pytest.mark.parametrize("settings", ['attestation = "required"\n', 'attestation_app_ids = ["com.example"]\n'])
def test_settings_that_name_no_app_are_wrong(tmp_path: Path, settings: str) -> None:
    with pytest.raises(ConfigError, match="attestation"):
        _configured(tmp_path, settings)
