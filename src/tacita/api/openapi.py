"""The served `/openapi.json`: every endpoint with what it takes and every answer it gives (contract §2 to §6).

The schemas are those of the types that decode and encode the wire, so that they can't say anything else.
"""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Literal

import msgspec

from tacita import __doc__ as description
from tacita.api.releases import ShownRelease
from tacita.protocol.answers import LatestModel, ServerKeys, SubmitAnswer
from tacita.protocol.dates import WireDate
from tacita.protocol.envelope import Enrolment, Envelope, Withdrawal
from tacita.protocol.receipt import PublicReceiptKey, SignedReceipt
from tacita.protocol.refusals import Violation

_REF = "#/components/schemas/{name}"
_JSON, _OCTETS, _HTML = "application/json", "application/octet-stream", "text/html"
_RETRY_AFTER = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}


class Detail(msgspec.Struct, frozen=True):
    """A refusal; `detail` never holds anything that the sender sent."""

    detail: str


class PrivacyViolation(msgspec.Struct, frozen=True):
    """A graph that breaks privacy rules: their codes and the paths of the fields, never a value."""

    detail: Literal["Privacy violation detected"]
    violations: list[Violation]


class Enrolled(msgspec.Struct, frozen=True):
    """The device's key is enrolled (contract §5.3)."""

    status: Literal["enrolled"]


class Health(msgspec.Struct, frozen=True):
    """The store is reachable; `round` is the one that collects."""

    status: Literal["ok"]
    round: int | None


class SignedMetadata(msgspec.Struct, frozen=True):
    """A TUF metadata file; its inside is the TUF specification's."""

    signatures: list[dict[str, Any]]
    signed: dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One endpoint.

    Attributes:
        summary: what it does, in a line.
        answers: what it answers with, by status; bytes stand for a file, str for a page.
        body: what it takes, if anything.
        pattern: what the one parameter in its path looks like, if there's one.
    """

    summary: str
    answers: dict[int, type]
    body: type | None = None
    pattern: str | None = None


_ROUND = r"^[1-9][0-9]{0,8}$"
_REFUSED: dict[int, type] = {400: Detail, 413: Detail, 422: Detail, 503: Detail}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/api/v1/learning-graphs/submit"): Operation(
        "Submit a sealed learning graph; a 200 means that it is durably counted, once (contract §2).",
        _REFUSED | {200: SubmitAnswer, 401: Detail, 403: PrivacyViolation, 429: Detail},
        body=Envelope,
    ),
    ("GET", "/api/v1/keys"): Operation(
        "The server's public enrolment keys (contract §5.1).", {200: ServerKeys, 503: Detail}
    ),
    ("POST", "/api/v1/devices/enroll"): Operation(
        "Enrol a device's key, or replace it with a proof (contract §5.2, §5.3).",
        _REFUSED | {200: Enrolled, 201: Enrolled, 403: Detail, 409: Detail},
        body=Enrolment,
    ),
    ("POST", "/api/v1/devices/withdraw"): Operation(
        "Withdraw a device; the same request gets the same receipt again (contract §5.5).",
        _REFUSED | {200: SignedReceipt, 401: Detail, 403: Detail},
        body=Withdrawal,
    ),
    ("GET", "/api/v1/receipt-key"): Operation(
        "The public key that receipts of withdrawal are verified with.", {200: PublicReceiptKey, 503: Detail}
    ),
    ("GET", "/api/v1/releases/{round}"): Operation(
        "What a release guarantees (privacy §2).",
        {200: ShownRelease, 404: Detail, 503: Detail},
        pattern=_ROUND,
    ),
    ("GET", "/releases/{round}"): Operation(
        "The same as a page that people can read.", {200: str, 404: Detail, 503: Detail}, pattern=_ROUND
    ),
    ("GET", "/api/v1/models/latest"): Operation(
        "Which model a device should have (contract §6.1).", {200: LatestModel, 404: Detail, 503: Detail}
    ),
    ("GET", "/tuf/metadata/{name}"): Operation(
        "A file of signed TUF metadata (contract §6.2).",
        {200: SignedMetadata, 404: Detail, 503: Detail},
        pattern=r"^([0-9]+\.)?[a-z]+\.json$",
    ),
    ("GET", "/tuf/targets/{name}"): Operation(
        "A model's file, named by its digest, or a range of it (contract §6.2).",
        {200: bytes, 206: bytes, 404: Detail, 416: Detail, 503: Detail},
        pattern=r"^[0-9a-f]{64}\.[A-Za-z0-9._+-]{1,128}$",
    ),
    ("GET", "/health"): Operation("Whether this worker can reach the store.", {200: Health, 503: Detail}),
}
"""Every endpoint, by method and path; a test holds it against the application's routes."""

_MEANINGS = {
    200: "Done.",
    201: "Newly enrolled.",
    206: "The range that was asked for.",
    400: "It does not open, or what it holds is not a learning graph.",
    401: "Unknown device, or the signature is wrong.",
    403: "A privacy rule is broken, or an attestation is missing or refused.",
    404: "There is no such thing.",
    409: "Another key is enrolled.",
    413: "Over 1 MiB.",
    416: "The file has no such range.",
    422: "The body is malformed; its field is named.",
    429: "The device's privacy budget is spent for now, or it sends too fast.",
    503: "The store is not reachable; nothing was accepted.",
}


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _described(path, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "tacita", "version": version("tacita"), "description": description},
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def _described(path: str, operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "responses": {str(status): _answer(status, kind) for status, kind in sorted(operation.answers.items())},
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {_JSON: {"schema": _reference(operation.body)}}}
    if operation.pattern is not None:
        schema = {"type": "string", "pattern": operation.pattern}
        name = path[path.index("{") + 1 : path.index("}")]
        described["parameters"] = [{"name": name, "in": "path", "required": True, "schema": schema}]
    return described


def _answer(status: int, kind: type) -> dict[str, Any]:
    plain: dict[type, dict[str, Any]] = {bytes: {_OCTETS: {}}, str: {_HTML: {}}}
    content = plain.get(kind) or {_JSON: {"schema": _reference(kind)}}
    answer: dict[str, Any] = {"description": _MEANINGS[status], "content": content}
    return answer | ({"headers": _RETRY_AFTER} if status in {429, 503} else {})


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _schemas() -> dict[str, Any]:
    kinds = {kind for operation in OPERATIONS.values() for kind in (*operation.answers.values(), operation.body)}
    named = sorted((kind for kind in kinds if kind not in {None, bytes, str}), key=str)
    _, schemas = msgspec.json.schema_components(named, ref_template=_REF)
    for kind in (Envelope, Withdrawal):
        schemas[kind.__name__]["properties"]["timestamp"] = msgspec.json.schema(WireDate)
    return {name: _portable(schema) for name, schema in schemas.items()}


def _portable(schema: Any) -> Any:
    """Return a schema with Python's anchors replaced by those of JSON Schema's regular expressions (ECMA 262)."""
    if isinstance(schema, dict):
        return {key: _anchored(item) if key == "pattern" else _portable(item) for key, item in schema.items()}
    return [_portable(item) for item in schema] if isinstance(schema, list) else schema


def _anchored(pattern: str) -> str:
    return pattern.replace(r"\A", "^").replace(r"\Z", "$")
