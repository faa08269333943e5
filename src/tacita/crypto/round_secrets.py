"""A secret a round, in a file of its own: what the round's key is sealed under, and what is destroyed to erase a round.

What a database deletes stays in its log, in dead rows and in its backups, and so does every key that was ever a column.
A file is overwritten, removed and gone, as far as its file system allows (decision 20). The secrets never enter the
database, and lie in `rounds/` in the ring's folder: no backup may hold them, and all hosts of a deployment share it.
"""

import os
from pathlib import Path

from tacita.crypto.errors import KeyringError
from tacita.crypto.keyring import random_key
from tacita.crypto.private_file import sync_folder, write_private

_FOLDER, _SUFFIX, _BYTES = "rounds", ".secret", 32


def _path(keys: Path, number: int) -> Path:
    return keys / _FOLDER / f"{number}{_SUFFIX}"


def obtain(keys: Path, number: int) -> bytes:
    """Return the secret of a round that is about to be opened; make it first if there is none.

    Args:
        keys: the ring's folder.
        number: the round. Whoever opens it keeps others from doing so at once (`store.rounds.hold_closing`).
    """
    path = _path(keys, number)
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(path, random_key())
    return read(keys, number)


def read(keys: Path, number: int) -> bytes:
    """Return the 32-byte secret of a round.

    Raises:
        KeyringError: it isn't there: it was destroyed, or its folder isn't the one that it was made in.
    """
    try:
        secret = _path(keys, number).read_bytes()
    except OSError:
        secret = b""
    if len(secret) != _BYTES:
        raise KeyringError(f"the secret of round {number} is destroyed or missing")
    return secret


def held(keys: Path) -> list[int]:
    """Return the rounds whose secret is there, in ascending order."""
    return sorted(int(path.stem) for path in (keys / _FOLDER).glob(f"*{_SUFFIX}"))


def destroy(keys: Path, number: int) -> None:
    """Overwrite the secret of a round, durably, and remove it. Repeating it, also after a crash, is fine."""
    path = _path(keys, number)
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        os.pwrite(descriptor, os.urandom(_BYTES), 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink(missing_ok=True)
    sync_folder(path.parent)
