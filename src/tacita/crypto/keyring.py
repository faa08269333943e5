"""The deployment's own keys: files sealed under one key-encryption key that comes from a file or the environment.

Column sealing and keyed tags are here too, because their keys are the ring's.
"""

import fcntl
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tacita.crypto.envelope import decode_base64, encode_base64, open_sealed, seal
from tacita.crypto.errors import CryptographyError, KeyringError

KEK_ENVIRONMENT = "TACITA_KEK"
_KEK_FILE = "key-encryption-key"
_LOCK_FILE = "lock"
_KEY_BYTES = 32


def keyed_tag(key: bytes, label: str, data: bytes) -> bytes:
    """Return HMAC-SHA256(key, label | data): a 32-byte name for `data` that only the key's holder can make."""
    return hmac.digest(key, label.encode() + b"|" + data, "sha256")


def random_key() -> bytes:
    """Return 32 random bytes from the operating system."""
    return secrets.token_bytes(_KEY_BYTES)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, durably and whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _key_encryption_key(folder: Path) -> bytes:
    text = os.environ.get(KEK_ENVIRONMENT)
    source = KEK_ENVIRONMENT if text is not None else str(folder / _KEK_FILE)
    if text is None:
        try:
            text = (folder / _KEK_FILE).read_text().strip()
        except OSError:
            raise KeyringError(f"no key-encryption key: set {KEK_ENVIRONMENT} or restore {source}") from None
    try:
        key = decode_base64(text)
    except CryptographyError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise KeyringError(f"{source} does not hold 32 bytes in Base64")
    return key


@dataclass(frozen=True)
class Keyring:
    """The opened ring of one deployment.

    Attributes:
        folder: where the sealed key files lie.
        kek: the 32-byte key-encryption key.
    """

    folder: Path
    kek: bytes

    @classmethod
    def create(cls, folder: Path) -> "Keyring":
        """Make the folder and, unless the environment gives one, its key-encryption key."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if KEK_ENVIRONMENT not in os.environ and not (folder / _KEK_FILE).exists():
            write_private(folder / _KEK_FILE, encode_base64(random_key()).encode() + b"\n")
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> "Keyring":
        """Open an existing ring.

        Raises:
            KeyringError: no key-encryption key, or it isn't 32 bytes of Base64.
        """
        return cls(folder, _key_encryption_key(folder))

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
        except (OSError, CryptographyError):
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

    def names(self, prefix: str) -> list[str]:
        """Return the sorted names of the keys that start with `prefix`."""
        return sorted(path.stem for path in self.folder.glob(f"{prefix}*.sealed"))

    def seal(self, plaintext: bytes, label: str) -> bytes:
        """Seal a column value (or a key) bound to `label`, which says what and whose it is."""
        return seal(self.kek, plaintext, label.encode())

    def open(self, sealed: bytes, label: str) -> bytes:
        """Return the plaintext of `seal` under the same label.

        Raises:
            DoesNotOpen: another key, another label, or changed.
        """
        return open_sealed(self.kek, sealed, label.encode())

    def ledger_key(self) -> bytes:
        """Return the key of the ledger's device tags."""
        return self.get("ledger")

    def add_ledger_key(self) -> None:
        """Make the key of the ledger's device tags, unless there is one."""
        if not self.names("ledger"):
            self.put("ledger", random_key())
