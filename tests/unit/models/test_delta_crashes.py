"""A device that dies at any write of an update has the old or the new model, whole, and the next try ends well."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from tests.model_files import trained, weights, write_safetensors

from tacita.models.deltas import applier
from tacita.models.deltas.applier import apply_delta
from tacita.models.deltas.maker import described, make_delta
from tacita.models.deltas.structure import Chunk

OLD = b"the last good model"


class Killed(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


class Dying:
    """A file whose n-th operation on the disk happens only in part, and is the last thing that happens."""

    def __init__(self, file: Any, left: list[int]) -> None:
        self._file, self._left = file, left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _spend(self) -> bool:
        self._left[0] -= 1
        return self._left[0] < 0

    def write(self, data: bytes) -> int:
        if self._spend():
            self._file.write(data[: len(data) // 2])
            raise Killed
        return int(self._file.write(data))

    def truncate(self, size: int) -> int:
        if self._spend():
            raise Killed
        return int(self._file.truncate(size))

    def flush(self) -> None:
        if self._spend():
            raise Killed
        self._file.flush()


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, after: int) -> Iterator[list[int]]:
    left = [after]
    opened, renamed, synced = Path.open, Path.replace, applier._sync_folder

    def open_(path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        file = opened(path, mode, *rest, **named)
        return Dying(file, left) if "a" in mode else file

    def replace(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return renamed(path, target)

    def sync(folder: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        synced(folder)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", open_)
        patched.setattr(Path, "replace", replace)
        patched.setattr(applier, "_sync_folder", sync)
        yield left


def test_killed_at_any_write_there_is_the_old_or_the_new_model_and_the_next_try_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tacita.models.deltas.maker.CHUNK", 4_096)
    base = write_safetensors(tmp_path / "base", weights(0, 64, 64))
    target = write_safetensors(tmp_path / "target", trained(weights(0, 64, 64)))
    make_delta(base, target, tmp_path / "delta")
    file, new = described(target), target.read_bytes()
    ends = 0
    for after in range(1_000):
        (tmp_path / "out").write_bytes(OLD)
        (tmp_path / "out.partial").unlink(missing_ok=True)
        try:
            with dying(monkeypatch, after) as left:
                apply_delta(base, tmp_path / "delta", file, tmp_path / "out")
        except Killed:
            assert (tmp_path / "out").read_bytes() in (OLD, new)
            apply_delta(base, tmp_path / "delta", file, tmp_path / "out")
            assert (tmp_path / "out").read_bytes() == new
        else:
            ends = after - left[0]
            break

    assert ends >= 10  # operations on the disk: every one of them was the last once


def test_a_second_try_goes_on_after_the_last_chunk_that_verifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tacita.models.deltas.maker.CHUNK", 4_096)
    base = write_safetensors(tmp_path / "base", weights(0, 64, 64))
    target = write_safetensors(tmp_path / "target", trained(weights(0, 64, 64)))
    make_delta(base, target, tmp_path / "delta")
    new = target.read_bytes()
    (tmp_path / "out.partial").write_bytes(new[:9_000] + b"torn")
    made: list[int] = []
    really_made = applier._made

    def noted(chunk: Chunk, *rest: Any) -> bytes:
        made.append(chunk.length)
        return really_made(chunk, *rest)

    monkeypatch.setattr(applier, "_made", noted)

    apply_delta(base, tmp_path / "delta", described(target), tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == new
    assert len(new) - 9_000 <= sum(made) < len(new) - 4_000
