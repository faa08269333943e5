"""Refusals as HTTP answers (contract §2.7): fixed texts, closed reasons, nothing of the sender's content."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.responses import Response

from tacita.protocol.refusals import Refusal, Rule, Violation

JSON = "application/json"
UNKNOWN_APP = "unknown"
STORE_RETRY_SECONDS = 5


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return `content` (msgspec-encodable) as a JSON answer."""
    return Response(msgspec.json.encode(content), status, headers, JSON)


def method_not_allowed(allowed: str) -> Response:
    """Return the 405 of a path that knows another method."""
    return json_response({"detail": "Method Not Allowed"}, 405, {"Allow": allowed})


@dataclass
class Refused(Exception):  # noqa: N818 - what happened to the request
    """A request that is refused: its HTTP answer, and what it is counted under."""

    status: int
    reason: Refusal | Rule
    content: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    app_version: str = UNKNOWN_APP

    def response(self) -> Response:
        """Return the answer that the sender gets."""
        return json_response(self.content, self.status, self.headers)


def refused(status: int, reason: Refusal, detail: str, headers: dict[str, str] | None = None) -> Refused:
    """Return a refusal with a `detail` text."""
    return Refused(status, reason, {"detail": detail}, headers or {})


def invalid_signature(reason: Refusal) -> Refused:
    """Return the 401 that an unknown device and a wrong signature share."""
    return refused(401, reason, "Invalid signature")


def decryption_failed() -> Refused:
    """Return the 400 for what does not open."""
    return refused(400, Refusal.DECRYPTION_FAILED, "Decryption failed")


def malformed_graph() -> Refused:
    """Return the 400 for what opens but is no learning graph."""
    return refused(400, Refusal.MALFORMED_GRAPH, "Malformed learning graph")


def privacy_violation(violations: Sequence[Violation]) -> Refused:
    """Return the 403 with each broken rule and its field; it is counted under its first rule."""
    content = {"detail": "Privacy violation detected", "violations": list(violations)}
    return Refused(403, violations[0].rule, content)


def body_too_large() -> Refused:
    """Return the 413."""
    return refused(413, Refusal.BODY_TOO_LARGE, "Body over 1 MiB")


def malformed_body(field_name: str) -> Refused:
    """Return the 422 that names the field (a known one, or "body")."""
    return refused(422, Refusal.MALFORMED_BODY, f"Malformed envelope: {field_name}")


def budget_spent(retry_after_seconds: int, eligible: str) -> Refused:
    """Return the 429 of a spent privacy budget, with the date of the next eligible round."""
    detail = f"Privacy budget spent; next eligible {eligible}"
    return refused(429, Refusal.BUDGET_SPENT, detail, {"Retry-After": str(retry_after_seconds)})


def too_fast(wait_s: float) -> Refused:
    """Return the 429 of a device that sends too fast, with the seconds until it may again."""
    return refused(429, Refusal.TOO_FAST, "Too many submissions", {"Retry-After": str(math.ceil(wait_s))})


def store_unreachable() -> Refused:
    """Return the 503; nothing was accepted."""
    detail = "Store not reachable; nothing was accepted"
    return refused(503, Refusal.STORE_UNREACHABLE, detail, {"Retry-After": str(STORE_RETRY_SECONDS)})
