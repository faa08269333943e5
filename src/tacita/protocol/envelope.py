"""The bodies that devices send: a submission (contract §2.1) and an enrolment (contract §5.2)."""

import re
from typing import Any, TypeVar

import msgspec

from tacita.protocol.dates import WireDate
from tacita.protocol.ids import DeviceIdHash, Version

MAX_BODY_BYTES = 1 << 20
"""A body's size, in bytes (contract §4)."""


class Envelope(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """`POST /api/v1/learning-graphs/submit` (contract §2.1). All six keys are required."""

    device_id_hash: DeviceIdHash
    app_version: Version
    model_version: Version
    encrypted_data: str
    signature: str
    timestamp: WireDate


class Enrolment(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """`POST /api/v1/devices/enroll` (contract §5.2 to §5.4); `key_id` alone is not camel-cased on the wire."""

    device_id_hash: DeviceIdHash
    app_version: Version
    key_id: str = msgspec.field(name="key_id")
    sealed_key: str
    proof: str | None = None
    attestation: dict[str, Any] | None = None


class MalformedBody(ValueError):  # noqa: N818 - it names what the body is, and the answer it gets (422)
    """The body is not of its type. `field` is a known field's wire name, or "body"; never anything the sender wrote."""

    def __init__(self, field: str) -> None:
        super().__init__(f"Malformed {field}")
        self.field = field


_KNOWN_PATH = re.compile(r"at `\$\.(\w+)")
_MISSING = re.compile(r"missing required field `(\w+)`")
Body = TypeVar("Body", Envelope, Enrolment)


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
