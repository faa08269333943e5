"""Death at every write of a key-encryption key's rotation: everything opens then, and the next run finishes it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.sealed import Sealed, rotate, sealed_deployment

from tacita import config
from tacita.crypto import key_encryption, keyring, private_file
from tacita.crypto.providers import local
from tacita.store import resealing


class Death(BaseException):
    """The process is gone: nothing catches this."""


@contextmanager
def dying(at: int) -> Iterator[list[str]]:
    """Die instead of making write number `at`, counted from 0; yield the writes that were made."""
    made: list[str] = []

    def counted(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def write(*arguments: Any, **options: Any) -> Any:
            if len(made) == at:
                raise Death
            made.append(name)
            return real(*arguments, **options)

        return write

    with pytest.MonkeyPatch.context() as patched:
        for module in (key_encryption, keyring, local):
            patched.setattr(module, "write_private", counted(private_file.write_private, "file"))
        patched.setattr(config, "write_setting", counted(config.write_setting, "setting"))
        patched.setattr(resealing, "_batch", counted(resealing._batch, "batch"))
        patched.setattr(key_encryption, "sync_folder", counted(private_file.sync_folder, "folder"))
        unlink = Path.unlink

        def unlinked(path: Path, missing_ok: bool = False) -> None:
            forget = counted(unlink, path.name) if path.suffix == ".kek" else unlink
            forget(path, missing_ok=missing_ok)

        patched.setattr(Path, "unlink", unlinked)
        yield made


def everything_opens(sealed: Sealed) -> bool:
    ring = config.load(sealed.folder).keyring()
    return all(ring.open(value, label) for value, label in sealed.values())


@pytest.mark.parametrize("to", [(), ("--to", "file:other.key")], ids=["at the same place", "to another place"])
def test_death_at_any_write_loses_nothing_and_the_next_run_finishes(
    database: str, tmp_path: Path, to: tuple[str, ...]
) -> None:
    sealed = sealed_deployment(database, tmp_path / "deployment")
    sealed.enrol(3)
    survived = []
    for at in range(30):
        with dying(at) as made:
            try:
                rotate(sealed.folder, *to)
            except Death:
                died = True
            else:
                died = False
        assert everything_opens(sealed), made
        if not died:
            break
        survived.append(made)
        under_way = (sealed.folder / "keys" / "next.kek").exists()

        rotate(sealed.folder, *(() if under_way else to))

        assert sealed.under(sealed.kek) == len(sealed.values()), made
        assert not list((sealed.folder / "keys").glob("*.kek")), made
        _back_to_the_default_place(sealed)

    assert len(survived) >= 10, "the rotation has more writes than that"


def _back_to_the_default_place(sealed: Sealed) -> None:
    """Undo what a rotation to another place set, so that the next one starts from the same state."""
    keys = sealed.folder / "keys"
    if (keys / "other.key").exists():
        shutil.move(keys / "other.key", keys / local.KEK_FILE)
        config.write_setting(sealed.folder, "kek_source", f"file:{local.KEK_FILE}")
