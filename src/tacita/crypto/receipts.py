"""The key that a deployment signs receipts of withdrawal with (contract §5.5), and verifying what it signed."""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from tacita.crypto.envelope import decode_base64, encode_base64
from tacita.crypto.errors import CryptographyError
from tacita.crypto.keyring import Keyring
from tacita.crypto.signing import generate_signing_secret, signing_key

ALGORITHM = "Ed25519"
_NAME = "receipt"


class WrongReceiptSignature(CryptographyError):  # noqa: N818 - named for the signature
    """The signature isn't one of this key over these bytes, or the key is none."""


@dataclass(frozen=True)
class ReceiptKey:
    """The deployment's receipt key, from its 32 secret bytes."""

    secret: bytes

    @property
    def public_bytes(self) -> bytes:
        """The 32 bytes of the public key."""
        return signing_key(self.secret).public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        """The first 16 hex digits of the public key's SHA-256."""
        return hashlib.sha256(self.public_bytes).hexdigest()[:16]

    @property
    def pem(self) -> str:
        """The public key as PEM (SubjectPublicKeyInfo)."""
        public = signing_key(self.secret).public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, payload: bytes) -> str:
        """Return the signature in Base64."""
        return encode_base64(signing_key(self.secret).sign(payload))


def obtain(keyring: Keyring) -> ReceiptKey:
    """Return the deployment's receipt key; make it first if there is none yet.

    Raises:
        KeyringError: the key does not open, or another command is changing the keys.
    """
    if not keyring.names(_NAME):
        with keyring.changing():
            if not keyring.names(_NAME):
                keyring.put(_NAME, generate_signing_secret())
    return ReceiptKey(keyring.get(_NAME))


def verify(pem: bytes, payload: bytes, signature: str) -> None:
    """Check a receipt's signature with the public key in PEM.

    Raises:
        WrongReceiptSignature: it doesn't hold.
    """
    try:
        key = load_pem_public_key(pem)
        if not isinstance(key, Ed25519PublicKey):
            raise WrongReceiptSignature("the key file holds no Ed25519 public key")
        key.verify(decode_base64(signature), payload)
    except (ValueError, InvalidSignature, CryptographyError) as error:
        if isinstance(error, WrongReceiptSignature):
            raise
        raise WrongReceiptSignature("the signature is not this key's over this receipt") from None
