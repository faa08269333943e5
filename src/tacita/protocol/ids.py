"""Identifiers on the wire and the domains they must stay in (contract §1.5, §2.1)."""

import hashlib
import re
from typing import Annotated

import msgspec

DeviceIdHash = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
"""SHA-256 of the device's identifier as 64 lower-case hex digits (contract §1.5)."""

Version = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._+-]{1,64}\Z")]
"""An app or model version: at most 64 characters of `[A-Za-z0-9._+-]` (contract §2.1)."""

UUID_TEXT = re.compile(r"[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}\Z")
"""Upper-case canonical UUID text, as Swift's `UUID` encodes itself (contract §1.5)."""

MODEL_FAMILY = "granite-3b"
_MODEL_VERSION = re.compile(rf"{MODEL_FAMILY}-v([1-9][0-9]{{0,17}})")


def model_version(number: int) -> str:
    """Return the model version of `number`: 1 is the genesis model, round r trains number r + 1."""
    return f"{MODEL_FAMILY}-v{number}"


def model_number(version: str) -> int:
    """Return the number of a model version; 0 for a version that is none of ours, older than every one that is."""
    match = _MODEL_VERSION.fullmatch(version)
    return int(match[1]) if match else 0


def device_id_hash(identifier: str) -> str:
    """Return a device's `deviceIdHash` as the app makes it: SHA-256 in lower-case hex."""
    return hashlib.sha256(identifier.encode()).hexdigest()
