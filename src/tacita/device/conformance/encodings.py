"""What must be accepted: both formats, both signature forms, and every encoding that Swift writes (contract §1, §2)."""

import struct
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from tacita.crypto.envelope import encode_base64, sign_sketch
from tacita.device.conformance.author import Author, Json, Request, encoded, graph, node, submission
from tacita.device.conformance.case import Case, accepted
from tacita.protocol.dates import apple_seconds
from tacita.protocol.envelope import MAX_BODY_BYTES

_EAST = timezone(timedelta(hours=2))


def sketch_signature(key: bytes, sealed: bytes) -> str:
    """Return the sketch's form of the signature (contract §2.3)."""
    return sign_sketch(key, encode_base64(sealed))


def shortest(value: float) -> str:
    """Return a Float's shortest text (contract §1.4)."""
    return str(value)


def expanded(value: float) -> str:
    """Return a Float's double expansion, what older systems write (contract §1.4): 0.20000000298023224 for 0.2."""
    [single] = struct.unpack("f", struct.pack("f", value))
    return str(single)


def with_floats(author: Author, text: Callable[[float], str]) -> Json:
    """Return a graph whose fractions are all written by `text`."""

    def token(value: float) -> msgspec.Raw:
        return msgspec.Raw(text(value).encode())

    made = graph(author)
    fractions = {
        "userEmotionBucket": {
            "pleasureBucket": token(0.2),
            "arousalBucket": token(-0.6),
            "dominanceBucket": token(0.8),
        },
        "queryComplexity": token(0.3),
        "confidence": token(0.83),
        "responseTime": token(1.7),
    }
    rates = {"avgResponseTime": token(1.7), "successRate": token(0.61), "escalationRate": token(0.2)}
    made["nodes"] = [each | fractions for each in made["nodes"]]
    return made | {"aggregateMetrics": made["aggregateMetrics"] | rates}


def _dated(write: Callable[[datetime], str]) -> Callable[[Author], Request]:
    """Return the request in which every date, the outer one too, is the JSON token that `write` makes of it."""

    def make(author: Author) -> Request:
        def token(**past: float) -> msgspec.Raw:
            return msgspec.Raw(write(author.now - timedelta(**past)).encode())

        made = graph(author, createdAt=token(days=2), lastUpdatedAt=token(minutes=2))
        for place, each in enumerate(made["nodes"]):
            each["timestamp"] = token(hours=2, seconds=123.4 * place**2)
        return submission(author, made, timestamp=bytes(token()))

    return make


def iso(moment: datetime, ending: str) -> str:
    """Return a moment as a JSON string in ISO 8601, with what follows the seconds."""
    return f'"{moment:%Y-%m-%dT%H:%M:%S}{ending}"'


def _turned(author: Author) -> Request:
    made = submission(author, encoded(dict(reversed(graph(author).items()))))
    fields = msgspec.json.decode(made.body)
    return Request(encoded(dict(reversed(fields.items()))), made.plaintext, made.nonce)


def _filled(author: Author) -> Request:
    made = submission(author)
    return Request(made.body + b" " * (MAX_BODY_BYTES - len(made.body)), made.plaintext, made.nonce)


def _small(author: Author) -> Json:
    """Return a graph of one interaction: short enough to be followed byte by byte in docs/protocol.md."""
    return graph(author, nodes=[node(author)])


def _sent(**how: Any) -> Callable[[Author], Request]:
    return lambda author: submission(author, _small(author), **how)


def _timed(token: Callable[[Author], str]) -> Callable[[Author], Request]:
    return lambda author: _sent(wire_format=2, timestamp=token(author).encode())(author)


FORMATS: tuple[Case, ...] = (
    accepted("format 1", "2.2", _sent()),
    accepted("format 1, the sketch's signature", "2.3", _sent(signer=sketch_signature)),
    accepted("format 2", "2.6", _sent(wire_format=2)),
    accepted("format 2, the sketch's signature", "2.6", _sent(wire_format=2, signer=sketch_signature)),
    accepted("format 2, zeros at the timestamp's end are sealed too", "2.6", _timed(lambda a: f"{a.ago():.5f}")),
    accepted("format 2, a text timestamp's quotes are sealed too", "2.6", _timed(lambda a: iso(a.now, "Z"))),
)

ENCODINGS: tuple[Case, ...] = (
    accepted("slashes not escaped, keys in another order", "1.1", _turned),
    accepted("dates as whole seconds since 2001", "1.2", _dated(lambda moment: str(int(apple_seconds(moment))))),
    accepted("dates as seconds with a fraction", "1.2", _dated(lambda moment: f"{apple_seconds(moment):.6f}")),
    accepted(
        "dates as 17 digits, as older systems write them", "1.2", _dated(lambda moment: f"{apple_seconds(moment):.17g}")
    ),
    accepted("dates as ISO 8601 text", "1.2", _dated(lambda moment: iso(moment, "Z"))),
    accepted("dates as ISO 8601 text with a fraction", "1.2", _dated(lambda moment: iso(moment, ".250Z"))),
    accepted(
        "dates as ISO 8601 text with an offset", "1.2", _dated(lambda moment: iso(moment.astimezone(_EAST), "+02:00"))
    ),
    accepted("floats as their shortest text", "1.4", lambda a: submission(a, with_floats(a, shortest))),
    accepted("floats as their double expansion", "1.4", lambda a: submission(a, with_floats(a, expanded))),
)


def _updated(**past: float) -> Callable[[Author], Request]:
    return lambda author: submission(author, graph(author, lastUpdatedAt=author.ago(**past)))


FRESH: tuple[Case, ...] = (
    accepted("updated 29 days ago", "2.5", _updated(days=29)),
    accepted("updated 5 minutes from now", "2.5", _updated(minutes=-5)),
    accepted("an outer timestamp of 2001, which is but a claim", "2.5", lambda a: submission(a, timestamp=b"0")),
)

FULL_BODY = accepted("a body of exactly 1 MiB", "4", _filled)
"""Kept apart: golden vectors hold no body of a mebibyte."""
