"""The local launcher: the trainer as a child process of the driver, with an environment that holds no secret."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tacita.errors import TacitaError

_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class TrainingFailed(TacitaError):  # noqa: N818 - what happened to the run
    """The trainer ended with an error; the message is its own last line."""


@dataclass(frozen=True)
class LocalLauncher:
    """Starts `python -m tacita.training` on this machine.

    Attributes:
        timeout_s: a run that takes longer is killed, in seconds.
    """

    timeout_s: float

    async def run(self, arguments: list[str], log: Path) -> None:
        """Run the trainer to its end; its output goes to `log`.

        Raises:
            TrainingFailed: it exited with an error, or took too long.
        """
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tacita.training", *arguments, stdout=output, stderr=output, env=environment
            )
            try:
                code = await asyncio.wait_for(process.wait(), self.timeout_s)
            except TimeoutError:
                process.kill()
                await process.wait()
                raise TrainingFailed(f"training took longer than {self.timeout_s:.0f} s and was killed") from None
        if code != 0:
            raise TrainingFailed(f"training failed with exit code {code}: {_last_line(log)}")


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no output"
