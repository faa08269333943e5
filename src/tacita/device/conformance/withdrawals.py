"""Withdrawing: what is signed, what is refused, and what is left of a device afterwards (contract §5.5)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from tacita.crypto.envelope import sign
from tacita.device.conformance.author import Author, Json, Request, encoded, escaped, submission
from tacita.device.conformance.case import WITHDRAW, Case, malformed, unsigned
from tacita.device.conformance.check import Check
from tacita.device.conformance.probe import Probe, content, require, shown
from tacita.protocol.envelope import withdrawal_text
from tacita.protocol.ids import device_id_hash


def withdrawal(author: Author, token: bytes | None = None, /, **changes: Any) -> Request:
    """Return a withdrawal as the app makes it, with `changes`; `msgspec.UNSET` leaves a key out.

    Args:
        author: whose key signs.
        token: the timestamp's JSON token; by default the author's moment.
        changes: replaces fields after signing.
    """
    moment = encoded(author.ago()) if token is None else token
    made: Json = {
        "deviceIdHash": author.device,
        "timestamp": msgspec.Raw(moment),
        "signature": sign(author.key, withdrawal_text(author.device, moment)),
    }
    sent = {name: value for name, value in (made | changes).items() if value is not msgspec.UNSET}
    return Request(escaped(encoded(sent)))


def _sent(**changes: Any) -> Callable[[Author], Request]:
    return lambda author: withdrawal(author, **changes)


def _stranger(author: Author) -> Request:
    return withdrawal(replace(author, device=device_id_hash(author.device)))


def _other_time(author: Author) -> Request:
    return withdrawal(author, timestamp=author.ago(seconds=1))


def _old(author: Author) -> Request:
    return withdrawal(author, encoded(author.ago(days=31)))


REFUSED: tuple[Case, ...] = (
    unsigned("a withdrawal of an unknown device", "5.5", _stranger, WITHDRAW),
    unsigned("a withdrawal signed under another key", "5.5", lambda a: withdrawal(replace(a, key=bytes(32))), WITHDRAW),
    unsigned("a withdrawal of another time than was signed", "5.5", _other_time, WITHDRAW),
    malformed("a withdrawal at no date", "5.5", _sent(timestamp="yesterday"), "timestamp", WITHDRAW),
    malformed("a withdrawal with an unknown key", "5.5", _sent(reason="none"), "body", WITHDRAW),
    *(
        malformed(f"a withdrawal without {field}", "5.5", _sent(**{field: msgspec.UNSET}), field, WITHDRAW)
        for field in ("deviceIdHash", "timestamp", "signature")
    ),
)

STALE = Case("a withdrawal signed 31 days ago", "5.5", _old, 403, {"detail": "Stale withdrawal"}, WITHDRAW)
"""Ours alone: the contract says nothing of a withdrawal's age, so no other server is held to it."""


def _receipt(probe: Probe) -> None:
    answer = probe.post(WITHDRAW, withdrawal(probe.enrolled()).body)
    require(answer.status_code == 200, f"a withdrawal: answered {shown(answer)}, where 200 belongs")
    signed = isinstance(content(answer).get("signature"), str)
    require(signed, f"the receipt is not signed: {shown(answer)}")


def _erased(probe: Probe) -> None:
    author = probe.enrolled()
    body = submission(author).body
    probe.submit(body)
    probe.post(WITHDRAW, withdrawal(author).body)
    for what, sent in (("a new graph", submission(author).body), ("a graph that was accepted before", body)):
        answer = probe.submit(sent)
        require(answer.status_code == 401, f"{what} after the withdrawal: answered {shown(answer)}, where 401 belongs")


CHECKS: tuple[Check, ...] = (
    Check("5.5", "a withdrawal is answered with a signed receipt", _receipt),
    Check("5.5", "after a withdrawal the device's key is gone", _erased),
)
