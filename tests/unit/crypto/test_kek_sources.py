"""Where a key-encryption key may be kept: settings that name no such place get one clear line."""

import subprocess
import sys
from pathlib import Path

import pytest

from tacita.crypto.envelope import encode_base64
from tacita.crypto.errors import KeyringError
from tacita.crypto.keyring import Keyring
from tacita.crypto.providers import kek_source
from tacita.crypto.providers.kept import WrappedKek

KEK = bytes(range(32))


def test_a_file_source_keeps_its_key_for_its_owner_alone(tmp_path: Path) -> None:
    source = kek_source("file:own.key", tmp_path)

    source.write(KEK)

    assert (source.exists(), source.read()) == (True, KEK)
    assert (tmp_path / "own.key").stat().st_mode & 0o777 == 0o600


def test_an_environment_source_reads_its_variable_and_writes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = kek_source("env:MY_KEK", tmp_path)
    assert not source.exists()

    monkeypatch.setenv("MY_KEK", encode_base64(KEK))

    assert (source.exists(), source.read()) == (True, KEK)
    with pytest.raises(KeyringError, match="yours to set"):
        source.write(KEK)


@pytest.mark.parametrize("text", ["", "file", "file:", "s3:key", "aws-kms:"])
def test_a_setting_that_names_no_source_is_a_clear_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="kek_source is not one of"):
        kek_source(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "library", "extra"),
    [
        ("aws-kms:k", "boto3", "aws"),
        ("gcp-kms:k", "google.api_core.exceptions", "gcp"),
        ("vault-kv:s/k", "hvac", "vault"),
    ],
)
def test_a_missing_library_is_named_by_its_extra(
    text: str, library: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = {"aws": "aws", "gcp": "gcp", "vault": "vault"}[extra]
    monkeypatch.delitem(sys.modules, f"tacita.crypto.providers.{module}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(KeyringError, match=rf"tacita\[{extra}\]"):
        kek_source(text, tmp_path)


def test_no_cloud_library_is_loaded_where_none_is_used() -> None:
    # securesystemslib, elsewhere, imports each of them that it finds installed
    code = "import sys, tacita.crypto.keyring; print([m for m in ('boto3', 'hvac', 'grpc') if m in sys.modules])"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert result.stdout.strip() == "[]"


def test_a_key_that_a_service_wraps_lies_wrapped_beside_the_keys(tmp_path: Path) -> None:
    source = WrappedKek("kms:one", tmp_path, wrap=lambda kek: kek[::-1], unwrap=lambda wrapped: wrapped[::-1])
    other = WrappedKek("kms:two", tmp_path, source.wrap, source.unwrap)

    source.write(KEK)

    assert (source.exists(), source.read(), other.exists()) == (True, KEK, False)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [KEK[::-1]]


def test_a_wrapped_key_that_is_gone_or_of_another_length_is_a_clear_error(tmp_path: Path) -> None:
    source = WrappedKek("kms:one", tmp_path, wrap=lambda kek: kek, unwrap=lambda wrapped: wrapped)

    with pytest.raises(KeyringError, match="is missing: the key that kms:one wrapped"):
        Keyring.load(tmp_path, lambda: source)
    source.write(KEK[:16])
    with pytest.raises(KeyringError, match="did not unwrap 32 bytes"):
        Keyring.load(tmp_path, lambda: source)
