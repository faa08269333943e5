"""A case: one request, and the one answer that the contract has for it."""

from collections.abc import Callable
from dataclasses import dataclass

from tacita.device.conformance.author import Author, Json, Request
from tacita.protocol.refusals import Rule

SUBMIT = "/api/v1/learning-graphs/submit"
ENROL = "/api/v1/devices/enroll"
WITHDRAW = "/api/v1/devices/withdraw"
NEXT_MODEL = "granite-3b-v2"
"""What the first round trains; the one part of a 200 that depends on the server (contract §2.7)."""


@dataclass(frozen=True)
class Case:
    """One request that any server must answer so.

    Attributes:
        name: what is special about it.
        clause: of the contract, without its sign.
        make: writes the request; the author's device is enrolled.
        status: of the answer.
        answer: its body.
        path: where it is posted.
    """

    name: str
    clause: str
    make: Callable[[Author], Request]
    status: int
    answer: Json
    path: str = SUBMIT


def accepted(name: str, clause: str, make: Callable[[Author], Request]) -> Case:
    """Return a case of the 200."""
    message = "Graph received and validated"
    return Case(name, clause, make, 200, {"status": "accepted", "next_model_version": NEXT_MODEL, "message": message})


def unopened(name: str, clause: str, make: Callable[[Author], Request], path: str = SUBMIT) -> Case:
    """Return a case of the 400 for what does not open."""
    return Case(name, clause, make, 400, {"detail": "Decryption failed"}, path)


def no_graph(name: str, clause: str, make: Callable[[Author], Request]) -> Case:
    """Return a case of the 400 for what opens and is no learning graph."""
    return Case(name, clause, make, 400, {"detail": "Malformed learning graph"})


def unsigned(name: str, clause: str, make: Callable[[Author], Request], path: str = SUBMIT) -> Case:
    """Return a case of the 401."""
    return Case(name, clause, make, 401, {"detail": "Invalid signature"}, path)


def violation(name: str, clause: str, make: Callable[[Author], Request], rule: Rule, field: str) -> Case:
    """Return a case of the 403 with one broken rule."""
    broken = [{"rule": rule.value, "field": field}]
    return Case(name, clause, make, 403, {"detail": "Privacy violation detected", "violations": broken})


def malformed(name: str, clause: str, make: Callable[[Author], Request], field: str, path: str = SUBMIT) -> Case:
    """Return a case of the 422 that names a field."""
    return Case(name, clause, make, 422, {"detail": f"Malformed envelope: {field}"}, path)


def too_large(name: str, clause: str, make: Callable[[Author], Request], path: str = SUBMIT) -> Case:
    """Return a case of the 413."""
    return Case(name, clause, make, 413, {"detail": "Body over 1 MiB"}, path)
