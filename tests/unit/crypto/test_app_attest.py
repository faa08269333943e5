"""Apple App Attest (contract §5.4): Apple's own sample, and every step that can fail, on a chain of our own."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from fido2 import cbor
from tests import app_attest_sample as sample
from tests.app_attest import APP_ID, Apple
from tests.graphs import NOW

from tacita.crypto.app_attest import MAX_OBJECT_BYTES, AppAttest, client_data_hash
from tacita.crypto.errors import AttestationRefused, KeyringError
from tacita.protocol.refusals import Refusal

APPLE = Apple()
DATA_HASH = client_data_hash("ab" * 32, "AAAA")
OURS = AppAttest(frozenset({APP_ID, "ABCDE12345.com.example.other"}), "production", APPLE.root.certificate)
APPLES = AppAttest.demanding(frozenset({sample.APP_ID}), "production", None)
SAMPLE_DAY = datetime(2026, 4, 21, 18, 13, tzinfo=UTC)


def refusal(key_id: bytes, made: bytes, demanded: AppAttest = OURS, now: datetime = NOW) -> Refusal:
    with pytest.raises(AttestationRefused) as caught:
        demanded.verify(key_id, made, DATA_HASH, now)
    return caught.value.reason


def test_apples_own_sample_verifies_under_apples_root() -> None:
    APPLES.verify(sample.KEY_ID, sample.attestation_object(), sample.DATA_HASH, SAMPLE_DAY)


def test_the_root_that_we_ship_is_apples() -> None:
    fingerprint = APPLES.root.fingerprint(hashes.SHA256()).hex()

    assert fingerprint == "1cb9823ba28ba6ad2d33a006941de2ae4f513ef1d4e831b9f7e0fa7b6242c932"


def test_apples_sample_does_not_verify_after_its_certificates_three_days() -> None:
    with pytest.raises(AttestationRefused) as caught:
        APPLES.verify(sample.KEY_ID, sample.attestation_object(), sample.DATA_HASH, SAMPLE_DAY + timedelta(days=3))

    assert caught.value.reason is Refusal.ATTESTATION_UNTRUSTED


def test_an_attestation_of_our_own_chain_verifies() -> None:
    OURS.verify(*APPLE.attest(DATA_HASH), DATA_HASH, NOW)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"app_id": "ABCDE12345.com.example.assistant2"}, Refusal.ATTESTATION_OTHER_APP),
        ({"aaguid": b"appattestdevelop"}, Refusal.ATTESTATION_OTHER_ENVIRONMENT),
        ({"counter": 1}, Refusal.ATTESTATION_KEY_USED),
        ({"credential_id": bytes(32)}, Refusal.ATTESTATION_OTHER_KEY),
        ({"credential_id": b""}, Refusal.ATTESTATION_OTHER_KEY),
        ({"made_at": NOW - timedelta(days=3)}, Refusal.ATTESTATION_UNTRUSTED),
        ({"made_at": NOW + timedelta(days=2)}, Refusal.ATTESTATION_UNTRUSTED),
        ({"chain": []}, Refusal.ATTESTATION_UNTRUSTED),
        ({"fmt": "apple"}, Refusal.ATTESTATION_MALFORMED),
        ({"nonce_prefix": "3024a2220420"}, Refusal.ATTESTATION_NOT_BOUND),
        ({"nonce_prefix": ""}, Refusal.ATTESTATION_NOT_BOUND),
    ],
)
def test_each_step_refuses_with_its_reason(wrong: dict[str, Any], reason: Refusal) -> None:
    key_id, made = APPLE.attest(DATA_HASH, **wrong)

    assert refusal(key_id, made) is reason


def test_an_attestation_over_something_else_is_not_bound() -> None:
    key_id, made = APPLE.attest(client_data_hash("ab" * 32, "AAAB"))

    assert refusal(key_id, made) is Refusal.ATTESTATION_NOT_BOUND


def test_another_keys_id_is_refused() -> None:
    _, made = APPLE.attest(DATA_HASH)

    assert refusal(bytes(32), made) is Refusal.ATTESTATION_OTHER_KEY


def test_another_authoritys_chain_is_not_trusted() -> None:
    key_id, made = Apple().attest(DATA_HASH)

    assert refusal(key_id, made) is Refusal.ATTESTATION_UNTRUSTED


def test_a_chain_whose_intermediate_is_another_authoritys_is_not_trusted() -> None:
    key_id, made = Apple().attest(DATA_HASH, chain=[APPLE.intermediate.certificate])

    assert refusal(key_id, made) is Refusal.ATTESTATION_UNTRUSTED


@pytest.mark.parametrize(
    "made",
    [
        b"",
        b"\xff",
        b"\x9b" + b"\xff" * 8,
        b"\x81" * 12_000,
        cbor.encode([]),
        cbor.encode({"fmt": "apple-appattest", "attStmt": {"x5c": []}}),
        cbor.encode({"fmt": "apple-appattest", "attStmt": {"x5c": ["text"]}, "authData": b""}),
        bytes(MAX_OBJECT_BYTES + 1),
    ],
    ids=["empty", "no type", "a huge array", "deep", "an array", "without authData", "no certificates", "too long"],
)
def test_what_is_no_attestation_object_is_malformed(made: bytes) -> None:
    assert refusal(bytes(32), made) is Refusal.ATTESTATION_MALFORMED


def test_an_attestation_without_certificates_is_not_trusted() -> None:
    made = cbor.encode({"fmt": "apple-appattest", "attStmt": {"x5c": []}, "authData": b""})

    assert refusal(bytes(32), made) is Refusal.ATTESTATION_UNTRUSTED


def test_a_changed_bit_of_the_certificate_or_of_the_authenticator_data_is_refused() -> None:
    key_id, made = APPLE.attest(DATA_HASH)
    parts: Any = cbor.decode(made)
    rng = random.Random(5)

    for part in (parts["attStmt"]["x5c"][0], parts["authData"]):
        start = made.index(part)
        for position in rng.sample(range(start, start + len(part)), 20):
            changed = made[:position] + bytes([made[position] ^ (1 << rng.randrange(8))]) + made[position + 1 :]
            with pytest.raises(AttestationRefused):
                OURS.verify(key_id, changed, DATA_HASH, NOW)


def test_a_root_that_is_no_certificate_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text("root")

    with pytest.raises(KeyringError, match="does not hold a certificate"):
        AppAttest.demanding(frozenset(), "production", tmp_path / "root.pem")


def test_an_own_root_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(APPLE.root.certificate.public_bytes(Encoding.PEM))

    demanded = AppAttest.demanding(frozenset({APP_ID}), "production", tmp_path / "root.pem")

    demanded.verify(*APPLE.attest(DATA_HASH), DATA_HASH, NOW)
