"""`python -m tests.fuzz.campaign TARGET SECONDS`: one target under atheris (libFuzzer); its figures as one JSON line.

The campaign starts from the corpus that the repository keeps, writes what it finds into `.fuzz/TARGET`, and fails on an
exception or when memory still grows after the warm-up. `make fuzz` runs every target.
"""

import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tacita.store.migrate import migrate
from tacita.store.postgres import EmbeddedPostgres

CORPUS = Path(__file__).parent / "corpus"
TARGETS = ("envelope", "graph", "sealed", "door", "device")
_DATABASE = "FUZZ_DATABASE"
_WARM_UP = 0.3
_MAX_GROWTH_MIB = 48
_MAX_INPUT = 1 << 16
_STATUS = re.compile(r"#(\d+).*cov: (\d+) ft: (\d+) corp: (\d+)")


def fuzz(target: str, arguments: list[str]) -> None:
    """Fuzz in this process; libFuzzer ends it."""
    import atheris  # type: ignore[import-untyped]  # it ships no type information; only `make fuzz` installs it
    from tests.fuzz.mutation import mutate_json

    with atheris.instrument_imports(include=["tacita"]):
        module = import_module(f"tests.fuzz.target_{target}")

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        changed = mutate_json(data, max_size, rng) if rng.random() < 0.7 else None
        return atheris.Mutate(data, max_size) if changed is None else changed

    with ExitStack() as stack:
        if hasattr(module, "attacked_on"):
            folder = Path(stack.enter_context(TemporaryDirectory()))
            check = stack.enter_context(module.attacked_on(os.environ[_DATABASE], folder))
        else:
            check = module.check
        atheris.Setup([sys.argv[0], *arguments], check, custom_mutator=mutate)
        atheris.Fuzz()


def campaign(target: str, seconds: int) -> int:
    """Fuzz in a child process for `seconds`; print its figures, return the exit code."""
    kept, found = CORPUS / target, Path(".fuzz") / target
    found.mkdir(parents=True, exist_ok=True)
    limits = [
        f"-max_total_time={seconds}",
        f"-max_len={_MAX_INPUT}",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-len_control=0",
    ]
    places = [f"-artifact_prefix={found}/../{target}-", "-print_final_stats=1", str(found), str(kept)]
    command = [sys.executable, "-m", "tests.fuzz.campaign", "--child", target, *limits, *places]
    resident: list[tuple[float, float]] = []
    begun = time.monotonic()
    with (
        _database(target) as environment,
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace", env=environment) as child,
    ):
        watcher = threading.Thread(target=_watch, args=(child, begun, resident))
        watcher.start()
        assert child.stderr is not None
        figures: dict[str, Any] = {"target": target}
        for line in child.stderr:
            status = _STATUS.match(line)
            if status:
                names = ("executions", "edges", "features", "corpus")
                figures |= dict(zip(names, map(int, status.groups()), strict=True))
            else:
                sys.stderr.write(line)
        watcher.join()
    figures |= _memory(resident, seconds) | {"seconds": round(time.monotonic() - begun), "exit_code": child.returncode}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 1 if child.returncode or figures["growth_mib"] > _MAX_GROWTH_MIB else 0


@contextmanager
def _database(target: str) -> Iterator[dict[str, str]]:
    """Yield the child's environment, with a database where its target needs one: libFuzzer ends without cleaning up."""
    if target != "door":
        yield dict(os.environ)
        return
    with TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "postgres", durable=False) as server:
        migrate(server.dsn)
        yield os.environ | {_DATABASE: server.dsn}


def _watch(child: "subprocess.Popen[str]", begun: float, resident: list[tuple[float, float]]) -> None:
    while child.poll() is None:
        try:
            pages = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return
        resident.append((time.monotonic() - begun, pages * 4_096 / 2**20))
        time.sleep(0.5)


def _memory(resident: list[tuple[float, float]], seconds: int) -> dict[str, float]:
    """Return MiB after the warm-up and at the end (medians of a tenth of the time), and the growth between."""
    sizes = [size for when, size in resident if when > _WARM_UP * seconds]
    part = max(1, len(sizes) // 7)
    warm, end = sorted(sizes[:part])[part // 2] if sizes else 0.0, sorted(sizes[-part:])[part // 2] if sizes else 0.0
    return {"warm_mib": round(warm), "end_mib": round(end), "growth_mib": round(end - warm, 1)}


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        fuzz(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(campaign(sys.argv[1], int(sys.argv[2])))
