"""A check, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

from tacita.device.conformance.probe import Probe


@dataclass(frozen=True)
class Check:
    """One thing that a clause asks for.

    Attributes:
        clause: of the contract, without its sign.
        name: what is checked.
        run: returns when it holds, and raises `Broken` when it doesn't.
    """

    clause: str
    name: str
    run: Callable[[Probe], None]


@dataclass(frozen=True)
class Verdict:
    """What came of a check; `reason` is one line when it failed, else empty."""

    clause: str
    name: str
    holds: bool
    reason: str
