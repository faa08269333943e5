"""Another key for an enrolled device: contract §5.3. Nothing that was recorded once puts an old key back."""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.front_door import ENROL, KEY, FrontDoor, envelope, opened, sound

from tacita.crypto.hpke import SUITES, X25519_SUITE, XWING_SUITE

SECOND, THIRD = bytes(range(32, 64)), bytes(range(64, 96))
OTHER_DEVICE = "cd" * 32


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        door.enrol()
        yield door


def proved(front: FrontDoor, new: bytes, by: bytes, suite: str = X25519_SUITE, **changes: Any) -> dict[str, Any]:
    body = front.enrolment(new, suite=suite, **changes)
    proof = hmac.digest(by, base64.b64decode(body["sealedKey"]), hashlib.sha256)
    return body | {"proof": base64.b64encode(proof).decode()}


def working(front: FrontDoor) -> list[bytes]:
    """Return which of the keys the server accepts submissions under."""
    return [key for key in (KEY, SECOND, THIRD) if front.submit(envelope(sound(), key=key)).status_code == 200]


def refused(answer: httpx.Response, front: FrontDoor) -> list[str]:
    """Return the counted reasons of a refused re-key."""
    assert answer.status_code == 409
    return [reason for (reason,) in front.rows("SELECT reason FROM refusals WHERE reason <> 'wrong_signature'")]


def test_another_key_without_proof_is_a_conflict(front: FrontDoor) -> None:
    answer = front.post(ENROL, front.enrolment(SECOND))

    assert refused(answer, front) == ["other_key_enrolled"]
    assert working(front) == [KEY]


@pytest.mark.parametrize("suite", SUITES)
def test_another_key_with_proof_of_the_old_one_takes_its_place_under_either_suite(front: FrontDoor, suite: str) -> None:
    answer = front.post(ENROL, proved(front, SECOND, by=KEY, suite=suite))

    assert (answer.status_code, answer.content) == (200, b'{"status":"enrolled"}')
    assert working(front) == [SECOND]


def test_a_device_may_change_its_key_again_and_again(front: FrontDoor) -> None:
    first = front.post(ENROL, proved(front, SECOND, by=KEY))
    second = front.post(ENROL, proved(front, THIRD, by=SECOND, suite=XWING_SUITE))

    assert (first.status_code, second.status_code) == (200, 200)
    assert working(front) == [THIRD]


@pytest.mark.parametrize("by", [SECOND, THIRD], ids=["the new key", "a strange key"])
def test_a_proof_by_any_key_but_the_present_one_is_a_conflict(front: FrontDoor, by: bytes) -> None:
    answer = front.post(ENROL, proved(front, SECOND, by=by))

    assert refused(answer, front) == ["other_key_enrolled"]
    assert working(front) == [KEY]


def test_a_proof_over_another_sealed_key_is_a_conflict(front: FrontDoor) -> None:
    proof = proved(front, SECOND, by=KEY)["proof"]

    answer = front.post(ENROL, front.enrolment(SECOND) | {"proof": proof})

    assert refused(answer, front) == ["other_key_enrolled"]


@pytest.mark.parametrize("proof", ["", "AAAA", "\u00e9", "\ud83d\ude00"])
def test_a_proof_that_is_none_is_a_conflict(front: FrontDoor, proof: str) -> None:
    answer = front.post(ENROL, front.enrolment(SECOND) | {"proof": proof})

    assert refused(answer, front) == ["other_key_enrolled"]


def test_a_proof_does_not_serve_another_device(front: FrontDoor) -> None:
    front.enrol(KEY, OTHER_DEVICE)
    body = proved(front, SECOND, by=KEY)

    answer = front.post(ENROL, body | {"deviceIdHash": OTHER_DEVICE})

    assert answer.status_code == 400


def test_the_first_enrolment_sent_again_after_a_re_key_does_not_put_the_old_key_back(front: FrontDoor) -> None:
    recorded = front.enrolment(KEY)
    front.post(ENROL, proved(front, SECOND, by=KEY))

    answer = front.post(ENROL, recorded)

    assert refused(answer, front) == ["other_key_enrolled"]
    assert working(front) == [SECOND]


def test_a_re_key_sent_again_after_the_next_one_does_not_put_its_key_back(front: FrontDoor) -> None:
    recorded = proved(front, SECOND, by=KEY)
    front.post(ENROL, recorded)
    front.post(ENROL, proved(front, THIRD, by=SECOND))

    answer = front.post(ENROL, recorded)

    assert refused(answer, front) == ["other_key_enrolled"]
    assert working(front) == [THIRD]


def test_a_device_cannot_go_back_to_a_key_that_it_replaced(front: FrontDoor) -> None:
    front.post(ENROL, proved(front, SECOND, by=KEY))

    answer = front.post(ENROL, proved(front, KEY, by=SECOND))

    assert refused(answer, front) == ["former_key"]
    assert working(front) == [SECOND]


def test_a_re_key_sent_again_at_once_is_answered_like_the_first_time(front: FrontDoor) -> None:
    body = proved(front, SECOND, by=KEY)
    front.post(ENROL, body)

    answer = front.post(ENROL, body)

    assert (answer.status_code, answer.content) == (200, b'{"status":"enrolled"}')


def test_nodes_counted_under_the_old_key_do_not_count_again_under_the_new_one(front: FrontDoor) -> None:
    front.submit(envelope(sound(nodes=20)))
    front.post(ENROL, proved(front, SECOND, by=KEY))

    front.submit(envelope(sound(nodes=20), key=SECOND))

    assert [counts.nodes for counts in front.counted()] == [20]
