"""What a device knows: its identity and key, what it recorded, the model it applies. In memory, or on disk."""

import os
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from tacita.crypto.envelope import DEVICE_KEY_BYTES
from tacita.errors import TacitaError
from tacita.protocol.graph import Node
from tacita.protocol.ids import device_id_hash


class StateError(TacitaError):
    """A device's state on disk can't be read."""


@dataclass
class Device:
    """One device.

    Attributes:
        identifier: what only the device knows itself by.
        key: its 32-byte key (contract §5).
        created_at: when its graph was begun.
        nodes: every interaction it recorded; the app doesn't clear its graph.
        enrolled: whether the server has its key.
        model_version: the model it applies.
        pack: the applied model's file, as verified.
        app_version: what it says of itself.
    """

    identifier: str
    key: bytes
    created_at: datetime
    nodes: list[Node] = field(default_factory=list)
    enrolled: bool = False
    model_version: str = "granite-3b-v1"
    pack: bytes | None = None
    app_version: str = "1.4.0"

    @classmethod
    def new(cls, now: datetime) -> "Device":
        """Return a device with a fresh random identity and key."""
        return cls(str(uuid.uuid4()).upper(), secrets.token_bytes(DEVICE_KEY_BYTES), now)

    @property
    def id_hash(self) -> str:
        """The `deviceIdHash` it is known by (contract §1.5)."""
        return device_id_hash(self.identifier)


_FILE = "device.json"


def load(folder: Path) -> Device | None:
    """Return the device kept in `folder`, or None when there is none yet.

    Raises:
        StateError: the file is there and isn't a device.
    """
    path = folder / _FILE
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Device)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise StateError(f"{path} is not a device's state") from None


def save(device: Device, folder: Path) -> None:
    """Keep the device in `folder`, readable by its owner alone; the old state stays until the new one is whole."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder / f"{_FILE}.partial"
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(device))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / _FILE)
