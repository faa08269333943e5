"""Ed25519 signing keys, as the raw secrets that a key ring keeps."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def generate_signing_secret() -> bytes:
    """Return 32 fresh secret bytes of an Ed25519 key."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def signing_key(secret: bytes) -> Ed25519PrivateKey:
    """Return the Ed25519 key of 32 secret bytes."""
    return Ed25519PrivateKey.from_private_bytes(secret)
