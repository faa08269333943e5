"""Servers that break one clause each: what they do to a request or to an answer, and which checks must notice."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conformance.served import Exchange, Mutation, untouched

from tacita.device.conformance.refusals import CANARY

SUBMIT = "/api/v1/learning-graphs/submit"
ENROL = "/api/v1/devices/enroll"
WITHDRAW = "/api/v1/devices/withdraw"
KEYS = "/api/v1/keys"
LATEST = "/api/v1/models/latest"
ACCEPTED = b'{"status":"accepted","next_model_version":"granite-3b-v2","message":"Graph received and validated"}'


@dataclass(frozen=True)
class Broken:
    """A server that breaks a clause.

    Attributes:
        clause: the one that it breaks.
        how: in words.
        noticed_by: the names of the checks that must fail, and no other.
        coming: done to requests.
        going: done to answers.
    """

    clause: str
    how: str
    noticed_by: frozenset[str]
    coming: Mutation = untouched
    going: Mutation = untouched


def forgiving(rule: str) -> Mutation:
    """Accept what breaks a privacy rule."""

    def going(exchange: Exchange) -> None:
        if exchange.status == 403 and f'"{rule}"'.encode() in exchange.content:
            exchange.status, exchange.content = 200, ACCEPTED

    return going


def rewritten(change: Callable[[dict[str, Any]], bool]) -> Mutation:
    """Change the fields of submissions that have some; `change` tells whether they are to be written again."""

    def coming(exchange: Exchange) -> None:
        try:
            fields = json.loads(exchange.body)
        except (ValueError, RecursionError):
            return
        if exchange.path == SUBMIT and isinstance(fields, dict) and change(fields):
            exchange.body = json.dumps(fields).encode()

    return coming


def answering(path: str, status: int, change: Callable[[Exchange], None]) -> Mutation:
    """Change answers of one path and status."""

    def going(exchange: Exchange) -> None:
        if (exchange.path, exchange.status) == (path, status):
            change(exchange)

    return going


def with_status(status: int, content: bytes | None = None) -> Callable[[Exchange], None]:
    def change(exchange: Exchange) -> None:
        exchange.status = status
        exchange.content = exchange.content if content is None else content

    return change


def _one_order(exchange: Exchange) -> None:
    if exchange.path == SUBMIT and exchange.body.startswith(b'{"timestamp"'):
        exchange.body = b"{"


def _guess_offset(exchange: Exchange) -> None:
    exchange.body = re.sub(rb'"(....-..-..T..:..:..)"', rb'"\1Z"', exchange.body)


def _drop_sketch(fields: dict[str, Any]) -> bool:
    if not re.fullmatch("[0-9a-f]{64}", str(fields.get("signature"))):
        return False
    fields["signature"] = "A" * 43 + "="
    return True


def _drop_unknown(fields: dict[str, Any]) -> bool:
    return fields.pop(CANARY, None) is not None


def _write_again(_fields: dict[str, Any]) -> bool:
    """Reading a number and writing it is enough: 817214400.12300 becomes 817214400.123."""
    return True


def _conflict_for_retry(exchange: Exchange) -> None:
    if b"before" in exchange.content:
        exchange.status = 409


def _echo(exchange: Exchange) -> None:
    if CANARY.encode() in exchange.body:
        exchange.content = exchange.content.replace(b'"}', f': {CANARY}"}}'.encode())


def _cut(exchange: Exchange) -> None:
    exchange.body = exchange.body[: 1 << 20]


def _without(header: str) -> Callable[[Exchange], None]:
    def change(exchange: Exchange) -> None:
        exchange.headers.pop(header, None)

    return change


def _larger(exchange: Exchange) -> None:
    value = exchange.json()
    exchange.content = json.dumps(value | {"size_bytes": value["size_bytes"] + 1}).encode()


def _unsigned(exchange: Exchange) -> None:
    exchange.content = json.dumps({"receipt": exchange.json()["receipt"]}).encode()


def _forged(exchange: Exchange) -> None:
    exchange.content = exchange.content.replace(b'"version":', b'"version": 1', 1)


BROKEN = (
    Broken(
        "1.1",
        "keys must come in one order",
        frozenset({"slashes not escaped, keys in another order"}),
        coming=_one_order,
    ),
    Broken(
        "1.2",
        "date text without an offset is guessed to be UTC",
        frozenset({"timestamp is date text without an offset"}),
        coming=_guess_offset,
    ),
    Broken(
        "1.5",
        "any id will do",
        frozenset({"a UUID in lower case", "an id that is no UUID"}),
        going=forgiving("not_a_uuid"),
    ),
    Broken("2.1", "unknown keys are ignored", frozenset({"an unknown key"}), coming=rewritten(_drop_unknown)),
    Broken(
        "2.3",
        "the sketch's signature is not known",
        frozenset({"format 1, the sketch's signature", "format 2, the sketch's signature"}),
        coming=rewritten(_drop_sketch),
    ),
    Broken("2.4", "graphs of any device", frozenset({"a graph of another device"}), going=forgiving("device_mismatch")),
    Broken("2.5", "stale graphs", frozenset({"updated 31 days ago"}), going=forgiving("stale_graph")),
    Broken(
        "2.6",
        "the timestamp is read, and written again",
        frozenset({"format 2, zeros at the timestamp's end are sealed too"}),
        coming=rewritten(_write_again),
    ),
    Broken(
        "2.7",
        "retries are conflicts",
        frozenset({"a retry differs by its message only", "a 429 says when to come again"}),
        going=answering(SUBMIT, 200, _conflict_for_retry),
    ),
    Broken(
        "2.7",
        "refusals repeat what was sent",
        frozenset({"no answer repeats what was sent"}),
        going=answering(SUBMIT, 422, _echo),
    ),
    Broken(
        "2.7",
        "a 429 without Retry-After",
        frozenset({"a 429 says when to come again"}),
        going=answering(SUBMIT, 429, _without("retry-after")),
    ),
    Broken(
        "3",
        "follow-ups of nothing",
        frozenset({"a follow-up of a conversation that did not continue"}),
        going=forgiving("follow_up_without_continuation"),
    ),
    Broken(
        "4",
        "what is over 1 MiB is cut off",
        frozenset({"one byte over 1 MiB", "an enrolment of one byte over 1 MiB", "over 1 MiB without saying so first"}),
        coming=_cut,
    ),
    Broken(
        "5.1",
        "keys that may not be cached",
        frozenset({"keys may be cached"}),
        going=answering(KEYS, 200, _without("cache-control")),
    ),
    Broken(
        "5.2",
        "wrapped keys that don't open are enrolled",
        frozenset(
            {
                "a key wrapped for another device does not open",
                "a wrapped key that does not open",
                "a wrapped key that is too short",
            }
        ),
        going=answering(ENROL, 400, with_status(201, b'{"status":"enrolled"}')),
    ),
    Broken(
        "5.3", "a new device gets a 200", frozenset({"a new device"}), going=answering(ENROL, 201, with_status(200))
    ),
    Broken(
        "5.3",
        "another key takes a key's place without proof",
        frozenset({"another key without proof", "another key with a proof by itself"}),
        going=answering(ENROL, 409, with_status(200, b'{"status":"enrolled"}')),
    ),
    Broken(
        "5.5",
        "receipts that nobody signed",
        frozenset({"a withdrawal is answered with a signed receipt"}),
        going=answering(WITHDRAW, 200, _unsigned),
    ),
    Broken("6.1", "a wrong size", frozenset({"its file is what was announced"}), going=answering(LATEST, 200, _larger)),
    Broken(
        "6.2",
        "metadata that was changed after signing",
        frozenset({"a stock TUF client follows the chain to it"}),
        going=answering("/tuf/metadata/timestamp.json", 200, _forged),
    ),
)
