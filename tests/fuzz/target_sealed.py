"""Sealed texts and wrapped keys: nothing but what the holder of the key made ever opens."""

from contextlib import suppress
from functools import cache

from tests.graphs import DEVICE

from tacita.crypto.envelope import NONCE_BYTES, TAG_BYTES, decode_base64, open_sealed, seal
from tacita.crypto.errors import DoesNotOpen, MalformedBase64
from tacita.crypto.hpke import X25519_SUITE, XWING_SUITE, EnrolmentKey, wrap

_KEY = bytes(range(32))
_X25519_BYTES = 32


@cache
def _pair(suite: str) -> EnrolmentKey:
    return EnrolmentKey.generate("fuzz", suite)


def check(data: bytes) -> None:
    """Open `data` as a sealed text and as a wrapped key, as it is and laid over sound ones."""
    _must_not_open(data, None)
    _must_not_open(data, data[:16])
    sealed = seal(_KEY, data)
    assert open_sealed(_KEY, sealed) == data
    _must_not_open(sealed[: len(data) % (NONCE_BYTES + TAG_BYTES)], None)
    if any(data[:NONCE_BYTES]):
        _must_not_open(_laid_over(sealed, data), None)
    for suite in (X25519_SUITE, XWING_SUITE):
        _check_wrapping(data, suite)
    with suppress(MalformedBase64):
        decode_base64(data.decode("utf-8", "surrogateescape"))


def _check_wrapping(data: bytes, suite: str) -> None:
    pair = _pair(suite)
    wrapped = wrap(pair.public_bytes, _KEY, DEVICE, suite)
    assert pair.unwrap(wrapped, DEVICE) == _KEY
    _must_not_unwrap(pair, data)
    if any(
        data[: _X25519_BYTES - 1]
    ):  # the top bit of an X25519 key's last byte is ignored, so that byte is left alone
        _must_not_unwrap(pair, _laid_over(wrapped, data[: _X25519_BYTES - 1]))


def _laid_over(sound: bytes, data: bytes) -> bytes:
    changed = bytes(a ^ b for a, b in zip(sound, data, strict=False))
    return changed + sound[len(changed) :]


def _must_not_open(data: bytes, associated_data: bytes | None) -> None:
    try:
        open_sealed(_KEY, data, associated_data)
    except DoesNotOpen:
        return
    raise AssertionError("something opened that nobody sealed")


def _must_not_unwrap(pair: EnrolmentKey, data: bytes) -> None:
    try:
        pair.unwrap(data, DEVICE)
    except DoesNotOpen:
        return
    raise AssertionError("a key was unwrapped that nobody wrapped")
