"""A key-encryption key in a file, or in the process's environment."""

import os
from dataclasses import dataclass
from pathlib import Path

from tacita.crypto.envelope import encode_base64
from tacita.crypto.errors import KeyringError
from tacita.crypto.private_file import write_private
from tacita.crypto.providers import KekSource
from tacita.crypto.providers.kept import kek_of_text

KEK_ENVIRONMENT = "TACITA_KEK"
KEK_FILE = "key-encryption-key"


@dataclass(frozen=True)
class FileKek:
    """Base64 in a file. Beside the keys it protects nothing from who can read the disk."""

    text: str
    path: Path

    def exists(self) -> bool:
        """Tell whether the file is there."""
        return self.path.exists()

    def read(self) -> bytes:
        """Return the key."""
        try:
            content = self.path.read_text()
        except (OSError, UnicodeDecodeError):
            raise KeyringError(f"no key-encryption key: set {KEK_ENVIRONMENT} or restore {self.path}") from None
        return kek_of_text(content, str(self.path))

    def write(self, kek: bytes) -> None:
        """Replace the file."""
        write_private(self.path, encode_base64(kek).encode() + b"\n")


@dataclass(frozen=True)
class EnvironmentKek:
    """Base64 in an environment variable, which only the operator can change."""

    text: str
    name: str

    def exists(self) -> bool:
        """Tell whether the variable is set."""
        return self.name in os.environ

    def read(self) -> bytes:
        """Return the key."""
        if not self.exists():
            raise KeyringError(f"no key-encryption key: {self.name} is not set")
        return kek_of_text(os.environ[self.name], self.name)

    def write(self, kek: bytes) -> None:
        """Refuse: a process can't change its parent's environment."""
        del kek
        raise KeyringError(f"the key-encryption key in {self.name} is yours to set")


def default_source(folder: Path) -> KekSource:
    """Return the source where none is configured: `TACITA_KEK` if it is set, else a file beside the keys."""
    if KEK_ENVIRONMENT in os.environ:
        return EnvironmentKek(f"env:{KEK_ENVIRONMENT}", KEK_ENVIRONMENT)
    return FileKek(f"file:{KEK_FILE}", folder / KEK_FILE)


def source(scheme: str, reference: str, folder: Path) -> KekSource:
    """Return the source of `file:PATH` or `env:NAME`."""
    if scheme == "env":
        return EnvironmentKek(f"env:{reference}", reference)
    return FileKek(f"file:{reference}", folder / reference)
