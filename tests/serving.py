"""A deployment served by the real command, in a process of its own."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a deployment in a process group of its own, without a driver; end all of it with SIGTERM."""
    command = [sys.executable, "-m", "tacita", "serve", str(folder), "--port", "0", "--no-driver"]
    with (
        (folder / "serve.log").open("a") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[1]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
