"""A key-encryption key that Google Cloud KMS wraps, or that Secret Manager keeps."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.api_core.exceptions import GoogleAPIError, NotFound
from google.auth.exceptions import GoogleAuthError
from google.cloud import kms, secretmanager

from tacita.crypto.envelope import encode_base64
from tacita.crypto.errors import KeyringError
from tacita.crypto.providers import KekSource
from tacita.crypto.providers.kept import WrappedKek, kek_of_text

_AAD = b"tacita/kek/1"


def _call(text: str, operation: Callable[..., Any], request: dict[str, Any]) -> Any:
    try:
        return operation(request=request)
    except (GoogleAPIError, GoogleAuthError) as error:
        raise KeyringError(f"{text}: {type(error).__name__}") from None


def wrapped_kek(client: Any, text: str, name: str, folder: Path) -> WrappedKek:
    """Return a key wrapped by the KMS key `name`, through `client` (a `KeyManagementServiceClient`)."""
    bound = {"name": name, "additional_authenticated_data": _AAD}
    return WrappedKek(
        text,
        folder,
        wrap=lambda kek: bytes(_call(text, client.encrypt, bound | {"plaintext": kek}).ciphertext),
        unwrap=lambda wrapped: bytes(_call(text, client.decrypt, bound | {"ciphertext": wrapped}).plaintext),
    )


@dataclass(frozen=True)
class SecretKek:
    """Base64 in the latest version of a secret. Writing adds a version; the ones before stay until you destroy them."""

    text: str
    name: str
    client: Any

    def exists(self) -> bool:
        """Tell whether the secret has a version."""
        try:
            self.client.access_secret_version(request={"name": f"{self.name}/versions/latest"})
        except NotFound:
            return False
        except (GoogleAPIError, GoogleAuthError) as error:
            raise KeyringError(f"{self.text}: {type(error).__name__}") from None
        return True

    def read(self) -> bytes:
        """Return the key."""
        request = {"name": f"{self.name}/versions/latest"}
        payload: bytes = _call(self.text, self.client.access_secret_version, request).payload.data
        return kek_of_text(payload.decode("ascii", "replace"), self.text)

    def write(self, kek: bytes) -> None:
        """Add a version."""
        payload = {"data": encode_base64(kek).encode()}
        _call(self.text, self.client.add_secret_version, {"parent": self.name, "payload": payload})


def source(scheme: str, reference: str, folder: Path) -> KekSource:
    """Return the source of `gcp-kms:NAME` or `gcp-secret:NAME`, with Google's default credentials."""
    text = f"{scheme}:{reference}"
    try:
        if scheme == "gcp-kms":
            return wrapped_kek(kms.KeyManagementServiceClient(), text, reference, folder)
        return SecretKek(text, reference, secretmanager.SecretManagerServiceClient())
    except GoogleAuthError as error:
        raise KeyringError(f"{text}: {type(error).__name__}") from None
