"""A folder of key files that other processes may change: tells at the price of a `stat` whether one may have."""

import time
from pathlib import Path

_SETTLED_NS = 2_000_000_000


class WatchedFolder:
    """Remembers a folder's modification time, which moves whenever a file in it is made, replaced or removed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: int | None = None

    def may_have_changed(self) -> bool:
        """Tell whether the folder may have changed since this was asked last; ask before reading.

        A second change within the tick of a file system's clock looks like the first. So a time is only
        remembered when it is 2 seconds old; until then the answer is yes.
        """
        stamp = self.path.stat().st_mtime_ns
        if stamp == self._seen:
            return False
        self._seen = stamp if time.time_ns() - stamp > _SETTLED_NS else None
        return True
