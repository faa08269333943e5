"""What can be wrong with a delta."""

from enum import StrEnum

from tacita.errors import TacitaError


class Flaw(StrEnum):
    """Why a delta is not applied: a closed set."""

    NOT_A_DELTA = "not a delta of this format"
    TOO_LARGE = "its sizes are over the limits"
    INCONSISTENT = "its sizes contradict each other"
    OTHER_TARGET = "it makes another file than the signed one"
    OTHER_BASE = "it was made from another base than the one at hand"
    TRUNCATED = "it ends too early or too late"
    DAMAGED = "a chunk doesn't come out as its digest says"


class DeltaRefused(TacitaError):  # noqa: N818 - what happened to it
    """A delta is not applied; nothing of it reached the model in use. `flaw` says why."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(f"the delta is refused: {flaw.value}")
        self.flaw = flaw
