"""The deployment's own keys: files sealed under one key-encryption key that a provider keeps.

Column sealing and keyed tags are here too, because their keys are the ring's.
"""

import fcntl
import hmac
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tacita.crypto.errors import DoesNotOpen, KeyringError
from tacita.crypto.key_encryption import KeyEncryptionKeys
from tacita.crypto.private_file import write_private
from tacita.crypto.providers import KekSource
from tacita.crypto.providers.local import default_source

_LOCK_FILE = "lock"
_KEY_BYTES = 32


def keyed_tag(key: bytes, label: str, data: bytes) -> bytes:
    """Return HMAC-SHA256(key, label | data): a 32-byte name for `data` that only the key's holder can make."""
    return hmac.digest(key, label.encode() + b"|" + data, "sha256")


def random_key() -> bytes:
    """Return 32 random bytes from the operating system."""
    return secrets.token_bytes(_KEY_BYTES)


@dataclass(frozen=True)
class Keyring:
    """The opened ring of one deployment.

    Attributes:
        folder: where the sealed key files lie.
        keks: the key-encryption keys, which a running rotation may change.
    """

    folder: Path
    keks: KeyEncryptionKeys

    @classmethod
    def create(cls, folder: Path, source: KekSource | None = None) -> "Keyring":
        """Make the folder and, unless its source has one, a key-encryption key."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = source or default_source(folder)
        if not kept.exists():
            kept.write(random_key())
        return cls.load(folder, lambda: kept)

    @classmethod
    def load(cls, folder: Path, source: Callable[[], KekSource] | None = None) -> "Keyring":
        """Open an existing ring.

        Args:
            folder: where its files lie.
            source: tells where the key-encryption key is kept, asked again after a rotation.

        Raises:
            KeyringError: no key-encryption key, or it isn't 32 bytes, or it opens none of the files.
        """
        if not folder.is_dir():
            raise KeyringError(f"the keys' folder {folder} is missing")
        return cls(folder, KeyEncryptionKeys(folder, source or (lambda: default_source(folder))))

    def put(self, name: str, secret: bytes) -> None:
        """Seal `secret` into a file of its own, durably, bound to its name."""
        write_private(self.folder / f"{name}.sealed", self.seal(secret, f"key/{name}"))

    def get(self, name: str) -> bytes:
        """Return the secret of `name`.

        Raises:
            KeyringError: the file is missing or does not open under this key-encryption key.
        """
        try:
            return self.open((self.folder / f"{name}.sealed").read_bytes(), f"key/{name}")
        except (OSError, DoesNotOpen):
            raise KeyringError(f"the key file {name}.sealed is missing or sealed under another key") from None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the ring for a command that changes it, so that two don't at once.

        Raises:
            KeyringError: another command holds it.
        """
        with (self.folder / _LOCK_FILE).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise KeyringError("another command is changing the keys") from None
            yield

    def remove(self, name: str) -> None:
        """Destroy the secret of `name`; it may be gone already."""
        (self.folder / f"{name}.sealed").unlink(missing_ok=True)

    def has(self, name: str) -> bool:
        """Tell whether there is a secret of `name`."""
        return (self.folder / f"{name}.sealed").exists()

    def names(self, prefix: str) -> list[str]:
        """Return the sorted names of the keys that start with `prefix`."""
        return sorted(path.stem for path in self.folder.glob(f"{prefix}*.sealed"))

    def reseal_files(self) -> int:
        """Seal every key file under the present key-encryption key; return how many weren't."""
        count = 0
        for name in self.names(""):
            path = self.folder / f"{name}.sealed"
            sealed = self.keks.resealed(path.read_bytes(), f"key/{name}")
            if sealed is not None:
                write_private(path, sealed)
                count += 1
        return count

    def seal(self, plaintext: bytes, label: str) -> bytes:
        """Seal a column value (or a key) bound to `label`, which says what and whose it is."""
        return self.keks.seal(plaintext, label)

    def open(self, sealed: bytes, label: str) -> bytes:
        """Return the plaintext of `seal` under the same label.

        Raises:
            DoesNotOpen: another key, another label, or changed.
        """
        return self.keks.open(sealed, label)

    def ledger_key(self) -> bytes:
        """Return the key of the ledger's device tags."""
        return self.get("ledger")

    def add_ledger_key(self) -> None:
        """Make the key of the ledger's device tags, unless there is one."""
        if not self.names("ledger"):
            self.put("ledger", random_key())
