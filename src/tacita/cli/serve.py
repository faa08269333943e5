"""`tacita serve`: the API, the round driver as a separate process, and the embedded PostgreSQL, all supervised."""

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

import httpx
import structlog
import typer
import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from tacita import config
from tacita.api.app import create_app
from tacita.api.door import Door
from tacita.cli import screen
from tacita.cli.parts import open_door, open_workshop
from tacita.cli.patience import KEEP_ALIVE_S, Patience, PatientProtocol
from tacita.config import Database, Deployment
from tacita.crypto import receipts
from tacita.crypto.keyring import Keyring
from tacita.errors import TacitaError
from tacita.rounds import driver
from tacita.store.errors import StoreUnavailable
from tacita.store.migrate import migrate

_FOLDER_VARIABLE = "TACITA_SERVE_FOLDER"
_DSN_VARIABLE = "TACITA_SERVE_DSN"
_WATCH_S = 0.5
_READY_WITHIN_S = 60
_MIGRATED_WITHIN_S = 60
_WORKER_HEALTHY_WITHIN_S = 30  # a worker answers its supervisor only once it has imported us: seconds on a busy machine

_log = structlog.get_logger()


class ServeError(TacitaError):
    """The server can't start; the message says why."""


def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A deployment folder.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="API worker processes.")] = 1,
    driver: Annotated[bool, typer.Option("--driver/--no-driver", help="Also drive rounds.")] = True,
) -> None:
    """Serve the API and drive rounds; prints `ready http://…` when it accepts."""
    log_to_stderr()
    deployment = config.load(folder)
    if deployment.below_minimum:
        screen.warn_small_rounds(deployment.settings.round_size)
    receipts.obtain(Keyring.load(deployment.keys))  # an older deployment has none; its workers must not each make one
    listener = _listen(host, port)
    bound = f"http://{host}:{listener.getsockname()[1]}"
    with deployment.database() as database:
        migrate_patiently(database)
        stopped = threading.Event()
        watchers = [threading.Thread(target=_announce, args=(bound, stopped), daemon=True)]
        if database.embedded is not None:
            watchers.append(threading.Thread(target=_watch_database, args=(database, stopped), daemon=True))
        if driver:
            watchers.append(threading.Thread(target=_watch_driver, args=(deployment, stopped)))
        for watcher in watchers:
            watcher.start()
        try:
            _run_api(deployment, database, listener, workers)
        finally:
            stopped.set()
            for watcher in watchers:
                watcher.join()


def migrate_patiently(database: Database) -> None:
    """Bring the schema up to date, again where the embedded server died meanwhile: its watcher isn't there yet.

    Raises:
        StoreUnavailable: an own server doesn't answer, or the embedded one doesn't within a minute (it may recover).
    """
    deadline = time.monotonic() + _MIGRATED_WITHIN_S
    while True:
        try:
            migrate(database.dsn)
        except StoreUnavailable:
            if database.embedded is None or time.monotonic() > deadline:
                raise
            time.sleep(_WATCH_S)
            database.embedded.ensure_running()
        else:
            return


def log_to_stderr() -> None:
    """Send structured logs to stderr, as JSON lines; stdout is for `ready`."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ServeError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    listener.set_inheritable(True)
    return listener


def _run_api(deployment: Deployment, database: Database, listener: socket.socket, workers: int) -> None:
    os.environ[_FOLDER_VARIABLE] = str(deployment.folder)
    os.environ[_DSN_VARIABLE] = database.dsn
    settings = uvicorn.Config(
        "tacita.cli.serve:worker_app",
        factory=True,
        workers=workers,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
        timeout_worker_healthcheck=_WORKER_HEALTHY_WITHIN_S,
        server_header=False,
        http=PatientProtocol,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    if workers == 1:
        uvicorn.Server(settings).run(sockets=[listener])
    else:
        Multiprocess(settings, sockets=[listener]).run()


def worker_app() -> FastAPI:
    """Return the application of one worker process; the supervisor's environment says of which deployment."""
    log_to_stderr()
    deployment = config.load(Path(os.environ[_FOLDER_VARIABLE]))
    dsn = os.environ[_DSN_VARIABLE]
    set_to = deployment.settings
    PatientProtocol.patience = Patience(set_to.headers_within_s, set_to.body_within_s, set_to.max_connections)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Door]:
        async with open_door(deployment, dsn) as door:
            gc.collect()
            gc.freeze()  # what was imported stays; looking through it again and again cost 0.4 ms a graph
            yield door

    return create_app(opened)


def _announce(bound: str, stopped: threading.Event) -> None:
    """Print `ready` once the API answers."""
    for _ in range(int(_READY_WITHIN_S / 0.1)):
        with suppress(httpx.HTTPError):
            if httpx.get(f"{bound}/health", timeout=5, trust_env=False).status_code == httpx.codes.OK:
                screen.say(f"ready {bound}")
                return
        if stopped.wait(0.1):
            return


def _watch_database(database: Database, stopped: threading.Event) -> None:
    """Restart the embedded server whenever it died."""
    while not stopped.wait(_WATCH_S):
        try:
            if database.embedded is not None:
                database.embedded.ensure_running()
        except StoreUnavailable as error:
            _log.warning("database is down", error=str(error))


def _watch_driver(deployment: Deployment, stopped: threading.Event) -> None:
    """Keep one round driver running; end it when the server stops."""
    command = [sys.executable, "-m", "tacita", "drive", str(deployment.folder), "--parent", str(os.getpid())]
    while not stopped.is_set():
        with subprocess.Popen(command, start_new_session=True) as process:
            while process.poll() is None and not stopped.wait(_WATCH_S):
                pass
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait()
            else:
                _log.warning("the round driver ended", exit_code=process.returncode)


def drive(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    parent: Annotated[int, typer.Option(help="End when this process is gone.")],
) -> None:
    """Drive rounds until SIGTERM; what `serve` starts beside the API."""
    log_to_stderr()
    deployment = config.load(folder)
    with deployment.database() as database:
        asyncio.run(_drive(deployment, database.dsn, parent))


async def _drive(deployment: Deployment, dsn: str, parent: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def watch_parent() -> None:
        while os.getppid() == parent:  # noqa: ASYNC110 - nothing in this process could set an event when its parent dies
            await asyncio.sleep(_WATCH_S)
        stop.set()

    async with open_workshop(deployment, dsn) as shop:
        watching = asyncio.create_task(watch_parent())
        await driver.drive(shop, stop, deployment.settings.poll_seconds)
        watching.cancel()
