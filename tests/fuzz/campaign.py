"""`python -m tests.fuzz.campaign TARGET SECONDS`: one target under atheris (libFuzzer); its figures as one JSON line.

The campaign starts from the corpus that the repository keeps, and writes what it finds into `.fuzz/TARGET`. Then
changed inputs are replayed for a tenth of the time in a process without the fuzzer, whose own memory grows. It fails on
an exception, or when memory grew in the replay. `make fuzz` runs every target.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.fuzz.child import DATABASE, MAX_INPUT

from tacita.store.migrate import migrate
from tacita.store.postgres import EmbeddedPostgres

CORPUS = Path(__file__).parent / "corpus"
TARGETS = ("envelope", "graph", "sealed", "door", "device")
_MAX_GROWTH_MIB = 8
_STATUS = re.compile(r"#(\d+).*cov: (\d+) ft: (\d+) corp: (\d+)")
_CHILD = [sys.executable, "-m", "tests.fuzz.child"]


def campaign(target: str, seconds: int) -> int:
    """Fuzz for `seconds`, then replay; print the figures, return the exit code."""
    found = Path(".fuzz") / target
    found.mkdir(parents=True, exist_ok=True)
    folders = [str(found), str(CORPUS / target)]
    begun = time.monotonic()
    with _database(target) as environment:
        figures = {"target": target} | _fuzz(target, seconds, folders, environment)
    figures["seconds"] = round(time.monotonic() - begun)
    with _database(target) as environment:
        figures |= _replay(target, max(5.0, seconds / 10), folders, environment)
    sys.stdout.write(json.dumps(figures) + "\n")
    return 1 if figures["failed"] or figures["growth_mib"] > _MAX_GROWTH_MIB else 0


def _fuzz(target: str, seconds: int, folders: list[str], environment: dict[str, str]) -> dict[str, Any]:
    limits = [f"-max_total_time={seconds}", f"-max_len={MAX_INPUT}", "-timeout=20", "-rss_limit_mb=2048"]
    places = ["-len_control=0", f"-artifact_prefix=.fuzz/{target}-", *folders]
    command = [*_CHILD, "fuzz", target, *limits, *places]
    figures: dict[str, Any] = {}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace", env=environment) as child:
        assert child.stderr is not None
        for line in child.stderr:
            status = _STATUS.match(line)
            if status is None:
                sys.stderr.write(line)
            else:
                names = ("executions", "edges", "features", "corpus")
                figures = dict(zip(names, map(int, status.groups()), strict=True))
    return figures | {"failed": child.returncode != 0}


def _replay(target: str, seconds: float, folders: list[str], environment: dict[str, str]) -> dict[str, Any]:
    command = [*_CHILD, "replay", target, str(seconds), *folders]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures | {"growth_mib": round(figures["end_mib"] - figures["warm_mib"], 1)}


@contextmanager
def _database(target: str) -> Iterator[dict[str, str]]:
    """Yield a child's environment, with a database where the target needs one: libFuzzer ends without cleaning up."""
    if target != "door":
        yield dict(os.environ)
        return
    with TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres", durable=False) as server:
        migrate(server.dsn)
        yield os.environ | {DATABASE: server.dsn}


if __name__ == "__main__":
    sys.exit(campaign(sys.argv[1], int(sys.argv[2])))
