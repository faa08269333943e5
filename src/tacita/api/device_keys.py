"""The keys of the devices that submit: read from the store in batches, and remembered.

What is remembered may be out of date: the device may have re-keyed or withdrawn, through another worker. So a signature
that doesn't match a remembered key is checked again with a fresh one, and the commit compares what was used with what
the store then holds (`api/commit.py`). Nobody has to be told to forget.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cachetools import LRUCache

from tacita.api.batcher import Batcher
from tacita.crypto.keyring import Keyring
from tacita.store import devices
from tacita.store.connection import Pool, run_transaction
from tacita.store.sealing import DeviceKeys, open_device_keys, seal_device_keys

_REMEMBERED = 50_000
_NOBODY = bytes(32)


@dataclass(frozen=True)
class KnownKeys:
    """A device's keys, and the sealed bytes that they were opened from."""

    sealed: bytes
    opened: DeviceKeys


class DeviceKeyring:
    """Looks devices' keys up.

    Args:
        pool: connections to the store.
        keyring: opens them.
    """

    def __init__(self, pool: Pool, keyring: Keyring) -> None:
        self._pool, self._keyring = pool, keyring
        self._remembered: LRUCache[bytes, KnownKeys] = LRUCache(_REMEMBERED)
        self._reading: Batcher[bytes, bytes | None] = Batcher(self._read, most=512, room=4_096)
        self._decoy = seal_device_keys(keyring, _NOBODY, DeviceKeys.enrolled_with(_NOBODY))

    def remembered(self, device: bytes) -> KnownKeys | None:
        """Return what is remembered of a device, or None."""
        return self._remembered.get(device)

    def forget(self, device: bytes) -> None:
        """Forget what is remembered of a device: the store turned out to hold something else."""
        self._remembered.pop(device, None)

    async def fresh(self, device: bytes) -> KnownKeys | None:
        """Return a device's keys from the store, or None when it isn't enrolled, at the same cost.

        Raises:
            StoreUnavailable: the store is away or too slow.
        """
        sealed = await self._reading.do(device)
        if sealed is None:
            self.forget(device)
            open_device_keys(self._keyring, _NOBODY, self._decoy)
            return None
        known = KnownKeys(sealed, open_device_keys(self._keyring, device, sealed))
        self._remembered[device] = known
        return known

    async def _read(self, asked: Sequence[bytes]) -> list[bytes | None]:
        found = await run_transaction(self._pool, lambda connection: devices.sealed_keys(connection, asked))
        return [found.get(device) for device in asked]
