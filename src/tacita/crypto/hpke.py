"""The device key's way to the server: RFC 9180 HPKE in base mode, single shot, in two suites (contract §5.1, §5.2).

Both use HKDF-SHA256 and AES-256-GCM. They differ in the KEM, and so in lengths:

| suite | KEM, IANA id | public key | encapsulated key | sealedKey, before Base64 |
| --- | --- | --- | --- | --- |
| `X25519_SUITE` | DHKEM(X25519, HKDF-SHA256), 0x0020 | 32 bytes | 32 | 80 |
| `XWING_SUITE` | X-Wing, 0x647A | 1,216 bytes: ML-KEM-768's 1,184, then X25519's 32 | 1,120 | 1,168 |

X-Wing is draft-connolly-cfrg-xwing-kem's, from draft 06 on. Its suite is CryptoKit's
`HPKE.Ciphersuite.XWingMLKEM768X25519_SHA256_AES_GCM_256` (iOS 26): whoever records enrolments today can't open them
with a quantum computer later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from tacita.crypto.envelope import DEVICE_KEY_BYTES
from tacita.crypto.errors import DoesNotOpen, MalformedPublicKey

X25519_SUITE = "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM"
XWING_SUITE = "X-Wing, HKDF-SHA256, AES-256-GCM"
"""The KEM's name as IANA registers it, then KDF and AEAD, like the first suite's."""

_MLKEM_SEED_BYTES = 64
_MLKEM_PUBLIC_BYTES = 1_184


def _x25519_public_bytes(private_bytes: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private_bytes).public_key().public_bytes_raw()


def _generate_xwing() -> bytes:
    return MLKEM768PrivateKey.generate().private_bytes_raw() + X25519PrivateKey.generate().private_bytes_raw()


def _xwing_private(data: bytes) -> MLKEM768X25519PrivateKey:
    mlkem = MLKEM768PrivateKey.from_seed_bytes(data[:_MLKEM_SEED_BYTES])
    return MLKEM768X25519PrivateKey(mlkem, X25519PrivateKey.from_private_bytes(data[_MLKEM_SEED_BYTES:]))


def _xwing_public(data: bytes) -> MLKEM768X25519PublicKey:
    mlkem = MLKEM768PublicKey.from_public_bytes(data[:_MLKEM_PUBLIC_BYTES])
    return MLKEM768X25519PublicKey(mlkem, X25519PublicKey.from_public_bytes(data[_MLKEM_PUBLIC_BYTES:]))


def _xwing_public_bytes(private_bytes: bytes) -> bytes:
    mlkem = MLKEM768PrivateKey.from_seed_bytes(private_bytes[:_MLKEM_SEED_BYTES])
    return mlkem.public_key().public_bytes_raw() + _x25519_public_bytes(private_bytes[_MLKEM_SEED_BYTES:])


@dataclass(frozen=True)
class _Pairs:
    """How a suite's key pairs are made, read and shown; private bytes are the suite's raw secret."""

    hpke: Suite
    generate: Callable[[], bytes]
    private: Callable[[bytes], Any]
    public: Callable[[bytes], Any]
    public_bytes: Callable[[bytes], bytes]


_SUITES = {
    X25519_SUITE: _Pairs(
        hpke=Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
        generate=lambda: X25519PrivateKey.generate().private_bytes_raw(),
        private=X25519PrivateKey.from_private_bytes,
        public=X25519PublicKey.from_public_bytes,
        public_bytes=_x25519_public_bytes,
    ),
    XWING_SUITE: _Pairs(
        hpke=Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
        generate=_generate_xwing,
        private=_xwing_private,
        public=_xwing_public,
        public_bytes=_xwing_public_bytes,
    ),
}

SUITES = tuple(_SUITES)
"""Every suite that the server offers; the one that the oldest clients know comes first."""


def _info(device_id_hash: str) -> bytes:
    return f"tacita/enroll/1|{device_id_hash}".encode()


@dataclass(frozen=True)
class EnrolmentKey:
    """One of the server's key pairs that devices wrap their key to.

    Attributes:
        key_id: its name on the wire.
        private_bytes: 32 bytes, or for X-Wing ML-KEM's 64-byte seed and X25519's 32 bytes.
        suite: one of `SUITES`.
        not_after: when it stops being accepted, or None while it is the one to use.
    """

    key_id: str
    private_bytes: bytes
    suite: str = X25519_SUITE
    not_after: datetime | None = None

    @classmethod
    def generate(cls, key_id: str, suite: str = X25519_SUITE) -> "EnrolmentKey":
        """Return a new random pair."""
        return cls(key_id, _SUITES[suite].generate(), suite)

    def status(self, now: datetime) -> Literal["active", "expiring", "expired"]:
        """Tell whether it is the one to use, still accepted, or neither (contract §5.1)."""
        if self.not_after is None:
            return "active"
        return "expiring" if now < self.not_after else "expired"

    @property
    def public_bytes(self) -> bytes:
        """The public key that `GET /api/v1/keys` shows."""
        return _SUITES[self.suite].public_bytes(self.private_bytes)

    def unwrap(self, sealed_key: bytes, device_id_hash: str) -> bytes:
        """Return the 32-byte device key out of encapsulated key ‖ ciphertext.

        Raises:
            DoesNotOpen: it was wrapped to another key or for another device, or isn't 32 bytes long.
        """
        suite = _SUITES[self.suite]
        try:
            key = suite.hpke.decrypt(sealed_key, suite.private(self.private_bytes), info=_info(device_id_hash))
        except (InvalidTag, ValueError):
            raise DoesNotOpen("the wrapped device key does not open") from None
        if len(key) != DEVICE_KEY_BYTES:
            raise DoesNotOpen("the wrapped device key does not have 32 bytes")
        return key


def wrap(public_bytes: bytes, device_key: bytes, device_id_hash: str, suite: str = X25519_SUITE) -> bytes:
    """Return encapsulated key ‖ ciphertext of `device_key`, what a device sends (contract §5.2).

    Raises:
        MalformedPublicKey: `public_bytes` is no key of the suite.
    """
    pairs = _SUITES[suite]
    try:
        return pairs.hpke.encrypt(device_key, pairs.public(public_bytes), info=_info(device_id_hash))
    except ValueError:
        raise MalformedPublicKey("the server's public key is not one of its suite") from None
