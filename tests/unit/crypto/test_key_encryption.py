"""Two key-encryption keys during a rotation: who holds either opens everything, and seals under the new one."""

from pathlib import Path

import pytest

from tacita.crypto.envelope import encode_base64, open_sealed
from tacita.crypto.errors import DoesNotOpen, KeyringError
from tacita.crypto.keyring import Keyring, random_key
from tacita.crypto.providers.local import KEK_FILE, FileKek

SECRET = b"a value in a column"
TARGET = f"file:{KEK_FILE}"


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    made = Keyring.create(tmp_path)
    made.add_ledger_key()
    return made


def keep(ring: Keyring, kek: bytes) -> None:
    FileKek(TARGET, ring.folder / KEK_FILE).write(kek)


def complete(ring: Keyring) -> None:
    """Do the rest of a rotation as the command does."""
    ring.reseal_files()
    keep(ring, ring.keks.current)
    ring.keks.finish()


def test_a_worker_that_runs_learns_the_new_key_before_it_seals(ring: Keyring) -> None:
    running = Keyring.load(ring.folder)
    new = random_key()

    ring.keks.begin(new, TARGET)

    assert open_sealed(new, running.seal(SECRET, "x"), b"x") == SECRET


def test_a_worker_that_runs_opens_what_is_sealed_under_either_key(ring: Keyring) -> None:
    running = Keyring.load(ring.folder)
    before = ring.seal(SECRET, "x")
    ring.keks.begin(random_key(), TARGET)
    after = ring.seal(SECRET, "x")

    assert [running.open(before, "x"), running.open(after, "x")] == [SECRET] * 2


@pytest.mark.parametrize("switched", [False, True], ids=["the source has the old key", "the source has the new key"])
def test_whoever_starts_under_way_opens_both_and_seals_under_the_new_one(ring: Keyring, *, switched: bool) -> None:
    before, new = ring.seal(SECRET, "x"), random_key()
    ring.keks.begin(new, TARGET)
    if switched:
        keep(ring, new)

    started = Keyring.load(ring.folder)

    assert started.open(before, "x") == SECRET
    assert open_sealed(new, started.seal(SECRET, "x"), b"x") == SECRET
    assert started.keks.target() == TARGET


def test_a_worker_that_slept_through_a_whole_rotation_goes_on(ring: Keyring) -> None:
    sleeping = Keyring.load(ring.folder)
    ring.keks.begin(random_key(), TARGET)
    complete(ring)

    assert open_sealed(ring.keks.current, sleeping.seal(SECRET, "x"), b"x") == SECRET
    assert sleeping.open(ring.seal(SECRET, "y"), "y") == SECRET
    assert sleeping.get("ledger") == ring.get("ledger")


def test_a_worker_that_slept_through_one_rotation_and_into_the_next_goes_on(ring: Keyring) -> None:
    sleeping = Keyring.load(ring.folder)
    ring.keks.begin(random_key(), TARGET)
    complete(ring)
    newest = random_key()
    ring.keks.begin(newest, TARGET)

    assert open_sealed(newest, sleeping.seal(SECRET, "x"), b"x") == SECRET


def test_after_a_rotation_the_old_key_opens_nothing_and_the_new_one_everything(ring: Keyring) -> None:
    old, ledger = ring.keks.current, ring.get("ledger")
    ring.keks.begin(random_key(), TARGET)
    complete(ring)
    anew = Keyring.load(ring.folder)

    sealed = (ring.folder / "ledger.sealed").read_bytes()

    assert anew.get("ledger") == ledger
    with pytest.raises(DoesNotOpen):
        open_sealed(old, sealed, b"key/ledger")
    assert {path.suffix for path in ring.folder.iterdir()} == {".sealed", ""}
    keep(ring, old)
    with pytest.raises(KeyringError, match="opens nothing"):
        Keyring.load(ring.folder)


def test_a_rotation_that_died_before_its_first_step_was_whole_changes_nothing(ring: Keyring) -> None:
    old = ring.keks.current
    ring.keks.begin(random_key(), TARGET)
    (ring.folder / "next.kek").unlink()

    started = Keyring.load(ring.folder)

    assert (started.keks.current, started.keks.target()) == (old, None)


def test_a_value_is_sealed_anew_only_where_it_is_under_the_old_key(ring: Keyring) -> None:
    before = ring.seal(SECRET, "x")
    ring.keks.begin(random_key(), TARGET)

    anew = ring.keks.resealed(before, "x")

    assert anew is not None
    assert ring.keks.resealed(anew, "x") is None
    with pytest.raises(DoesNotOpen):
        ring.keks.resealed(before, "y")


def test_neither_file_of_a_rotation_holds_a_key_in_the_clear(ring: Keyring) -> None:
    old, new = ring.keks.current, random_key()
    ring.keks.begin(new, TARGET)

    written = b"".join((ring.folder / name).read_bytes() for name in ("next.kek", "previous.kek"))

    for kek in (old, new):
        assert kek not in written
        assert encode_base64(kek).encode() not in written


def test_garbage_does_not_open_and_asks_nobody(ring: Keyring) -> None:
    asked: list[int] = []

    def source() -> FileKek:
        asked.append(1)
        return FileKek(TARGET, ring.folder / KEK_FILE)

    loaded = Keyring.load(ring.folder, source)
    for _ in range(3):
        with pytest.raises(DoesNotOpen):
            loaded.open(bytes(60), "x")

    assert len(asked) == 1
