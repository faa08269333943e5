"""The second suite is X-Wing under HPKE, as CryptoKit has it: the published vector, through an own key schedule."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.unit.crypto import xwing_vector as vector

from tacita.crypto.errors import DoesNotOpen, MalformedPublicKey
from tacita.crypto.hpke import XWING_SUITE, EnrolmentKey, wrap

DEVICE = "ab" * 32
KEY = bytes(range(32))
SUITE_ID = b"HPKE" + bytes.fromhex("647a 0001 0002")
"""IANA: X-Wing, HKDF-SHA256, AES-256-GCM."""


def _published() -> EnrolmentKey:
    """Return the vector's key: X-Wing expands its 32-byte seed to ML-KEM's seed and X25519's secret."""
    return EnrolmentKey("k1", hashlib.shake_256(vector.SECRET_SEED).digest(96), XWING_SUITE)


def _labelled(label: bytes, data: bytes) -> bytes:
    return b"HPKE-v1" + SUITE_ID + label + data


def _extract(salt: bytes, label: bytes, key: bytes) -> bytes:
    return hmac.digest(salt, _labelled(label, key), "sha256")


def _expand(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """Return RFC 9180's LabeledExpand for at most one block of HKDF."""
    return hmac.digest(secret, length.to_bytes(2) + _labelled(label, context) + b"\x01", "sha256")[:length]


def _ciphertext(shared_secret: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Seal as RFC 9180 §5.1 and §5.2 say for base mode, message 0."""
    context = b"\x00" + _extract(b"", b"psk_id_hash", b"") + _extract(b"", b"info_hash", info)
    secret = _extract(shared_secret, b"secret", b"")
    key, nonce = _expand(secret, b"key", context, 32), _expand(secret, b"base_nonce", context, 12)
    return AESGCM(key).encrypt(nonce, plaintext, b"")


def test_the_published_secret_has_the_published_public_key() -> None:
    public = _published().public_bytes

    assert len(public) == 1_216
    assert public.startswith(vector.PUBLIC_KEY_BEGINS)
    assert public.endswith(vector.PUBLIC_KEY_ENDS)


def test_what_is_sealed_under_the_published_shared_secret_opens() -> None:
    info = f"tacita/enroll/1|{DEVICE}".encode()

    sealed = vector.ENCAPSULATED_KEY + _ciphertext(vector.SHARED_SECRET, info, KEY)

    assert _published().unwrap(sealed, DEVICE) == KEY


def test_another_shared_secret_does_not_open() -> None:
    info = f"tacita/enroll/1|{DEVICE}".encode()
    other = bytes([vector.SHARED_SECRET[0] ^ 1]) + vector.SHARED_SECRET[1:]

    sealed = vector.ENCAPSULATED_KEY + _ciphertext(other, info, KEY)

    with pytest.raises(DoesNotOpen):
        _published().unwrap(sealed, DEVICE)


def test_a_key_wrapped_with_x_wing_opens_for_its_device_only() -> None:
    pair = EnrolmentKey.generate("k1", XWING_SUITE)

    sealed = wrap(pair.public_bytes, KEY, DEVICE, XWING_SUITE)

    assert len(sealed) == 1_120 + 32 + 16
    assert pair.unwrap(sealed, DEVICE) == KEY
    with pytest.raises(DoesNotOpen):
        pair.unwrap(sealed, "cd" * 32)


@pytest.mark.parametrize("length", [0, 31, 80, 1_120, 1_168, 2_000])
def test_garbage_is_not_unwrapped(length: int) -> None:
    with pytest.raises(DoesNotOpen):
        EnrolmentKey.generate("k1", XWING_SUITE).unwrap(bytes(length), DEVICE)


@pytest.mark.parametrize("length", [0, 32, 1_184, 1_215, 1_216, 1_217])
def test_a_public_key_that_is_none_is_not_wrapped_to(length: int) -> None:
    with pytest.raises(MalformedPublicKey):
        wrap(bytes(length), KEY, DEVICE, XWING_SUITE)
