"""What can be known of a PostgreSQL server on a data folder without asking it."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_STATUS_LINE = 7  # PostgreSQL's utils/pidfile.h: LOCK_FILE_LINE_PM_STATUS, counted from 0
_POLL_S = 0.02


@dataclass(frozen=True)
class Postmaster:
    """A live server on a data folder."""

    pid: int
    ready: bool

    def stop(self, data: Path, patience: float) -> None:
        """Shut it down and wait: in order for `patience` seconds, then at once (the next start recovers)."""
        for number in (signal.SIGINT, signal.SIGQUIT):
            deadline = time.monotonic() + patience
            self._send(number)
            while find_postmaster(data) is not None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            if find_postmaster(data) is None:
                return

    def _send(self, number: signal.Signals) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return


def pid_file(data: Path) -> Path:
    """Return the file in which a server says that it runs."""
    return data / "postmaster.pid"


def find_postmaster(data: Path) -> Postmaster | None:
    """Return the server that runs on `data`, or None.

    A pid file that outlived its server doesn't count, even if its number now belongs to another process: the command
    line tells (any user may read it, as opposed to the working directory; a zombie's is empty).
    """
    try:
        lines = pid_file(data).read_text().splitlines()
        pid = int(lines[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return None
    if not command[0].endswith(b"/postgres") or os.fsencode(data) not in command:
        return None
    return Postmaster(pid, len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready")


def end_orphans(data: Path) -> None:
    """Kill what is left of a server on `data` that is gone; only to be called when none runs.

    A killed server's processes end by themselves when they notice; but one that waits for a lock, held by a process
    that was killed too, waits for ever, and no new server starts while it holds the shared memory.
    """
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = (process / "cmdline").read_bytes().startswith(b"postgres: ") and (process / "cwd").readlink() == data
        except OSError:  # it has just ended, or is another user's
            continue
        if ours:
            with suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGKILL)
