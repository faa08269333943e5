"""A deployment served by the real command, and the ways in which any part of it is killed with -9."""

import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tacita.store.postmaster import find_postmaster

WORKERS = 2
_PATIENCE_S = 60.0
_POLL_S = 0.01


class Kind(StrEnum):
    """What an instant kills."""

    SERVER = "server"
    """Supervisor and workers together; PostgreSQL goes on."""

    WORKER = "worker"
    POSTMASTER = "postmaster"
    BACKEND = "backend"
    """One database session's process; PostgreSQL then ends all of them and recovers."""

    MACHINE = "machine"
    """Everything at once."""


def _free_port() -> int:
    """Return a free port below those that the kernel gives to outgoing connections, so that it stays free."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


@dataclass
class Fortress:
    """One deployment being served.

    Attributes:
        folder: the deployment.
        bytecode: where compiled Python is kept between starts.
        module: what is run with `python -m`: `tacita`, or a launcher with planted bugs.
        environment: variables for the server beside our own.
        port: where it listens, also after a restart.
    """

    folder: Path
    bytecode: Path
    module: str = "tacita"
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=_free_port)
    _server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder.parent / "serve.log"

    def start(self) -> None:
        command = [sys.executable, "-m", self.module, "serve", str(self.folder), "--port", str(self.port)]
        command += ["--workers", str(WORKERS), "--no-driver"]
        # Byte code is kept between the many starts of a siege: half of a start is spent in compiling otherwise.
        kept = {"PYTHONPYCACHEPREFIX": str(self.bytecode), "PYTHONDONTWRITEBYTECODE": ""}
        # Impatient resending is not what the rate limit is for.
        unlimited = {"TACITA_SUBMISSIONS_PER_HOUR": "1000000", "TACITA_SUBMISSION_BURST": "1000000"}
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=os.environ | kept | unlimited | self.environment,
                start_new_session=True,
                cwd=Path(__file__).parents[2],
            )

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve; at the end stop in order, and after a failure at once."""
        self.start()
        try:
            yield
            server = self._alive()
            server.send_signal(signal.SIGTERM)
            assert server.wait(_PATIENCE_S) == 0
        except BaseException:
            self._kill_server(database_too=True)
            raise

    def _alive(self) -> "subprocess.Popen[bytes]":
        assert self._server is not None
        assert self._server.poll() is None, f"the server ended by itself: {self.log.read_text()[-2_000:]}"
        return self._server

    def kill(self, kind: Kind, rng: random.Random) -> None:
        """Kill one part, at once; where the part is just being restarted, as soon as it is there.

        What nobody supervises is started again: the server.
        """
        self._alive()
        if kind in {Kind.SERVER, Kind.MACHINE}:
            self._kill_server(database_too=kind is Kind.MACHINE)
            self.start()
        else:
            targets = {Kind.WORKER: self.workers, Kind.POSTMASTER: self._postmaster, Kind.BACKEND: self.backends}
            _kill_one(targets[kind], rng)

    @contextmanager
    def database_down(self) -> Iterator[None]:
        """Kill PostgreSQL and keep every process from starting it again, meanwhile."""
        with (self.folder / "postgres" / "start.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for pid in self._postmaster():
                _kill(pid)
            yield

    def _kill_server(self, *, database_too: bool) -> None:
        assert self._server is not None
        if database_too:
            for pid in [*self._postmaster(), *self.backends()]:
                _kill(pid)
        with suppress(ProcessLookupError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()

    def workers(self) -> list[int]:
        return _children(self._alive().pid, b"spawn_main")

    def _postmaster(self) -> list[int]:
        running = find_postmaster(self.folder / "postgres" / "data")
        return [] if running is None else [running.pid]

    def backends(self) -> list[int]:
        return [child for pid in self._postmaster() for child in _children(pid, b"postgres: tacita tacita")]


def _kill_one(targets: Callable[[], list[int]], rng: random.Random) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        found = targets()
        if found and _kill(rng.choice(found)):
            return
        time.sleep(_POLL_S)
    raise TimeoutError("a part did not come back for a minute")


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _children(pid: int, named: bytes) -> list[int]:
    """Return the children of a process whose command line holds `named`."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if named in Path(f"/proc/{child}/cmdline").read_bytes()]
    except OSError:  # one of them has just ended
        return []
