"""What must be refused before anyone looks at a graph: what does not open, is not signed, or is no body (§2, §5.2)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from tacita.crypto.envelope import NONCE_BYTES, TAG_BYTES, encode_base64, sign
from tacita.device.conformance.author import (
    APP_VERSION,
    MODEL_VERSION,
    Author,
    Json,
    Request,
    encoded,
    escaped,
    submission,
)
from tacita.device.conformance.case import ENROL, Case, malformed, too_large, unopened, unsigned
from tacita.device.conformance.encodings import iso, sketch_signature
from tacita.device.conformance.refusals import CANARY
from tacita.protocol.envelope import MAX_BODY_BYTES, associated_data
from tacita.protocol.ids import device_id_hash

Make = Callable[[Author], Request]
HPKE_BYTES = 32 + 32 + 16
"""An X25519 encapsulated key, a device key and a tag (contract §5.2)."""


def _outer(**changes: Any) -> Make:
    return lambda author: submission(author, **changes)


def _format_2(**changes: Any) -> Make:
    return lambda author: submission(author, wire_format=2, **changes)


def _bound(timestamp: Callable[[Author], str], sent: Callable[[Author], str]) -> Make:
    """Return a format 2 request that is sealed to one timestamp token and sent with another."""

    def make(author: Author) -> Request:
        to = associated_data(author.device, APP_VERSION, MODEL_VERSION, timestamp(author).encode())
        return submission(author, wire_format=2, timestamp=sent(author).encode(), bound=to)

    return make


def _short(author: Author) -> Request:
    sealed = author.randomness(NONCE_BYTES + TAG_BYTES - 1)
    return submission(author, encryptedData=encode_base64(sealed), signature=sign(author.key, sealed))


def _unknown_device(author: Author) -> Request:
    return submission(replace(author, device=device_id_hash(author.device)))


def _without_timestamp(author: Author) -> Request:
    fields = msgspec.json.decode(submission(author).body)
    del fields["timestamp"]
    return Request(encoded(fields))


def _body(data: bytes) -> Make:
    return lambda _author: Request(data)


def enrolment(author: Author, key_id: str, sealed_key: bytes, /, **changes: Any) -> Request:
    """Return an enrolment as the app makes it, with `changes`; `msgspec.UNSET` leaves a key out (contract §5.2)."""
    made: Json = {
        "deviceIdHash": author.device,
        "appVersion": APP_VERSION,
        "key_id": key_id,
        "sealedKey": encode_base64(sealed_key),
    }
    sent = {name: value for name, value in (made | changes).items() if value is not msgspec.UNSET}
    return Request(escaped(encoded(sent)))


UNOPENED: tuple[Case, ...] = (
    unopened("sealed under another key, signed under the right one", "2.2", _outer(key=bytes(32))),
    unopened("sealed with associated data in format 1", "2.2", _outer(bound=b"tacita")),
    unopened("shorter than a nonce and a tag", "2.2", _short),
    unopened("format 2, another appVersion than was sealed", "2.6", _format_2(appVersion="9.9")),
    unopened("format 2, another modelVersion than was sealed", "2.6", _format_2(modelVersion="granite-3b-v9")),
    unopened(
        "format 2, the sealed moment written otherwise",
        "2.6",
        _bound(lambda a: f"{a.ago():.5f}", lambda a: f"{a.ago():.6f}"),
    ),
    unopened(
        "format 2, a text timestamp sealed without its quotes",
        "2.6",
        _bound(lambda a: iso(a.now, "Z").strip('"'), lambda a: iso(a.now, "Z")),
    ),
    unopened("format 2 taken off", "2.6", _format_2(format=msgspec.UNSET)),
    unopened("format 2 put on", "2.6", _outer(format=2)),
)

UNSIGNED: tuple[Case, ...] = (
    unsigned("an unknown device", "2.7", _unknown_device),
    unsigned("signed under another key", "2.3", _outer(signer=lambda _key, sealed: sign(bytes(32), sealed))),
    unsigned("no signature", "2.3", _outer(signature="")),
    unsigned(
        "the sketch's signature in upper case",
        "2.3",
        _outer(signer=lambda k, sealed: sketch_signature(k, sealed).upper()),
    ),
)

_WRONG: tuple[tuple[str, str, Any], ...] = (
    ("deviceIdHash", "in upper case", "AB" * 32),
    ("deviceIdHash", "of 63 digits", "a" * 63),
    ("appVersion", "empty", ""),
    ("appVersion", "of 65 characters", "1" * 65),
    ("appVersion", "with a space", f"{CANARY} 1"),
    ("modelVersion", "with a slash", f"{CANARY}/1"),
    ("modelVersion", "null", None),
    ("encryptedData", "in Base64 without padding", "QUJD" * 12 + "QQ"),
    ("encryptedData", "in URL-safe Base64", "-_" * 32),
    ("encryptedData", "a number", 7),
    ("signature", "a number", 7),
    ("format", "of 1", 1),
    ("format", "of 3", 3),
    ("format", "as text", "2"),
)

_TIMESTAMPS: tuple[tuple[str, bytes], ...] = (
    ("date text without an offset", b'"2026-11-24T11:58:00"'),
    ("null", b"null"),
    ("true", b"true"),
)

_BODIES: tuple[tuple[str, bytes], ...] = (
    ("empty", b""),
    ("no JSON", CANARY.encode()),
    ("an array", b"[]"),
    ("not UTF-8", b'{"deviceIdHash":"\xff"}'),
    ("nested deeply", b"[" * 3_000 + b"]" * 3_000),
)

ENVELOPES: tuple[Case, ...] = (
    *(
        malformed(f"without {field}", "2.1", _outer(**{field: msgspec.UNSET}), field)
        for field in ("deviceIdHash", "appVersion", "modelVersion", "encryptedData", "signature")
    ),
    malformed("without timestamp", "2.1", _without_timestamp, "timestamp"),
    malformed("an unknown key", "2.1", _outer(**{CANARY: 1}), "body"),
    *(malformed(f"{field} {what}", "2.1", _outer(**{field: value}), field) for field, what, value in _WRONG),
    *(malformed(f"timestamp is {what}", "1.2", _outer(timestamp=token), "timestamp") for what, token in _TIMESTAMPS),
    *(malformed(f"a body that is {what}", "2.7", _body(data), "body") for what, data in _BODIES),
)


OVERSIZED: tuple[Case, ...] = (
    too_large("one byte over 1 MiB", "4", _body(b" " * (MAX_BODY_BYTES + 1))),
    too_large("an enrolment of one byte over 1 MiB", "4", _body(b" " * (MAX_BODY_BYTES + 1)), ENROL),
)


def enrolments(key_id: str) -> tuple[Case, ...]:
    """Return the cases of enrolments that are refused at once (contract §5.2).

    Args:
        key_id: of a key that the server offers.
    """

    def sent(**changes: Any) -> Make:
        return lambda author: enrolment(author, key_id, author.randomness(HPKE_BYTES), **changes)

    return (
        unopened("a wrapped key that does not open", "5.2", sent(), ENROL),
        unopened("a wrapped key that is too short", "5.2", sent(sealedKey="AAAA"), ENROL),
        malformed("an unknown server key", "5.2", sent(key_id="no-such-key"), "key_id", ENROL),
        malformed("a wrapped key that is not Base64", "5.2", sent(sealedKey="AAA"), "sealedKey", ENROL),
        malformed("a device id hash in upper case", "5.2", sent(deviceIdHash="AB" * 32), "deviceIdHash", ENROL),
        malformed("an application version with a space", "5.2", sent(appVersion="1 4"), "appVersion", ENROL),
        malformed("an enrolment with an unknown key", "5.2", sent(**{CANARY: 1}), "body", ENROL),
        *(
            malformed(f"an enrolment without {field}", "5.2", sent(**{field: msgspec.UNSET}), field, ENROL)
            for field in ("deviceIdHash", "appVersion", "key_id", "sealedKey")
        ),
    )
