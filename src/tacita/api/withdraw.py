"""`POST /api/v1/devices/withdraw` and `GET /api/v1/receipt-key` (contract §5.5, privacy §7, decision 26)."""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tacita.api import problems
from tacita.api.commit import KeysChanged
from tacita.api.device_keys import KnownKeys
from tacita.api.door import Door, read_body
from tacita.crypto import receipts
from tacita.crypto.envelope import encode_base64, open_sealed, seal, text_signature_matches
from tacita.crypto.errors import DoesNotOpen
from tacita.crypto.keyring import keyed_tag
from tacita.privacy import policy
from tacita.protocol.dates import from_unix
from tacita.protocol.envelope import MalformedBody, Withdrawal, decode_body
from tacita.protocol.receipt import Erased, PublicReceiptKey, Receipt, ReleasedInto, SignedReceipt, canonical
from tacita.protocol.refusals import Refusal
from tacita.store import devices, ledger, releases, rounds, withdrawals
from tacita.store.connection import Connection, run_transaction
from tacita.store.errors import StoreUnavailable
from tacita.store.sealing import ledger_tag, open_round_key, round_tag

_CACHE = {"Cache-Control": "public, max-age=300"}


@dataclass(frozen=True)
class _Request:
    """A withdrawal as it came, and the keys that it is signed with; None when it isn't."""

    withdrawal: Withdrawal
    device: bytes
    keys: KnownKeys | None


async def receipt_key(door: Door, _request: Request) -> Response:
    """Answer with the public key that receipts are verified with."""
    key = door.receipt_key
    shown = PublicReceiptKey(key.key_id, receipts.ALGORITHM, encode_base64(key.public_bytes), key.pem)
    return problems.json_response(shown, headers=_CACHE)


async def withdraw(door: Door, request: Request) -> Response:
    """Erase a device and answer with the signed receipt; the same request again gets the same receipt."""
    body = await read_body(request.scope, request.receive)
    try:
        withdrawal = decode_body(body, Withdrawal)
    except MalformedBody as error:
        raise problems.malformed_body(error.field) from None
    device = bytes.fromhex(withdrawal.device_id_hash)
    for _ in range(2):
        known = await door.device_keys.fresh(device)
        key = None if known is None else known.opened.device_key
        signed = text_signature_matches(key, withdrawal.signed_texts, withdrawal.signature)
        asked = _Request(withdrawal, device, known if signed else None)
        unknown = Refusal.UNKNOWN_DEVICE if known is None else Refusal.WRONG_SIGNATURE
        try:
            receipt = await run_transaction(door.pool, lambda c: _withdraw(door, c, asked, unknown))  # noqa: B023 - awaited here
        except KeysChanged:
            continue  # it re-keyed, or withdrew by the same request at the same time: once more, with what it has now
        door.device_keys.forget(device)
        return Response(receipt, 200, media_type=problems.JSON)
    raise StoreUnavailable("the device's keys change too often")


async def _withdraw(door: Door, connection: Connection, asked: _Request, unknown: Refusal) -> bytes:
    """Answer from what is remembered, or refuse, or erase; in one transaction with the receipt."""
    tag = keyed_tag(door.ledger_key, "withdrawal", asked.device)
    receipt_seal = keyed_tag(door.ledger_key, "receipt", asked.withdrawal.identity)
    earlier = await withdrawals.find(connection, tag)
    if earlier is not None:
        try:
            return open_sealed(receipt_seal, earlier.sealed_receipt, tag)
        except DoesNotOpen:
            pass  # another request
    if asked.keys is None:
        raise problems.invalid_signature(unknown)
    now = door.clock()
    signed_at = _fresh(asked.withdrawal, now)
    if earlier is not None and signed_at <= earlier.signed_at:
        raise problems.refused(403, Refusal.STALE_WITHDRAWAL, "Stale withdrawal")
    receipt = await _erase(door, connection, asked, now)
    await withdrawals.remember(connection, tag, signed_at, seal(receipt_seal, receipt, tag))
    return receipt


def _fresh(withdrawal: Withdrawal, now: datetime) -> datetime:
    """Return when the withdrawal says it was signed, if that is fresh as a graph must be (contract §2.5)."""
    age_s = now.timestamp() - withdrawal.signed_unix_seconds
    if not -policy.MAX_CLOCK_LEAD.total_seconds() <= age_s <= policy.MAX_GRAPH_AGE.total_seconds():
        raise problems.refused(403, Refusal.STALE_WITHDRAWAL, "Stale withdrawal")
    return from_unix(withdrawal.signed_unix_seconds)


async def _erase(door: Door, connection: Connection, asked: _Request, now: datetime) -> bytes:
    """Erase keys, envelopes and contributions to unreleased rounds; return the signed receipt.

    Raises:
        KeysChanged: the keys that the signature was checked with aren't the device's any more.
    """
    await rounds.hold_open(connection)
    await devices.lock(connection, asked.device)
    sealed = await devices.sealed_keys(connection, [asked.device])
    if asked.keys is None or sealed.get(asked.device) != asked.keys.sealed:
        raise KeysChanged
    contributed = [
        current.number
        for current in await rounds.hold_unreleased(connection)
        if await withdrawals.erase_contribution(
            connection, current.number, round_tag(open_round_key(door.keyring, current), asked.device)
        )
    ]
    envelopes = await withdrawals.erase_device(connection, asked.device)
    charged = await ledger.rounds_of(connection, ledger_tag(door.ledger_key, asked.device))
    receipt = Receipt(
        device_id_hash=asked.withdrawal.device_id_hash,
        withdrawn_at=now.isoformat(),
        erased=Erased(device_keys=True, accepted_envelopes=envelopes, contributions_to_rounds=contributed),
        released=[_released_into(each) for each in await releases.published(connection, charged)],
    )
    key = door.receipt_key
    return msgspec.json.encode(SignedReceipt(receipt, key.key_id, key.sign(canonical(receipt))))


def _released_into(made: releases.Published) -> ReleasedInto:
    statement = msgspec.to_builtins(made.statement)
    return ReleasedInto(made.statement.round, made.digest, made.released_at.isoformat(), statement)
