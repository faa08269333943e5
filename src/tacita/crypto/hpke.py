"""The device key's way to the server: RFC 9180 HPKE in base mode, single shot (contract §5.1, §5.2)."""

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from tacita.crypto.envelope import DEVICE_KEY_BYTES
from tacita.crypto.errors import DoesNotOpen

X25519_SUITE = "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _info(device_id_hash: str) -> bytes:
    return f"tacita/enroll/1|{device_id_hash}".encode()


@dataclass(frozen=True)
class EnrolmentKey:
    """One of the server's key pairs that devices wrap their key to."""

    key_id: str
    private_bytes: bytes

    @classmethod
    def generate(cls, key_id: str) -> "EnrolmentKey":
        """Return a new random X25519 pair."""
        return cls(key_id, X25519PrivateKey.generate().private_bytes_raw())

    @property
    def public_bytes(self) -> bytes:
        """The 32-byte public key that `GET /api/v1/keys` shows."""
        return X25519PrivateKey.from_private_bytes(self.private_bytes).public_key().public_bytes_raw()

    def unwrap(self, sealed_key: bytes, device_id_hash: str) -> bytes:
        """Return the 32-byte device key out of encapsulated key ‖ ciphertext.

        Raises:
            DoesNotOpen: it was wrapped to another key or for another device, or isn't 32 bytes long.
        """
        private = X25519PrivateKey.from_private_bytes(self.private_bytes)
        try:
            key = _SUITE.decrypt(sealed_key, private, info=_info(device_id_hash))
        except (InvalidTag, ValueError):
            raise DoesNotOpen("the wrapped device key does not open") from None
        if len(key) != DEVICE_KEY_BYTES:
            raise DoesNotOpen("the wrapped device key does not have 32 bytes")
        return key


def wrap(public_bytes: bytes, device_key: bytes, device_id_hash: str) -> bytes:
    """Return encapsulated key ‖ ciphertext of `device_key`, what a device sends (contract §5.2)."""
    return _SUITE.encrypt(device_key, X25519PublicKey.from_public_bytes(public_bytes), info=_info(device_id_hash))
