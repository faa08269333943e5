"""What a campaign runs in processes of their own: the fuzzer, and a replay without it that shows whether memory grows.

It imports nothing of tacita by itself: the fuzzer sees the coverage of what is imported under its eyes.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from tests.fuzz.mutation import mutate_json

DATABASE = "FUZZ_DATABASE"
MAX_INPUT = 1 << 16
_WARM_UP = 0.4


@contextmanager
def _checking(module: ModuleType) -> Iterator[Callable[[bytes], None]]:
    with ExitStack() as stack:
        if hasattr(module, "attacked_on"):
            folder = Path(stack.enter_context(TemporaryDirectory()))
            yield stack.enter_context(module.attacked_on(os.environ[DATABASE], folder))
        else:
            yield module.check


def fuzz(target: str, arguments: list[str]) -> None:
    """Fuzz in this process; libFuzzer ends it."""
    import atheris  # type: ignore[import-untyped]  # it ships no type information; only `make fuzz` installs it

    with atheris.instrument_imports(include=["tacita"]):
        module = import_module(f"tests.fuzz.target_{target}")

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        changed = mutate_json(data, max_size, rng) if rng.random() < 0.7 else None
        return atheris.Mutate(data, max_size) if changed is None else changed

    with _checking(module) as check:
        atheris.Setup([sys.argv[0], *arguments], check, custom_mutator=mutate)
        atheris.Fuzz()


def replay(target: str, seconds: float, folders: list[str]) -> None:
    """Check changed inputs for a while; print how many, and this process's MiB after a warm-up and at the end."""
    kept = [path.read_bytes() for folder in folders for path in sorted(Path(folder).iterdir())]
    rng, replayed, warm = random.Random(0), 0, 0.0
    with _checking(import_module(f"tests.fuzz.target_{target}")) as check:
        begun = time.monotonic()
        while (elapsed := time.monotonic() - begun) < seconds:
            data = rng.choice(kept)
            check(mutate_json(data, MAX_INPUT, rng) or data)
            replayed += 1
            if not warm and elapsed > _WARM_UP * seconds:
                warm = _resident_mib()
        end = _resident_mib()
    shown = {"replayed": replayed, "warm_mib": round(warm, 1), "end_mib": round(end, 1)}
    sys.stdout.write(json.dumps(shown) + "\n")


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096 / 2**20


if __name__ == "__main__":
    if sys.argv[1] == "fuzz":
        fuzz(sys.argv[2], sys.argv[3:])
    else:
        replay(sys.argv[2], float(sys.argv[3]), sys.argv[4:])
