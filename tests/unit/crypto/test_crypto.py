import binascii
import hmac
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tacita.crypto import envelope, hpke
from tacita.crypto.errors import DoesNotOpen, KeyringError, MalformedBase64
from tacita.crypto.keyring import Keyring
from tacita.crypto.providers.local import KEK_ENVIRONMENT

KEY = bytes(range(32))


@given(st.binary(max_size=500))
def test_what_is_sealed_opens(plaintext: bytes) -> None:
    assert envelope.open_sealed(KEY, envelope.seal(KEY, plaintext)) == plaintext


@given(st.binary(max_size=60), st.integers(0, 10_000))
def test_a_changed_byte_does_not_open(plaintext: bytes, where: int) -> None:
    sealed = bytearray(envelope.seal(KEY, plaintext))
    sealed[where % len(sealed)] ^= 1
    with pytest.raises(DoesNotOpen):
        envelope.open_sealed(KEY, bytes(sealed))


@pytest.mark.parametrize("length", [0, 11, 27])
def test_a_text_too_short_to_hold_nonce_and_tag_does_not_open(length: int) -> None:
    with pytest.raises(DoesNotOpen):
        envelope.open_sealed(KEY, bytes(length))


@pytest.mark.parametrize("text", ["", "QQ==", "QUI="])
def test_padded_base64_decodes(text: str) -> None:
    assert envelope.encode_base64(envelope.decode_base64(text)) == text


@given(st.text("ABQRg+/=-_ \n\u00e9", max_size=9) | st.binary(max_size=40).map(envelope.encode_base64))
def test_just_padded_standard_alphabet_decodes_as_the_slow_decoder_has_it(text: str) -> None:
    if re.fullmatch(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", text):
        assert envelope.decode_base64(text) == binascii.a2b_base64(text, strict_mode=True)
    else:
        with pytest.raises(MalformedBase64):
            envelope.decode_base64(text)


@pytest.mark.parametrize(
    "text", ["QUJD=", "QUJD====", "\ud800AAA", "QQ", "QQ=", "Q Q=", "QQ==\n", "-_==", "QR==é", "A", "QQ==QQ=="]
)
def test_anything_else_is_malformed_base64(text: str) -> None:
    with pytest.raises(MalformedBase64):
        envelope.decode_base64(text)


def test_the_apps_signature_and_the_sketchs_are_both_accepted() -> None:
    sealed = envelope.seal(KEY, b"graph")
    text = envelope.encode_base64(sealed)
    assert envelope.signature_matches(KEY, sealed, text, envelope.sign(KEY, sealed))
    assert envelope.signature_matches(KEY, sealed, text, envelope.sign_sketch(KEY, text))


def test_both_forms_are_made_as_the_contract_says() -> None:
    sealed = envelope.seal(KEY, b"graph")
    text = envelope.encode_base64(sealed)
    mac, text_mac = hmac.digest(KEY, sealed, "sha256"), hmac.digest(KEY, text.encode(), "sha256")

    assert envelope.sign(KEY, sealed) == binascii.b2a_base64(mac, newline=False).decode()
    assert envelope.sign_sketch(KEY, text) == text_mac.hex()


@given(st.sampled_from(["app", "sketch"]), st.sampled_from([KEY, bytes(32), None]), st.integers(0, 43))
def test_a_signature_matches_just_if_it_is_one_of_the_two_forms(form: str, key: bytes | None, changed: int) -> None:
    sealed = envelope.seal(KEY, b"graph")
    text = envelope.encode_base64(sealed)
    signature = envelope.sign(KEY, sealed) if form == "app" else envelope.sign_sketch(KEY, text)
    broken = signature[:changed] + ("0" if signature[changed] != "0" else "1") + signature[changed + 1 :]

    assert envelope.signature_matches(key, sealed, text, signature) == (key == KEY)
    assert not envelope.signature_matches(key, sealed, text, broken)
    assert not envelope.signature_matches(key, sealed, text, signature.swapcase())


@pytest.mark.parametrize("signature", ["", "é", "\ud800", "0" * 64])
def test_any_other_signature_is_refused(signature: str) -> None:
    sealed = envelope.seal(KEY, b"graph")
    assert not envelope.signature_matches(KEY, sealed, envelope.encode_base64(sealed), signature)


def test_an_unknown_devices_signature_never_matches() -> None:
    sealed = envelope.seal(bytes(32), b"graph")
    text = envelope.encode_base64(sealed)
    assert not envelope.signature_matches(None, sealed, text, envelope.sign(bytes(32), sealed))


def test_a_wrapped_device_key_opens_for_its_device_only() -> None:
    pair = hpke.EnrolmentKey.generate("k1")
    sealed = hpke.wrap(pair.public_bytes, KEY, "ab" * 32)
    assert len(sealed) == 32 + 32 + 16
    assert pair.unwrap(sealed, "ab" * 32) == KEY
    with pytest.raises(DoesNotOpen):
        pair.unwrap(sealed, "cd" * 32)


@pytest.mark.parametrize("length", [0, 31, 33, 80])
def test_garbage_is_not_unwrapped(length: int) -> None:
    with pytest.raises(DoesNotOpen):
        hpke.EnrolmentKey.generate("k1").unwrap(bytes(length), "ab" * 32)


def test_a_device_key_of_another_length_is_not_unwrapped() -> None:
    pair = hpke.EnrolmentKey.generate("k1")
    with pytest.raises(DoesNotOpen):
        pair.unwrap(hpke.wrap(pair.public_bytes, KEY[:16], "ab" * 32), "ab" * 32)


def test_the_ring_keeps_its_keys_sealed_on_disk(tmp_path: Path) -> None:
    ring = Keyring.create(tmp_path / "keys")
    ring.put("ledger", KEY)
    assert Keyring.load(tmp_path / "keys").get("ledger") == KEY
    assert KEY not in (tmp_path / "keys" / "ledger.sealed").read_bytes()
    assert (tmp_path / "keys" / "ledger.sealed").stat().st_mode & 0o777 == 0o600


def test_a_key_encryption_key_from_the_environment_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEK_ENVIRONMENT, envelope.encode_base64(KEY))
    ring = Keyring.create(tmp_path)
    ring.put("ledger", KEY)
    assert [p.name for p in tmp_path.iterdir()] == ["ledger.sealed"]


def test_another_key_encryption_key_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Keyring.create(tmp_path).put("ledger", KEY)
    monkeypatch.setenv(KEK_ENVIRONMENT, envelope.encode_base64(bytes(32)))
    with pytest.raises(KeyringError):
        Keyring.load(tmp_path).get("ledger")


@pytest.mark.parametrize("text", ["", "short", "QUJD"])
def test_a_wrong_key_encryption_key_is_named_by_its_source(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEK_ENVIRONMENT, text)
    with pytest.raises(KeyringError, match=KEK_ENVIRONMENT):
        Keyring.load(tmp_path)


def test_a_missing_key_encryption_key_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="no key-encryption key"):
        Keyring.load(tmp_path)


def test_a_sealed_key_cannot_pass_for_another(tmp_path: Path) -> None:
    ring = Keyring.create(tmp_path)
    ring.put("a", KEY)
    (tmp_path / "b.sealed").write_bytes((tmp_path / "a.sealed").read_bytes())
    with pytest.raises(KeyringError):
        ring.get("b")
