"""The two forms in which every provider keeps a key: as Base64 text, or wrapped in a file beside the keys."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tacita.crypto.envelope import decode_base64
from tacita.crypto.errors import KeyringError, MalformedBase64
from tacita.crypto.private_file import write_private

KEK_BYTES = 32


def kek_of_text(text: str, source: str) -> bytes:
    """Return the key that Base64 text holds.

    Raises:
        KeyringError: it isn't 32 bytes in Base64; the message names `source`, never the text.
    """
    try:
        kek = decode_base64(text.strip())
    except MalformedBase64:
        kek = b""
    if len(kek) != KEK_BYTES:
        raise KeyringError(f"{source} does not hold 32 bytes in Base64")
    return kek


@dataclass(frozen=True)
class WrappedKek:
    """Envelope encryption: the key lies beside the keys that it seals, wrapped by one that never leaves its service.

    Attributes:
        text: the setting that names the service's key; the file's name comes of it.
        folder: the keys' folder.
        wrap: asks the service to encrypt.
        unwrap: asks the service to decrypt, once at a start and once after a rotation.
    """

    text: str
    folder: Path
    wrap: Callable[[bytes], bytes]
    unwrap: Callable[[bytes], bytes]

    @property
    def _path(self) -> Path:
        return self.folder / f"kek-{hashlib.sha256(self.text.encode()).hexdigest()[:12]}.wrapped"

    def exists(self) -> bool:
        """Tell whether a key wrapped by this service's key lies there."""
        return self._path.exists()

    def read(self) -> bytes:
        """Return the unwrapped key."""
        try:
            wrapped = self._path.read_bytes()
        except OSError:
            raise KeyringError(f"{self._path} is missing: the key that {self.text} wrapped") from None
        kek = self.unwrap(wrapped)
        if len(kek) != KEK_BYTES:
            raise KeyringError(f"{self.text} did not unwrap 32 bytes")
        return kek

    def write(self, kek: bytes) -> None:
        """Wrap `kek` and replace the file."""
        write_private(self._path, self.wrap(kek))
