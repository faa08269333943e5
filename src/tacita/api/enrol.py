"""`GET /api/v1/keys` and `POST /api/v1/devices/enroll` (contract §5.1 to §5.4)."""

import hmac
from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tacita.api import problems
from tacita.api.door import Door, read_body
from tacita.api.problems import Refused
from tacita.crypto.app_attest import AppAttest, client_data_hash
from tacita.crypto.envelope import decode_base64, encode_base64, sign
from tacita.crypto.errors import AttestationRefused, DoesNotOpen, MalformedBase64
from tacita.protocol.answers import ServerKey, ServerKeys
from tacita.protocol.envelope import Attestation, Enrolment, MalformedBody, decode_body
from tacita.protocol.refusals import Refusal
from tacita.store import devices
from tacita.store.connection import Connection, run_transaction
from tacita.store.resealing import hold_kek
from tacita.store.sealing import DeviceKeys, open_device_keys, seal_device_keys

_CACHE = {"Cache-Control": "public, max-age=300"}
"""Five minutes: far less than the days for which a rotated key is still accepted."""
_ENROLLED = {"status": "enrolled"}


async def keys(door: Door, _request: Request) -> Response:
    """Answer with the server's public enrolment keys (contract §5.1): those to use first, X25519's before X-Wing's.

    A key that was rotated out is "expiring" until its `not_after` (ISO 8601, UTC); then it is gone.
    """
    now = door.clock()
    shown = [
        ServerKey(
            key_id=pair.key_id,
            suite=pair.suite,
            public_key=encode_base64(pair.public_bytes),
            status=pair.status(now),
            not_after=None if pair.not_after is None else pair.not_after.isoformat(timespec="seconds"),
        )
        for pair in door.enrolment_keys.usable(now)
    ]
    return problems.json_response(ServerKeys(shown), headers=_CACHE)


async def enrol(door: Door, request: Request) -> Response:
    """Answer an enrolment: 201 for a new device, 200 for the same key again or a proved re-key, else 409."""
    body = await read_body(request.scope, request.receive)
    try:
        enrolment = decode_body(body, Enrolment)
    except MalformedBody as error:
        raise problems.malformed_body(error.field) from None
    try:
        sealed_key, device_key = _unwrap(door, enrolment)
        if door.app_attest is not None:
            _require_attestation(door.app_attest, enrolment, door.clock())
        status = await run_transaction(
            door.pool, lambda connection: _enrol(door, connection, enrolment, sealed_key, device_key)
        )
    except Refused as refusal:
        refusal.app_version = enrolment.app_version
        raise
    return problems.json_response(_ENROLLED, status)


def _unwrap(door: Door, enrolment: Enrolment) -> tuple[bytes, bytes]:
    pair = door.enrolment_keys.find(enrolment.key_id, door.clock())
    if pair is None:
        raise problems.refused(422, Refusal.UNKNOWN_SERVER_KEY, "Malformed envelope: key_id")
    try:
        sealed_key = decode_base64(enrolment.sealed_key)
        return sealed_key, pair.unwrap(sealed_key, enrolment.device_id_hash)
    except MalformedBase64:
        raise problems.malformed_body("sealedKey") from None
    except DoesNotOpen:
        raise problems.refused(400, Refusal.WRAPPED_KEY_DOES_NOT_OPEN, "Decryption failed") from None


def _require_attestation(app_attest: AppAttest, enrolment: Enrolment, now: datetime) -> None:
    """Refuse an enrolment that no genuine app made (contract §5.4); every enrolment, re-keys too, has its own."""
    if enrolment.attestation is None:
        raise problems.refused(403, Refusal.ATTESTATION_MISSING, "Attestation required")
    try:
        given = msgspec.convert(enrolment.attestation, Attestation)
        key_id, attestation_object = decode_base64(given.key_id), decode_base64(given.attestation_object)
    except (msgspec.ValidationError, MalformedBase64):
        raise problems.malformed_body("attestation") from None
    data_hash = client_data_hash(enrolment.device_id_hash, enrolment.sealed_key)
    try:
        app_attest.verify(key_id, attestation_object, data_hash, now)
    except AttestationRefused as refused:
        raise problems.refused(403, refused.reason, "Attestation refused") from None


async def _enrol(door: Door, connection: Connection, enrolment: Enrolment, sealed_key: bytes, device_key: bytes) -> int:
    device, now = bytes.fromhex(enrolment.device_id_hash), door.clock()
    await hold_kek(connection)
    fresh = seal_device_keys(door.keyring, device, DeviceKeys.enrolled_with(device_key))
    await devices.lock(connection, device)
    if await devices.enrol(connection, device, fresh, now):
        return 201
    sealed = await devices.sealed_keys(connection, [device])
    enrolled = open_device_keys(door.keyring, device, sealed[device])
    if not hmac.compare_digest(enrolled.device_key, device_key):
        _require_proof(enrolment, sealed_key, enrolled, device_key)
        rekeyed = seal_device_keys(door.keyring, device, enrolled.rekeyed_to(device_key))
        await devices.replace_keys(connection, device, rekeyed, now)
    return 200


def _require_proof(enrolment: Enrolment, sealed_key: bytes, enrolled: DeviceKeys, device_key: bytes) -> None:
    """Refuse a re-key unless the present key proves it, and the new key is new.

    A recorded body can't put an old key back: one without a proof, or with a proof by a key before the present one,
    fails the proof. Had the device itself gone back to that older key, the recorded proof would hold once more; so it
    can't go back.
    """
    proof = sign(enrolled.device_key, sealed_key)
    given = (enrolment.proof or "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(proof.encode(), given):
        raise problems.refused(409, Refusal.OTHER_KEY_ENROLLED, "Another key is enrolled for this device")
    if enrolled.had(device_key):
        raise problems.refused(409, Refusal.FORMER_KEY, "This key was replaced before")
