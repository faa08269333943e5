"""Google Cloud KMS and Secret Manager: Google's own clients, over real gRPC on loopback, against services of ours.

Google has no emulator of either. What is proved is what we send and what we make of the answers, not Google's side.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tacita.crypto.errors import KeyringError
from tacita.crypto.providers import kek_source

kms = pytest.importorskip("google.cloud.kms", reason="`make test-cloud` installs the providers' libraries")
pytestmark = pytest.mark.filterwarnings("default")
KEK = bytes(range(32))
KEY = "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/tacita"
SECRET = "projects/p/secrets/tacita"


class Google:
    """Encrypts under one key, and keeps the versions of one secret."""

    def __init__(self) -> None:
        self.key, self.versions = AESGCM.generate_key(256), list[bytes]()

    def encrypt(self, request: Any, context: Any) -> Any:
        self._require(request.name == KEY, context)
        nonce = os.urandom(12)
        sealed = AESGCM(self.key).encrypt(nonce, request.plaintext, request.additional_authenticated_data)
        return kms.EncryptResponse(name=request.name, ciphertext=nonce + sealed)

    def decrypt(self, request: Any, context: Any) -> Any:
        import grpc

        self._require(request.name == KEY, context)
        sealed, bound = request.ciphertext, request.additional_authenticated_data
        try:
            return kms.DecryptResponse(plaintext=AESGCM(self.key).decrypt(sealed[:12], sealed[12:], bound))
        except InvalidTag:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Decryption failed")

    def access(self, request: Any, context: Any) -> Any:
        from google.cloud import secretmanager

        self._require(bool(self.versions) and request.name == f"{SECRET}/versions/latest", context)
        return secretmanager.AccessSecretVersionResponse(payload={"data": self.versions[-1]})

    def add(self, request: Any, context: Any) -> Any:
        from google.cloud import secretmanager

        self._require(request.parent == SECRET, context)
        self.versions.append(request.payload.data)
        return secretmanager.SecretVersion(name=f"{SECRET}/versions/{len(self.versions)}")

    def _require(self, there: bool, context: Any) -> None:
        import grpc

        if not there:
            context.abort(grpc.StatusCode.NOT_FOUND, "not found")


def _handlers(google: Google) -> list[Any]:
    import grpc
    from google.cloud import secretmanager

    def unary(work: Any, request: Any, response: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(work, request.deserialize, response.serialize)

    return [
        grpc.method_handlers_generic_handler(
            "google.cloud.kms.v1.KeyManagementService",
            {
                "Encrypt": unary(google.encrypt, kms.EncryptRequest, kms.EncryptResponse),
                "Decrypt": unary(google.decrypt, kms.DecryptRequest, kms.DecryptResponse),
            },
        ),
        grpc.method_handlers_generic_handler(
            "google.cloud.secretmanager.v1.SecretManagerService",
            {
                "AccessSecretVersion": unary(
                    google.access, secretmanager.AccessSecretVersionRequest, secretmanager.AccessSecretVersionResponse
                ),
                "AddSecretVersion": unary(
                    google.add, secretmanager.AddSecretVersionRequest, secretmanager.SecretVersion
                ),
            },
        ),
    ]


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    """Serve, and let Google's clients find the services there instead of at googleapis.com."""
    import grpc
    from google.cloud import secretmanager
    from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport
    from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
        SecretManagerServiceGrpcTransport,
    )

    made = Google()
    server = grpc.server(ThreadPoolExecutor(2), handlers=_handlers(made))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    kms_client, secret_client = kms.KeyManagementServiceClient, secretmanager.SecretManagerServiceClient
    monkeypatch.setattr(
        kms,
        "KeyManagementServiceClient",
        lambda: kms_client(transport=KeyManagementServiceGrpcTransport(channel=channel)),
    )
    monkeypatch.setattr(
        secretmanager,
        "SecretManagerServiceClient",
        lambda: secret_client(transport=SecretManagerServiceGrpcTransport(channel=channel)),
    )
    yield made
    channel.close()
    server.stop(None)


def test_kms_wraps_a_key_that_then_lies_in_no_file(google: Google, tmp_path: Path) -> None:
    source = kek_source(f"gcp-kms:{KEY}", tmp_path)
    assert not source.exists()

    source.write(KEK)

    assert (source.exists(), source.read()) == (True, KEK)
    assert all(KEK not in path.read_bytes() for path in tmp_path.iterdir())


def test_what_kms_wrapped_for_another_purpose_is_not_unwrapped(google: Google, tmp_path: Path) -> None:
    source = kek_source(f"gcp-kms:{KEY}", tmp_path)
    source.write(KEK)
    [path] = tmp_path.iterdir()
    path.write_bytes(bytes(12) + AESGCM(google.key).encrypt(bytes(12), KEK, b"other"))

    with pytest.raises(KeyringError, match="InvalidArgument"):
        source.read()


def test_a_key_that_is_not_there_is_a_clear_error(google: Google, tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="NotFound"):
        kek_source(f"gcp-kms:{KEY}-other", tmp_path).write(KEK)


def test_secret_manager_keeps_a_key_and_adds_a_version_for_the_next(google: Google, tmp_path: Path) -> None:
    source = kek_source(f"gcp-secret:{SECRET}", tmp_path)
    assert not source.exists()

    source.write(bytes(32))
    source.write(KEK)

    assert (source.exists(), source.read(), len(google.versions)) == (True, KEK, 2)


def test_a_secret_of_another_kind_is_a_clear_error(google: Google, tmp_path: Path) -> None:
    google.versions.append(b"\xff\x00 no key")

    with pytest.raises(KeyringError, match="does not hold 32 bytes"):
        kek_source(f"gcp-secret:{SECRET}", tmp_path).read()


def test_without_credentials_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(KeyringError, match="DefaultCredentialsError"):
        kek_source(f"gcp-kms:{KEY}", tmp_path)
