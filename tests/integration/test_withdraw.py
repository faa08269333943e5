"""Withdrawing a device (contract §5.5): what is erased, what the receipt says, and what can't be done twice."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests.faults import Crash, Fault, Faults, end_backend, raise_crash
from tests.front_door import KEY, FrontDoor, envelope, opened, sound
from tests.graphs import DEVICE, NOW
from tests.walk import SIZE, Walk

from tacita.crypto.envelope import sign
from tacita.crypto.keyring import Keyring
from tacita.crypto.receipts import WrongReceiptSignature, obtain
from tacita.device import withdrawal
from tacita.device.withdrawal import ReceiptError
from tacita.models import trust
from tacita.privacy import policy
from tacita.protocol.dates import apple_seconds
from tacita.protocol.receipt import Receipt
from tacita.rounds import close, janitor, release
from tacita.store.rounds import State

WITHDRAW = "/api/v1/devices/withdraw"


@pytest.fixture
def front(database: str, tmp_path: Path) -> Iterator[FrontDoor]:
    with opened(database, tmp_path) as door:
        yield door


@pytest.fixture
def walk(front: FrontDoor, tmp_path: Path) -> Walk:
    """Return a driver's tools on the same deployment."""
    for role, secret in trust.generate_role_keys().items():
        front.door.keyring.put(f"tuf-{role}", secret)
    return Walk(front.dsn, tmp_path)


def request(when: datetime = NOW, device: str = DEVICE, key: bytes = KEY, **changes: Any) -> dict[str, Any]:
    seconds = apple_seconds(when)
    text = f"tacita/withdraw/1|{device}|{json.dumps(seconds)}"
    return {"deviceIdHash": device, "timestamp": seconds, "signature": sign(key, text.encode())} | changes


def name(number: int) -> str:
    return f"{number:064x}"


def contribute(front: FrontDoor, device: str = DEVICE, seed: int = 0) -> None:
    front.enrol(device=device)
    assert front.submit(envelope(sound(seed, device=device), device=device)).status_code == 200


def left(front: FrontDoor, device: str = DEVICE) -> tuple[bool, int, int, int]:
    """Return whether a device is enrolled, how many envelopes it has; the contributions, and their count."""
    enrolled = [bytes(row[0]).hex() for row in front.rows("SELECT device FROM devices")]
    envelopes = [bytes(row[0]).hex() for row in front.rows("SELECT device FROM accepted_envelopes")]
    [(rows, counted)] = front.rows(
        "SELECT (SELECT count(*) FROM contributions), (SELECT coalesce(sum(devices), 0)::int FROM round_devices)"
    )
    return device in enrolled, envelopes.count(device), rows, counted


def receipt_of(front: FrontDoor, answer: httpx.Response) -> Receipt:
    """Verify an answer's receipt with the published key."""
    assert answer.status_code == 200, answer.text
    pem = front.get("/api/v1/receipt-key").json()["pem"]
    return withdrawal.verified(answer.content, pem.encode())


def test_a_withdrawal_erases_keys_envelopes_and_the_contribution_and_says_so_in_a_signed_receipt(
    front: FrontDoor,
) -> None:
    contribute(front, name(1), seed=1)
    contribute(front)

    receipt = receipt_of(front, front.post(WITHDRAW, request()))

    assert left(front) == (False, 0, 1, 1)
    assert left(front, name(1)) == (True, 1, 1, 1)
    assert (receipt.device_id_hash, receipt.erased.contributions_to_rounds, receipt.released) == (DEVICE, [1], [])
    assert (receipt.erased.device_keys, receipt.erased.accepted_envelopes) == (True, 1)
    assert receipt.withdrawn_at == NOW.isoformat()


def test_who_withdrew_is_unknown_to_the_next_submission(front: FrontDoor) -> None:
    contribute(front)
    body = envelope(sound(3))
    front.post(WITHDRAW, request())

    assert front.submit(body).status_code == 401


def test_what_is_held_of_a_frozen_cohort_is_erased_too(front: FrontDoor) -> None:
    contribute(front)
    with psycopg.connect(front.dsn) as connection:
        connection.execute("INSERT INTO cohorts VALUES (DEFAULT, 'a', 'b', 'frozen', now())")
        connection.execute(
            "INSERT INTO held_contributions SELECT round, tag, cohort, sealed FROM contributions, cohorts"
            " WHERE state = 'frozen'"
        )

    receipt = receipt_of(front, front.post(WITHDRAW, request()))

    assert receipt.erased.contributions_to_rounds == [1]
    assert front.rows("SELECT count(*) FROM held_contributions") == [(0,)]


def test_a_device_that_never_submitted_withdraws_too(front: FrontDoor) -> None:
    front.enrol()

    receipt = receipt_of(front, front.post(WITHDRAW, request()))

    assert (receipt.erased.accepted_envelopes, receipt.erased.contributions_to_rounds) == (0, [])


def test_an_unknown_device_and_a_wrong_signature_look_alike(front: FrontDoor) -> None:
    front.enrol()

    unknown = front.post(WITHDRAW, request(device=name(9)))
    wrong = front.post(WITHDRAW, request(key=bytes(32)))

    for answer in (unknown, wrong):
        assert (answer.status_code, answer.content) == (401, b'{"detail":"Invalid signature"}')
    assert unknown.headers == wrong.headers


@pytest.mark.parametrize("part", ["deviceIdHash", "timestamp", "signature"])
def test_a_missing_part_is_named_and_nothing_is_erased(front: FrontDoor, part: str) -> None:
    contribute(front)
    body = request()
    del body[part]

    answer = front.post(WITHDRAW, body)

    assert (answer.status_code, answer.json()["detail"]) == (422, f"Malformed envelope: {part}")
    assert left(front) == (True, 1, 1, 1)


@pytest.mark.parametrize("change", [{"extra": 1}, {"timestamp": "yesterday"}, {"timestamp": None}, {"signature": 5}])
def test_a_malformed_request_is_422(front: FrontDoor, change: dict[str, Any]) -> None:
    assert front.post(WITHDRAW, request() | change).status_code == 422


@pytest.mark.parametrize("quoted", [True, False])
def test_a_text_timestamp_is_signed_with_or_without_its_quotes(front: FrontDoor, *, quoted: bool) -> None:
    front.enrol()
    text = "2026-11-24T12:00:00Z"
    signed = f"tacita/withdraw/1|{DEVICE}|" + (f'"{text}"' if quoted else text)

    answer = front.post(WITHDRAW, request(timestamp=text, signature=sign(KEY, signed.encode())))

    assert receipt_of(front, answer).device_id_hash == DEVICE


@pytest.mark.parametrize("off", [timedelta(minutes=11), timedelta(days=-30, minutes=-1), timedelta(days=365_000)])
def test_a_stale_or_future_withdrawal_is_refused(front: FrontDoor, off: timedelta) -> None:
    contribute(front)

    answer = front.post(WITHDRAW, request(NOW + off))

    assert (answer.status_code, answer.json()) == (403, {"detail": "Stale withdrawal"})
    assert left(front) == (True, 1, 1, 1)


@pytest.mark.parametrize("off", [timedelta(minutes=9), timedelta(days=-29)])
def test_a_device_whose_clock_is_off_or_that_was_offline_can_withdraw(front: FrontDoor, off: timedelta) -> None:
    front.enrol()

    assert front.post(WITHDRAW, request(NOW + off)).status_code == 200


def test_the_same_request_gets_the_same_receipt_again(front: FrontDoor) -> None:
    contribute(front)
    first = front.post(WITHDRAW, request())

    front.now += timedelta(days=3)

    assert front.post(WITHDRAW, request()).content == first.content


def test_a_replayed_withdrawal_erases_nothing_of_who_enrolled_again_with_the_same_key(front: FrontDoor) -> None:
    contribute(front)
    first = front.post(WITHDRAW, request())
    front.now += timedelta(minutes=1)
    contribute(front, seed=5)

    replayed = front.post(WITHDRAW, request())
    earlier = front.post(WITHDRAW, request(NOW - timedelta(minutes=5)))

    assert replayed.content == first.content
    assert earlier.status_code == 403
    assert left(front) == (True, 1, 1, 1)


def test_who_enrolled_again_can_withdraw_again(front: FrontDoor) -> None:
    contribute(front)
    front.post(WITHDRAW, request())
    front.now += timedelta(minutes=1)
    contribute(front, seed=5)

    receipt = receipt_of(front, front.post(WITHDRAW, request(front.now)))

    assert receipt.erased.contributions_to_rounds == [1]
    assert left(front) == (False, 0, 0, 0)


def test_a_withdrawal_is_forgotten_when_its_request_is_too_stale_to_be_replayed(front: FrontDoor, walk: Walk) -> None:
    front.enrol()
    front.post(WITHDRAW, request())

    for walk.now, remembered in ((NOW + timedelta(days=30, seconds=-1), 1), (NOW + timedelta(days=30), 0)):
        walk.do(_tidy)
        assert front.rows("SELECT count(*) FROM withdrawals") == [(remembered,)]
    front.now = NOW + timedelta(days=30, seconds=1)
    front.enrol()
    assert front.post(WITHDRAW, request()).status_code == 403


async def _tidy(shop: Any) -> None:
    await trust.initialise(shop.blobs, trust.signers(shop.role_keys), shop.clock())
    await janitor.tidy(shop)


def test_what_is_remembered_of_a_withdrawal_does_not_name_the_device(front: FrontDoor) -> None:
    front.enrol()
    front.post(WITHDRAW, request())

    [(row,)] = front.rows("SELECT withdrawals::text FROM withdrawals")

    assert DEVICE not in row
    assert DEVICE.encode().hex() not in row


def test_a_receipt_names_the_releases_that_the_device_had_gone_into_with_their_statements(
    front: FrontDoor, walk: Walk
) -> None:
    for number in range(SIZE):
        contribute(front, name(number + 1), seed=number)
    walk.do(close.close_if_full)
    walk.do(lambda shop: release.release_round(shop, 1))

    receipt = receipt_of(front, front.post(WITHDRAW, request(device=name(1))))

    [(digest,)] = front.rows("SELECT digest FROM releases")
    assert [(each.round, each.digest) for each in receipt.released] == [(1, digest)]
    assert receipt.released[0].statement["nano_rho"] == policy.ROUND_CHARGE
    assert receipt.erased.contributions_to_rounds == []
    assert front.rows("SELECT count(*) FROM ledger") == [(SIZE,)], "what was spent stays spent"


def test_withdrawing_and_enrolling_again_buys_no_second_budget(front: FrontDoor, walk: Walk) -> None:
    for number in range(SIZE):
        contribute(front, name(number + 1), seed=number)
    walk.do(close.close_if_full)
    walk.do(lambda shop: release.release_round(shop, 1))
    front.post(WITHDRAW, request(device=name(1)))
    front.now += timedelta(minutes=1)
    contribute(front, name(1), seed=77)

    [(tags,)] = front.rows("SELECT count(DISTINCT tag) FROM ledger")
    receipt = receipt_of(front, front.post(WITHDRAW, request(front.now, device=name(1))))

    assert tags == SIZE
    assert [each.round for each in receipt.released] == [1], "its second self has the first one's ledger"


def test_a_closed_round_that_falls_under_its_minimum_is_abandoned(front: FrontDoor, walk: Walk) -> None:
    for number in range(SIZE):
        contribute(front, name(number + 1), seed=number)
    walk.do(close.close_if_full)

    receipt = receipt_of(front, front.post(WITHDRAW, request(device=name(1))))
    walk.do(lambda shop: release.release_round(shop, 1))

    assert receipt.erased.contributions_to_rounds == [1]
    assert walk.state(1) is State.ABANDONED
    assert front.rows("SELECT count(*) FROM ledger") == [(0,)]


def test_a_release_and_a_withdrawal_at_once_agree_on_whether_the_device_went_into_it(
    front: FrontDoor, walk: Walk
) -> None:
    for number in range(SIZE + 1):
        contribute(front, name(number + 1), seed=number)
    walk.do(close.close_if_full)

    async def both(shop: Any) -> httpx.Response:
        leaving = front.client.post(WITHDRAW, content=json.dumps(request(device=name(1))).encode())
        _, answer = await asyncio.gather(release.release_round(shop, 1), leaving)
        return answer

    shop = walk.shop(front.door.pool)
    receipt = receipt_of(front, front.runner.run(both(shop)))

    in_release = front.rows("SELECT count(*) FROM ledger") == [(SIZE + 1,)]
    assert [each.round for each in receipt.released] == ([1] if in_release else [])
    assert receipt.erased.contributions_to_rounds == ([] if in_release else [1])


def test_submissions_racing_a_withdrawal_never_leave_a_contribution(front: FrontDoor) -> None:
    devices = [name(number + 1) for number in range(12)]
    for device in devices:
        front.enrol(device=device)

    async def race(device: str, seed: int) -> tuple[int, int]:
        body = json.dumps(envelope(sound(seed, device=device), device=device)).encode()
        leaving = json.dumps(request(device=device)).encode()

        async def later(seconds: float) -> httpx.Response:
            await asyncio.sleep(seconds)
            return await front.client.post(WITHDRAW, content=leaving)

        submitted, left_at = await asyncio.gather(
            front.client.post("/api/v1/learning-graphs/submit", content=body), later(0.003 * (seed % 6))
        )
        return submitted.status_code, left_at.status_code

    async def races() -> list[tuple[int, int]]:
        return await asyncio.gather(*(race(device, seed) for seed, device in enumerate(devices)))

    answers = front.runner.run(races())

    assert {submitted for submitted, _ in answers} <= {200, 401}
    assert {left_at for _, left_at in answers} == {200}
    assert left(front) == (False, 0, 0, 0)
    assert front.rows("SELECT count(*) FROM accepted_envelopes") == [(0,)]


@pytest.mark.parametrize("fault", [raise_crash, end_backend])
def test_a_crash_at_any_statement_of_a_withdrawal_undoes_or_finishes_it(front: FrontDoor, fault: Fault) -> None:
    at = 0

    while True:
        at += 1
        device = name(at)
        contribute(front, device, seed=at)
        faults = Faults(front.dsn, fault, at)
        _withdraw_through(front, faults, device)
        enrolled, envelopes, rows, counted = left(front, device)
        assert (enrolled, envelopes, rows, counted) in {(True, 1, 1, 1), (False, 0, 0, 0)}, faults.sent

        receipt = receipt_of(front, front.post(WITHDRAW, request(device=device)))

        assert receipt.erased.contributions_to_rounds == [1]
        assert left(front, device) == (False, 0, 0, 0)
        if len(faults.sent) < at:
            break
    assert at - 1 >= 12


def _withdraw_through(front: FrontDoor, faults: Faults, device: str) -> None:
    async def do() -> None:
        sound_pool = front.door.pool
        async with AsyncExitStack() as stack:
            front.door.pool = await stack.enter_async_context(faults.pool(front.dsn, 2))
            try:
                await front.client.post(WITHDRAW, content=json.dumps(request(device=device)).encode())
            except Crash:
                pass
            finally:
                front.door.pool = sound_pool

    front.runner.run(do())


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file["receipt"].update(withdrawn_at="2020-01-01T00:00:00+00:00"),
        lambda file: file["receipt"]["erased"].update(contributions_to_rounds=[]),
        lambda file: file["receipt"].update(more="words"),
        lambda file: file.update(signature="A" * 86 + "=="),
        lambda file: file.update(signature="?"),
    ],
)
def test_a_receipt_that_was_changed_does_not_verify(front: FrontDoor, change: Any) -> None:
    contribute(front)
    file = front.post(WITHDRAW, request()).json()
    pem = front.get("/api/v1/receipt-key").json()["pem"].encode()
    change(file)

    with pytest.raises(WrongReceiptSignature):
        withdrawal.verified(json.dumps(file).encode(), pem)


def test_a_receipt_does_not_verify_with_another_deployments_key_and_other_files_are_no_receipts(
    front: FrontDoor, tmp_path: Path
) -> None:
    front.enrol()
    answer = front.post(WITHDRAW, request())
    stranger = obtain(Keyring.create(tmp_path / "stranger"))

    with pytest.raises(WrongReceiptSignature):
        withdrawal.verified(answer.content, stranger.pem.encode())
    with pytest.raises(ReceiptError):
        withdrawal.verified(b"[]", stranger.pem.encode())
