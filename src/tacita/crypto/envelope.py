"""Sealing, signing, opening and verifying a submission under the device key (contract §2.2, §2.3)."""

import hmac
import re
import secrets
from collections.abc import Callable, Sequence

import pybase64
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tacita.crypto.errors import DoesNotOpen, MalformedBase64

DEVICE_KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
_NO_KEY = bytes(DEVICE_KEY_BYTES)
_SKETCH_FORM = re.compile(r"[0-9a-f]{64}")


def encode_base64(data: bytes) -> str:
    """Return standard Base64 text with padding (contract §1.3)."""
    return pybase64.b64encode_as_string(data)


def decode_base64(text: str) -> bytes:
    """Return the bytes of standard Base64 text with padding (contract §1.3).

    Raises:
        MalformedBase64: another alphabet, white space, missing or excess padding.
    """
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        raise MalformedBase64("not standard Base64") from None


def seal(
    key: bytes,
    plaintext: bytes,
    associated_data: bytes | None = None,
    *,
    randomness: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """Return nonce ‖ AES-256-GCM ciphertext ‖ tag, CryptoKit's `SealedBox.combined` (contract §2.2).

    Args:
        key: 32 bytes.
        plaintext: any length.
        associated_data: none in the app's own format; format 2 and column sealing bind theirs.
        randomness: of the nonce; anything but the operating system's is for golden vectors alone.
    """
    nonce = randomness(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated_data)


def open_sealed(key: bytes, sealed: bytes, associated_data: bytes | None = None) -> bytes:
    """Return the plaintext of `seal`.

    Raises:
        DoesNotOpen: too short, changed, or another key.
    """
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise DoesNotOpen("sealed text is too short")
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], memoryview(sealed)[NONCE_BYTES:], associated_data)
    except InvalidTag:
        raise DoesNotOpen("sealed text does not open") from None


def sign(key: bytes, sealed: bytes) -> str:
    """Return the app's form of the signature: Base64(HMAC-SHA256(key, sealed)) (contract §2.3)."""
    return encode_base64(hmac.digest(key, sealed, "sha256"))


def sign_sketch(key: bytes, sealed_text: str) -> str:
    """Return the sketch's form: lower-case hex of HMAC-SHA256(key, the Base64 text) (contract §2.3)."""
    return hmac.digest(key, sealed_text.encode(), "sha256").hex()


def signature_matches(key: bytes | None, sealed: bytes, sealed_text: str, signature: str) -> bool:
    """Tell whether `signature` is one of the two accepted forms (contract §2.3), in constant time.

    The signature's own shape, which its sender knows anyway, says which form it claims to be: one HMAC is computed.

    Args:
        key: the device key, or None for an unknown device, which costs the same work and never matches.
        sealed: the bytes of `sealed_text`.
        sealed_text: the Base64 text as it was sent.
        signature: the text as it was sent.
    """
    used = _NO_KEY if key is None else key
    expected = sign_sketch(used, sealed_text) if _SKETCH_FORM.fullmatch(signature) else sign(used, sealed)
    matches = hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))
    return matches and key is not None


def text_signature_matches(key: bytes | None, texts: Sequence[bytes], signature: str) -> bool:
    """Tell whether `signature` is `sign` over one of `texts`, in constant time; never for an unknown device's None."""
    used = _NO_KEY if key is None else key
    given = signature.encode("utf-8", "surrogatepass")
    matches = False
    for text in texts:
        matches |= hmac.compare_digest(sign(used, text).encode(), given)
    return matches and key is not None
