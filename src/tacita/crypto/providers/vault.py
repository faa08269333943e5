"""A key-encryption key that HashiCorp Vault's Transit engine wraps, or that its KV engine (version 2) keeps."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
from hvac.exceptions import InvalidPath, VaultError
from requests.exceptions import RequestException

from tacita.crypto.envelope import decode_base64, encode_base64
from tacita.crypto.errors import KeyringError
from tacita.crypto.providers import KekSource
from tacita.crypto.providers.kept import WrappedKek, kek_of_text

_FIELD = "kek"


def _call(text: str, operation: Callable[..., Any], **arguments: Any) -> Any:
    try:
        return operation(**arguments)
    except (VaultError, RequestException) as error:
        raise KeyringError(f"{text}: {type(error).__name__}") from None


def _wrapped_kek(client: hvac.Client, text: str, mount: str, name: str, folder: Path) -> WrappedKek:
    transit, place = client.secrets.transit, {"name": name, "mount_point": mount}

    def wrap(kek: bytes) -> bytes:
        answer = _call(text, transit.encrypt_data, plaintext=encode_base64(kek), **place)
        return str(answer["data"]["ciphertext"]).encode()

    def unwrap(wrapped: bytes) -> bytes:
        answer = _call(text, transit.decrypt_data, ciphertext=wrapped.decode("ascii", "replace"), **place)
        return decode_base64(answer["data"]["plaintext"])

    return WrappedKek(text, folder, wrap, unwrap)


@dataclass(frozen=True)
class KvKek:
    """Base64 in the field `kek` of a secret. Writing adds a version; Vault keeps as many as it is told to."""

    text: str
    mount: str
    path: str
    client: hvac.Client

    def _read(self) -> dict[str, Any]:
        kv = self.client.secrets.kv.v2
        answer = kv.read_secret_version(path=self.path, mount_point=self.mount, raise_on_deleted_version=True)
        data: dict[str, Any] = answer["data"]["data"]
        return data

    def exists(self) -> bool:
        """Tell whether the secret is there."""
        try:
            return _FIELD in self._read()
        except InvalidPath:
            return False
        except (VaultError, RequestException) as error:
            raise KeyringError(f"{self.text}: {type(error).__name__}") from None

    def read(self) -> bytes:
        """Return the key."""
        return kek_of_text(str(_call(self.text, self._read).get(_FIELD, "")), self.text)

    def write(self, kek: bytes) -> None:
        """Add a version."""
        secret = {_FIELD: encode_base64(kek)}
        put = self.client.secrets.kv.v2.create_or_update_secret
        _call(self.text, put, path=self.path, secret=secret, mount_point=self.mount)


def source(scheme: str, reference: str, folder: Path) -> KekSource:
    """Return the source of `vault-transit:MOUNT/KEY` or `vault-kv:MOUNT/PATH`."""
    text = f"{scheme}:{reference}"
    mount, _, name = reference.partition("/")
    if not name:
        raise KeyringError(f"{text} names no key behind its mount, as in {scheme}:MOUNT/NAME")
    client = hvac.Client()
    if scheme == "vault-transit":
        return _wrapped_kek(client, text, mount, name, folder)
    return KvKek(text, mount, name, client)
