"""Where the key-encryption key is kept. A provider's module, and its library, are loaded only where it is used.

| `kek_source` | the key is | extra |
| --- | --- | --- |
| `file:PATH` | Base64 in a file; a relative path lies in the keys' folder | |
| `env:NAME` | Base64 in an environment variable | |
| `aws-kms:KEY` | beside the keys, wrapped by AWS KMS (key id, ARN or alias) | `aws` |
| `gcp-kms:projects/…/cryptoKeys/KEY` | beside the keys, wrapped by Google Cloud KMS | `gcp` |
| `gcp-secret:projects/…/secrets/NAME` | Base64 in the latest version of a Secret Manager secret | `gcp` |
| `vault-transit:MOUNT/KEY` | beside the keys, wrapped by HashiCorp Vault's Transit engine | `vault` |
| `vault-kv:MOUNT/PATH` | Base64 in the field `kek` of a KV version 2 secret | `vault` |

Credentials are found the library's own way (AWS's and Google's default chains; VAULT_ADDR and VAULT_TOKEN).
"""

import importlib
from pathlib import Path
from typing import NamedTuple, Protocol

from tacita.crypto.errors import KeyringError


class KekSource(Protocol):
    """A place that keeps one key-encryption key of 32 bytes. Every method raises `KeyringError` where it can't."""

    @property
    def text(self) -> str:
        """The setting that names it."""

    def exists(self) -> bool:
        """Tell whether it holds a key."""

    def read(self) -> bytes:
        """Return the key."""

    def write(self, kek: bytes) -> None:
        """Keep `kek` instead, durably."""


class _Provider(NamedTuple):
    module: str
    extra: str


_PROVIDERS = {
    "file": _Provider("local", ""),
    "env": _Provider("local", ""),
    "aws-kms": _Provider("aws", "aws"),
    "gcp-kms": _Provider("gcp", "gcp"),
    "gcp-secret": _Provider("gcp", "gcp"),
    "vault-transit": _Provider("vault", "vault"),
    "vault-kv": _Provider("vault", "vault"),
}


def kek_source(text: str, folder: Path) -> KekSource:
    """Return the source that a setting names.

    Args:
        text: `<scheme>:<reference>`, see above.
        folder: the keys' folder, where wrapped keys lie.

    Raises:
        KeyringError: no such scheme, no reference, or the provider's library isn't installed.
    """
    scheme, _, reference = text.partition(":")
    provider = _PROVIDERS.get(scheme)
    if provider is None or not reference:
        raise KeyringError(f"kek_source is not one of {', '.join(f'{known}:…' for known in _PROVIDERS)}")
    try:
        module = importlib.import_module(f"{__name__}.{provider.module}")
    except ModuleNotFoundError:
        raise KeyringError(f"{scheme} needs its library: pip install 'tacita[{provider.extra}]'") from None
    source: KekSource = module.source(scheme, reference, folder)
    return source
