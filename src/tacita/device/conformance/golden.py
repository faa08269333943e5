"""What golden vectors are made from: a fixed device, clock, server key and randomness; and the committed key wraps.

An HPKE wrap can't be made again byte for byte: its ephemeral key is the cryptography library's own secret. So wraps
were made once, lie in `wraps.json`, and are verified: each opens under the server key shown.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from itertools import count

import msgspec

from tacita.crypto.hpke import XWING_SUITE, EnrolmentKey
from tacita.device.conformance.author import Author
from tacita.protocol.ids import device_id_hash

MOMENT = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = bytes(range(32))
SERVER_KEY = EnrolmentKey("golden-x25519", bytes(range(64, 96)))
XWING_SERVER_KEY = EnrolmentKey("golden-xwing", bytes(range(96)), XWING_SUITE)
SERVER_KEYS = (SERVER_KEY, XWING_SERVER_KEY)

DEVICE = device_id_hash("tacita golden vectors")
REKEYED_DEVICE = device_id_hash("tacita golden vectors, re-keyed")
OLD_KEY, NEW_KEY = bytes(range(128, 160)), bytes(range(160, 192))


class Wrap(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """A device key on its way to the server (contract §5.2): keys in hex, `sealed_key` in Base64."""

    key_id: str
    device_id_hash: str
    device_key: str
    sealed_key: str


def wraps() -> dict[str, Wrap]:
    """Return the committed wraps by name."""
    data = files(__package__).joinpath("wraps.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, Wrap])


def stream(name: str) -> Callable[[int], bytes]:
    """Return the fixed randomness of the vector `name`: each draw is SHAKE-256 of the name and the draw's number."""
    numbers = count()
    return lambda amount: hashlib.shake_256(f"{name}|{next(numbers)}".encode()).digest(amount)


def author(name: str) -> Author:
    """Return the client that makes the vector `name`."""
    return Author(DEVICE, KEY, MOMENT, stream(name))
