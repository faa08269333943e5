"""AWS KMS over its real wire protocol: boto3 against the moto server, in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cloud.loopback import free_port, moto
from tests.sealed import Sealed, rotate, sealed_deployment

from tacita import config
from tacita.crypto.errors import KeyringError
from tacita.crypto.keyring import Keyring
from tacita.crypto.providers import kek_source

boto3 = pytest.importorskip("boto3", reason="`make test-cloud` installs the providers' libraries")
pytestmark = pytest.mark.filterwarnings("default")
KEK = bytes(range(32))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture
def key(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a KMS key; return its id, with everything that boto3 reads in the environment."""
    for name, value in {
        "AWS_ENDPOINT_URL_KMS": endpoint,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    made: str = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
    return made


def test_a_key_comes_back_as_it_was_wrapped_and_lies_in_no_file(key: str, tmp_path: Path) -> None:
    source = kek_source(f"aws-kms:{key}", tmp_path)
    assert not source.exists()

    source.write(KEK)

    assert (source.exists(), source.read()) == (True, KEK)
    assert all(KEK not in path.read_bytes() for path in tmp_path.iterdir())


def test_an_alias_names_a_key_too(key: str, tmp_path: Path) -> None:
    boto3.client("kms").create_alias(AliasName="alias/tacita", TargetKeyId=key)
    source = kek_source("aws-kms:alias/tacita", tmp_path)

    source.write(KEK)

    assert source.read() == KEK


def test_what_kms_wrapped_for_another_purpose_is_not_unwrapped(key: str, tmp_path: Path) -> None:
    source = kek_source(f"aws-kms:{key}", tmp_path)
    source.write(KEK)
    other = boto3.client("kms").encrypt(KeyId=key, Plaintext=KEK, EncryptionContext={"purpose": "other"})
    [path] = tmp_path.iterdir()
    path.write_bytes(other["CiphertextBlob"])

    with pytest.raises(KeyringError, match=rf"aws-kms:{key}: \w+"):
        source.read()


@pytest.mark.parametrize("name", ["00000000-0000-0000-0000-000000000000", "alias/nobody"])
def test_a_key_that_is_not_there_is_said_by_its_code(key: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="NotFoundException"):
        kek_source(f"aws-kms:{name}", tmp_path).write(KEK)


def test_a_service_that_is_away_is_a_clear_error(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://127.0.0.1:{free_port()}")

    with pytest.raises(KeyringError, match="EndpointConnectionError"):
        kek_source(f"aws-kms:{key}", tmp_path).write(KEK)


def test_without_credentials_the_error_says_so(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    boto3.setup_default_session()

    with pytest.raises(KeyringError, match="NoCredentialsError"):
        kek_source(f"aws-kms:{key}", tmp_path).write(KEK)
    boto3.setup_default_session()


def test_a_ring_may_begin_with_a_wrapped_key(key: str, tmp_path: Path) -> None:
    source = kek_source(f"aws-kms:{key}", tmp_path)
    Keyring.create(tmp_path, source).add_ledger_key()

    ledger = Keyring.load(tmp_path, lambda: source).ledger_key()

    assert len(ledger) == 32
    assert {path.suffix for path in tmp_path.iterdir()} == {".sealed", ".wrapped"}


def test_a_deployment_moves_from_a_file_to_kms_and_on_to_its_next_key(key: str, database: str, tmp_path: Path) -> None:
    sealed: Sealed = sealed_deployment(database, tmp_path / "deployment")
    sealed.enrol(10)
    in_the_file = sealed.kek

    rotate(sealed.folder, "--to", f"aws-kms:{key}")
    first = sealed.kek
    rotate(sealed.folder)
    second = sealed.kek

    assert config.load(sealed.folder).settings.kek_source == f"aws-kms:{key}"
    assert len({in_the_file, first, second}) == 3
    assert [sealed.under(kek) for kek in (in_the_file, first, second)] == [0, 0, len(sealed.values())]
