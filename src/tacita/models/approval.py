"""What may be signed: nothing without a passed evaluation, but for the model that a deployment starts with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tacita.errors import TacitaError


class NotApproved(TacitaError):  # noqa: N818 - what the model is
    """A model was not judged, or not measurably better; nothing of it can be signed."""


@dataclass(frozen=True)
class Approved:
    """Leave to sign a model and what is made of it. It can't exist without its reason.

    `trust.publish` asks for one, and `store/registry.py: approved` makes it of the model's row.

    Attributes:
        version: the model's.
        target_path: the model's name as a target.
        sha256: the digest of the file that was judged, in hex; under its name no other can be signed.
        round: the one whose release it was trained on; None for the first.
        evaluation: what the judge found; None for the first.

    Raises:
        NotApproved: neither the first model nor judged measurably better.
    """

    version: str
    target_path: str
    sha256: str
    round: int | None
    evaluation: Mapping[str, Any] | None

    def __post_init__(self) -> None:
        first = self.round is None and self.evaluation is None
        better = self.evaluation is not None and self.evaluation.get("better") is True
        if not first and not better:
            raise NotApproved(f"{self.version} was not found measurably better; it can't be signed")
