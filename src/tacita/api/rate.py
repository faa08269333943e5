"""How fast one device may submit: a token bucket a device, shared by all workers of this machine.

The bucket is the generic cell rate algorithm (ITU-T I.371): its whole state is one time, the moment at which it will be
full again, so that a bucket is 8 bytes of a file that every worker maps. A device's slot is a keyed hash of its name;
two devices that share one (of a million) share a rate.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path

from tacita.crypto.keyring import keyed_tag

SLOTS = 1 << 20
_SLOT_BYTES = 8


@dataclass(frozen=True)
class RateLimit:
    """Token buckets in a mapped file.

    Attributes:
        slots: the file's slots: seconds since 1970 at which a bucket is full again.
        key: names a device's slot.
        per_hour: tokens that flow in, an hour.
        burst: tokens that a full bucket holds.
    """

    slots: "memoryview[float]"
    key: bytes
    per_hour: float
    burst: int

    @classmethod
    def open(cls, path: Path, key: bytes, per_hour: float, burst: int) -> "RateLimit":
        """Map `path`, made when it isn't there; all who open the same file share its buckets."""
        with path.open("a+b") as file:
            file.truncate(SLOTS * _SLOT_BYTES)
            mapped = mmap.mmap(file.fileno(), SLOTS * _SLOT_BYTES)
        return cls(memoryview(mapped).cast("d"), key, per_hour, burst)

    def wait_s(self, device: bytes, now: float) -> float:
        """Take a token out of a device's bucket; return 0, or in how many seconds there will be one.

        Args:
            device: the 32 bytes of its hash.
            now: seconds since 1970.
        """
        slot = int.from_bytes(keyed_tag(self.key, "rate", device)[:8], "big") % SLOTS
        interval = 3_600 / self.per_hour
        full_at = max(self.slots[slot], now)
        wait = full_at + interval - (now + self.burst * interval)
        if wait > 0:
            return wait
        self.slots[slot] = full_at + interval
        return 0.0
