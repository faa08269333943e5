"""A device's state on disk."""

import random
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests import graphs

from tacita.device import state
from tacita.device.state import Device, StateError
from tacita.protocol.graph import Node


@pytest.fixture
def device() -> Device:
    made = Device.new(datetime(2026, 11, 1, tzinfo=UTC))
    rng = random.Random(1)
    made.nodes = [msgspec.convert(graphs.node(rng), Node) for _ in range(3)]
    made.pack, made.enrolled = b"\x00\xffpack", True
    return made


def test_a_device_survives_its_file(device: Device, tmp_path: Path) -> None:
    state.save(device, tmp_path)
    assert state.load(tmp_path) == device


def test_a_folder_without_a_device_has_none(tmp_path: Path) -> None:
    assert state.load(tmp_path / "nowhere") is None


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_only_its_owner_can_read_a_device(
    device: Device, tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    before = os.umask(umask)
    state.save(device, tmp_path / "new")
    os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "new", tmp_path / "new" / "device.json")]
    assert modes == [0o700, 0o600]


def test_a_readable_leftover_of_a_killed_save_does_not_make_the_device_readable(device: Device, tmp_path: Path) -> None:
    (tmp_path / "device.json.partial").write_bytes(b"half")
    (tmp_path / "device.json.partial").chmod(0o644)
    state.save(device, tmp_path)
    assert (tmp_path / "device.json").stat().st_mode & 0o777 == 0o600


def test_a_save_that_fails_leaves_the_old_state(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.save(device, tmp_path)

    def fail(_descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        state.save(Device.new(device.created_at), tmp_path)
    assert state.load(tmp_path) == device


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"identifier": "\xff"}', b"[" * 100_000, b"null"])
def test_a_broken_file_is_a_state_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "device.json").write_bytes(content)
    with pytest.raises(StateError, match="not a device's state"):
        state.load(tmp_path)


def test_two_new_devices_share_neither_name_nor_key() -> None:
    one, two = (Device.new(graphs.NOW) for _ in range(2))
    assert one.id_hash != two.id_hash
    assert one.key != two.key
