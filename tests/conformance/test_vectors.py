"""Golden vectors: made again they are the same, a real server answers them so, and no refusal is without one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.front_door import FrontDoor, opened

from tacita.api.rate import RateLimit
from tacita.crypto import enrolment_keys
from tacita.crypto.envelope import decode_base64, open_sealed, signature_matches
from tacita.device.conformance import golden
from tacita.device.conformance.vectors import VectorsNotWritten, body_of, write_vectors
from tacita.protocol.refusals import Refusal, Rule

CHECKED_IN = Path(__file__).parent / "vectors"
FILES = ("enrolment.json", "formats.json", "encodings.json", "withdrawal.json", "refusals.json")
OPERATORS = {Rule.COHORT_REFUSED}
MORE_THAN_ONE_REQUEST = {Refusal.BUDGET_SPENT, Refusal.STORE_UNREACHABLE, Refusal.TOO_FAST}
ATTESTATION = {each for each in Refusal if each.value.startswith("attestation_")}
"""Reasons without a vector: an operator's decision on an app version, what no request by itself can provoke, and what
takes an operator who demands attestation. They have their tests in tests/integration.
"""


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((CHECKED_IN / name).read_bytes())
    return content


def vectors(*names: str) -> list[dict[str, Any]]:
    return [vector for name in names for vector in read(name)["vectors"]]


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        door.door.rate = RateLimit.open(tmp_path / "vectors", bytes(32), per_hour=1, burst=1_000)
        for pair in golden.SERVER_KEYS:
            enrolment_keys._put(door.door.keyring, pair)
        yield door


def answered(front: FrontDoor, vector: dict[str, Any]) -> tuple[str, int, str]:
    answer = front.post(vector["request"]["path"], body_of(vector))
    return vector["name"], answer.status_code, answer.text


def expected(vector: dict[str, Any]) -> tuple[str, int, str]:
    return vector["name"], vector["answer"]["status"], vector["answer"]["body"]


def test_made_again_the_vectors_are_those_checked_in(tmp_path: Path) -> None:
    written = write_vectors(tmp_path / "new")

    assert {path.name: path.read_bytes() for path in written} == {
        path.name: path.read_bytes() for path in CHECKED_IN.glob("*.json")
    }


def test_a_folder_that_cannot_be_made_is_told() -> None:
    with pytest.raises(VectorsNotWritten, match="cannot hold the vectors"):
        write_vectors(Path("/proc/vectors"))


@pytest.mark.parametrize("name", FILES)
def test_the_real_server_answers_every_vector_byte_for_byte(front: FrontDoor, name: str) -> None:
    front.post("/api/v1/devices/enroll", body_of(read("enrolment.json")["vectors"][0]))
    played = vectors(name)[1:] if name == "enrolment.json" else vectors(name)

    assert [answered(front, vector) for vector in played] == [expected(vector) for vector in played]


def test_the_withdrawal_that_is_shown_is_answered_with_a_receipt(front: FrontDoor) -> None:
    front.post("/api/v1/devices/enroll", body_of(read("enrolment.json")["vectors"][0]))
    shown = read("withdrawal.json")["withdrawal"]

    answer = front.post(shown["path"], shown["body"].encode())

    assert answer.status_code == 200
    assert answer.json()["receipt"]["device_id_hash"] == golden.DEVICE


def test_a_new_device_is_enrolled_by_the_first_vector(front: FrontDoor) -> None:
    first = vectors("enrolment.json")[0]

    assert answered(front, first) == expected(first)


@pytest.mark.parametrize("wrap", golden.wraps().values(), ids=golden.wraps().keys())
def test_every_committed_wrap_opens_to_its_device_key(wrap: golden.Wrap) -> None:
    pairs = {pair.key_id: pair for pair in golden.SERVER_KEYS}

    opened_key = pairs[wrap.key_id].unwrap(decode_base64(wrap.sealed_key), wrap.device_id_hash)

    assert opened_key.hex() == wrap.device_key


def test_what_a_vector_says_it_is_made_of_is_what_its_body_holds() -> None:
    for vector in vectors("formats.json", "encodings.json"):
        body, sealing = json.loads(body_of(vector)), vector["sealing"]
        sealed = decode_base64(body["encryptedData"])
        if vector["answer"]["status"] != 200:
            continue

        bound = None if sealing["associated_data"] is None else sealing["associated_data"].encode()

        assert open_sealed(golden.KEY, sealed, bound).decode() == sealing["plaintext"]
        assert sealed[:12].hex() == sealing["nonce_hex"]
        assert signature_matches(golden.KEY, sealed, body["encryptedData"], body["signature"])


def test_every_rule_has_a_vector() -> None:
    shown = {
        violation["rule"]
        for vector in vectors(*FILES)
        for violation in json.loads(vector["answer"]["body"]).get("violations", [])
    }

    assert shown == {rule.value for rule in {*Rule} - OPERATORS}


def test_every_reason_that_one_request_can_provoke_is_provoked(front: FrontDoor) -> None:
    for vector in vectors(*FILES):
        front.post(vector["request"]["path"], body_of(vector))

    counted = {reason for (reason,) in front.rows("SELECT DISTINCT reason FROM refusals")}

    assert counted == {each.value for each in {*Rule, *Refusal} - OPERATORS - MORE_THAN_ONE_REQUEST - ATTESTATION}


def test_every_vector_has_a_name_of_its_own() -> None:
    names = [vector["name"] for vector in vectors(*FILES)]

    assert sorted(set(names)) == sorted(names)


def test_no_answer_repeats_what_was_sent() -> None:
    from tacita.device.conformance.refusals import CANARY

    assert CANARY not in "".join(vector["answer"]["body"] for vector in vectors(*FILES))
