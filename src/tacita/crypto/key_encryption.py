"""The key-encryption keys of one ring: one that seals, and during a rotation one more that still opens.

A sealed value does not say which key it is under; opening tries the present one first. Two files in the keys' folder
make a rotation: `previous.kek`, the old key sealed under the new, and `next.kek`, the new key sealed under the old,
with where it will be kept. From the moment `next.kek` is there, the new key seals. Who holds the old key learns the new
one from it, and who starts with the new one learns the old one from the other: a running worker needs no restart,
whichever of the two its source gives it. It looks at the folder before it seals, and after a value that doesn't open.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from tacita.crypto.envelope import open_sealed, seal
from tacita.crypto.errors import DoesNotOpen, KeyringError
from tacita.crypto.private_file import sync_folder, write_private
from tacita.crypto.providers import KekSource
from tacita.crypto.watched_folder import WatchedFolder

_NEXT, _PREVIOUS = "next.kek", "previous.kek"


class _Next(msgspec.Struct, frozen=True):
    """What `next.kek` holds: the new key (Base64), and the setting that names where it will be kept."""

    kek: bytes
    target: str


def _opened(keks: list[bytes], sealed: bytes, label: str) -> bytes | None:
    for kek in keks:
        try:
            return open_sealed(kek, sealed, label.encode())
        except DoesNotOpen:
            continue
    return None


class KeyEncryptionKeys:
    """Seals and opens for one ring.

    Args:
        folder: the ring's.
        source: tells where the key is kept, as configured at the moment of the call.

    Raises:
        KeyringError: the source gives no key, or one that opens none of the ring's files.
    """

    def __init__(self, folder: Path, source: Callable[[], KekSource]) -> None:
        self.folder, self._source = folder, source
        self._watched = WatchedFolder(folder)
        self._known: list[bytes] = []
        self._watched.may_have_changed()
        self._refresh()

    @property
    def current(self) -> bytes:
        """The 32-byte key that seals, as of the last look."""
        return self._known[0]

    def seal(self, plaintext: bytes, label: str) -> bytes:
        """Seal under the present key, bound to `label`."""
        if self._watched.may_have_changed():
            self._refresh()
        return seal(self.current, plaintext, label.encode())

    def open(self, sealed: bytes, label: str) -> bytes:
        """Return the plaintext of `seal`.

        Raises:
            DoesNotOpen: under none of the keys.
            KeyringError: the folder changed, and the source can't be read again.
        """
        plain = _opened(self._known, sealed, label)
        if plain is None and self._watched.may_have_changed():
            self._refresh()
            plain = _opened(self._known, sealed, label)
        if plain is None:
            raise DoesNotOpen("sealed text does not open")
        return plain

    def resealed(self, sealed: bytes, label: str) -> bytes | None:
        """Return a value sealed anew under the present key, or None when it is already.

        Raises:
            DoesNotOpen: under none of the keys.
        """
        if _opened([self.current], sealed, label) is not None:
            return None
        return self.seal(self.open(sealed, label), label)

    def target(self) -> str | None:
        """Return where the key of the rotation under way will be kept, or None when none is under way."""
        step = self._next(self._known)
        return None if step is None else step.target

    def begin(self, kek: bytes, target: str) -> None:
        """Let `kek` seal from now on, to be kept at `target` in the end; the present key still opens."""
        write_private(self.folder / _PREVIOUS, seal(kek, self.current, f"kek/{_PREVIOUS}".encode()))
        step = msgspec.json.encode(_Next(kek, target))
        write_private(self.folder / _NEXT, seal(self.current, step, f"kek/{_NEXT}".encode()))
        self._refresh()

    def finish(self) -> None:
        """Forget the old key, once nothing is sealed under it and the source gives the new one."""
        for name in (_NEXT, _PREVIOUS):
            (self.folder / name).unlink(missing_ok=True)
        sync_folder(self.folder)

    def _refresh(self) -> None:
        known = self._learned(self._known)
        current = self._present(known)
        if current is None:
            known = self._learned([self._source().read(), *known])
            current = self._present(known)
        if current is None:
            raise KeyringError(f"the key-encryption key opens nothing in {self.folder}")
        self._known = [current, *(kek for kek in known if kek != current)]

    def _learned(self, known: list[bytes]) -> list[bytes]:
        """Return `known` and what it opens: the other key of a rotation."""
        previous = self._read(_PREVIOUS)
        step = self._next(known)
        if step is not None:
            known = [*known, step.kek]
        opened = None if previous is None else _opened(known, previous, f"kek/{_PREVIOUS}")
        return list(dict.fromkeys(known if opened is None else [*known, opened]))

    def _present(self, known: list[bytes]) -> bytes | None:
        """Return which key is to seal: a rotation's new one, else the one that the ring's files are under."""
        if self._read(_NEXT) is not None:
            step = self._next(known)
            return None if step is None else step.kek
        names = sorted(self.folder.glob("*.sealed"))
        for path in names:
            for kek in known:
                try:
                    open_sealed(kek, path.read_bytes(), f"key/{path.stem}".encode())
                except (OSError, DoesNotOpen):
                    continue
                return kek
        return known[0] if known and not names else None

    def _next(self, known: list[bytes]) -> _Next | None:
        sealed = self._read(_NEXT)
        plain = None if sealed is None else _opened(known, sealed, f"kek/{_NEXT}")
        return None if plain is None else msgspec.json.decode(plain, type=_Next)

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
