"""What every step of a round works with."""

from dataclasses import dataclass
from pathlib import Path

from tacita.clock import Clock
from tacita.crypto.keyring import Keyring
from tacita.errors import TacitaError
from tacita.rounds.launchers.local import LocalLauncher
from tacita.store.blobs import Blobs
from tacita.store.connection import Pool


class StepFailed(TacitaError):  # noqa: N818 - what happened to the step
    """A step could not be done now; the round stays where it was, and the step may be tried again."""


@dataclass(frozen=True)
class Workshop:
    """One driver's tools.

    Attributes:
        pool: connections to the store.
        keyring: opens round keys.
        blobs: models and signed metadata.
        launcher: starts training.
        runs: the folder of training runs.
        round_size: distinct devices that close a round, and without which nothing is released.
        clock: the present moment.
    """

    pool: Pool
    keyring: Keyring
    blobs: Blobs
    launcher: LocalLauncher
    runs: Path
    round_size: int
    clock: Clock

    @property
    def role_keys(self) -> dict[str, bytes]:
        """The secrets that sign metadata, by role; several of a role are told apart by what follows its name.

        They are read anew each time: a rotation may have changed them.
        """
        names = self.keyring.names("tuf-")
        return {name.removeprefix("tuf-"): self.keyring.get(name) for name in names}
