"""Request bodies, their Base64, dates and signatures: whatever comes, it is decoded or refused with a known field."""

from tacita.crypto.envelope import decode_base64, encode_base64, signature_matches
from tacita.crypto.errors import MalformedBase64
from tacita.protocol.dates import require_date
from tacita.protocol.envelope import Body, Enrolment, Envelope, MalformedBody, decode_body

_FIELDS = {
    "body", "deviceIdHash", "appVersion", "modelVersion", "encryptedData", "signature", "timestamp", "format",
    "key_id", "sealedKey", "proof", "attestation",
}  # fmt: skip


def check(data: bytes) -> None:
    """Decode `data` as each kind of body, and what lies in it."""
    envelope, enrolment = _decoded(data, Envelope), _decoded(data, Enrolment)
    if envelope is not None:
        _check_envelope(envelope)
    if enrolment is not None:
        _base64(enrolment.sealed_key)
        assert len(bytes.fromhex(enrolment.device_id_hash)) == 32


def _decoded(data: bytes, kind: type[Body]) -> Body | None:
    try:
        return decode_body(data, kind)
    except MalformedBody as error:
        if error.field not in _FIELDS:
            raise
        return None


def _check_envelope(envelope: Envelope) -> None:
    assert len(bytes.fromhex(envelope.device_id_hash)) == 32
    assert len(envelope.app_version) <= 64
    require_date(envelope.timestamp)
    _ = envelope.associated_data
    sealed = _base64(envelope.encrypted_data)
    if sealed is not None:
        for key in (None, b"k" * 32):
            assert not signature_matches(key, sealed, envelope.encrypted_data, envelope.signature)


def _base64(text: str) -> bytes | None:
    try:
        decoded = decode_base64(text)
    except MalformedBase64:
        return None
    assert decode_base64(encode_base64(decoded)) == decoded
    assert len(encode_base64(decoded)) == len(text)
    return decoded
