"""The bodies that devices send: a submission (contract §2.1), an enrolment (§5.2) and a withdrawal (§5.5)."""

import re
from typing import Any, Literal, TypeVar

import msgspec

from tacita.protocol.dates import require_date, token_unix_seconds
from tacita.protocol.ids import DeviceIdHash, Version

MAX_BODY_BYTES = 1 << 20
"""A body's size, in bytes (contract §4)."""


class Envelope(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """`POST /api/v1/learning-graphs/submit` (contract §2.1). All but `format` (§2.6) are required.

    `timestamp` is kept as its JSON token, because format 2 authenticates the text as it was sent.
    """

    device_id_hash: DeviceIdHash
    app_version: Version
    model_version: Version
    encrypted_data: str
    signature: str
    timestamp: msgspec.Raw
    format: Literal[2] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        try:
            require_date(self.timestamp)
        except msgspec.DecodeError:
            raise ValueError("not a date - at `$.timestamp`") from None

    @property
    def associated_data(self) -> bytes | None:
        """What AES-GCM covers beside the graph: the outer fields in format 2 (contract §2.6), nothing in the app's own.

        The timestamp is the JSON token itself: of text, its quotes and escapes too.
        """
        if self.format is msgspec.UNSET:
            return None
        return associated_data(self.device_id_hash, self.app_version, self.model_version, bytes(self.timestamp))


def associated_data(device_id_hash: str, app_version: str, model_version: str, timestamp: bytes) -> bytes:
    """Return format 2's associated data; `timestamp` is the JSON token that is sent (contract §2.6)."""
    return f"tacita/2|{device_id_hash}|{app_version}|{model_version}|".encode() + timestamp


class Enrolment(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """`POST /api/v1/devices/enroll` (contract §5.2 to §5.4); `key_id` alone is not camel-cased on the wire."""

    device_id_hash: DeviceIdHash
    app_version: Version
    key_id: str = msgspec.field(name="key_id")
    sealed_key: str
    proof: str | None = None
    attestation: dict[str, Any] | None = None


class Attestation(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """An enrolment's `attestation` where the operator demands one (contract §5.4); both values are Base64."""

    key_id: str
    attestation_object: str


class Withdrawal(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """`POST /api/v1/devices/withdraw` (contract §5.5)."""

    device_id_hash: DeviceIdHash
    timestamp: msgspec.Raw
    signature: str

    def __post_init__(self) -> None:
        try:
            require_date(self.timestamp)
        except msgspec.DecodeError:
            raise ValueError("not a date - at `$.timestamp`") from None

    @property
    def signed_texts(self) -> tuple[bytes, bytes]:
        """What the signature may be over: the timestamp as its JSON token, or without a text's quotes."""
        token = bytes(self.timestamp)
        return withdrawal_text(self.device_id_hash, token), withdrawal_text(self.device_id_hash, token.strip(b'"'))

    @property
    def signed_unix_seconds(self) -> float:
        """When it says that it was signed, in seconds since 1970."""
        return token_unix_seconds(self.timestamp)

    @property
    def identity(self) -> bytes:
        """What tells this request from any other of its device."""
        return self.signed_texts[0] + b"|" + self.signature.encode("utf-8", "surrogatepass")


def withdrawal_text(device_id_hash: str, timestamp: bytes) -> bytes:
    """Return what a withdrawal's signature is over (contract §5.5)."""
    return f"tacita/withdraw/1|{device_id_hash}|".encode() + timestamp


class MalformedBody(ValueError):  # noqa: N818 - it names what the body is, and the answer it gets (422)
    """The body is not of its type. `field` is a known field's wire name, or "body"; never anything the sender wrote."""

    def __init__(self, field: str) -> None:
        super().__init__(f"Malformed {field}")
        self.field = field


_KNOWN_PATH = re.compile(r"at `\$\.(\w+)")
_MISSING = re.compile(r"missing required field `(\w+)`")
Body = TypeVar("Body", Envelope, Enrolment, Withdrawal)


def decode_body(body: bytes, kind: type[Body]) -> Body:
    """Decode a request body strictly.

    Raises:
        MalformedBody: not JSON, a missing or unknown key, a wrong type or a value outside its pattern (422).
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        known = {field.encode_name for field in msgspec.structs.fields(kind)}
        match = _KNOWN_PATH.search(str(error)) or _MISSING.search(str(error))
        raise MalformedBody(match[1] if match and match[1] in known else "body") from None
