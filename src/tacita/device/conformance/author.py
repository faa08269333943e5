"""A client whose every byte is under control: what it is, the sound graph it records, and how it seals and signs.

The same code writes golden vectors (fixed key, clock and randomness) and plays against a server (all three real).
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tacita.crypto.envelope import NONCE_BYTES, encode_base64, seal, sign
from tacita.device.uploader import WireFormat
from tacita.protocol.dates import apple_seconds
from tacita.protocol.envelope import associated_data

APP_VERSION = "1.4.0"
MODEL_VERSION = "granite-3b-v1"
Json = dict[str, Any]
Randomness = Callable[[int], bytes]
"""Returns as many random bytes as it is asked for."""


@dataclass(frozen=True)
class Author:
    """One client.

    Attributes:
        device: its `deviceIdHash`.
        key: its 32-byte device key.
        now: its clock's moment.
        randomness: of nonces and node ids.
    """

    device: str
    key: bytes
    now: datetime
    randomness: Randomness

    def uuid(self) -> str:
        """Return a random UUID as Swift writes one (contract §1.5)."""
        return str(uuid.UUID(bytes=self.randomness(16), version=4)).upper()

    def ago(self, **past: float) -> float:
        """Return an Apple date that lies `past` (as of `timedelta`) before now, in whole milliseconds."""
        seconds = round(apple_seconds(self.now - timedelta(**past)), 3)
        return int(seconds) if seconds.is_integer() else seconds


@dataclass(frozen=True)
class Request:
    """A request's body, and what it was made of: None where the body holds nothing sealed."""

    body: bytes
    plaintext: bytes | None = None
    nonce: bytes | None = None
    associated_data: bytes | None = None


def _shifted(author: Author) -> float:
    """Return a date about three hours ago, shifted as the app does: at random, by up to half an hour (contract §3)."""
    share = int.from_bytes(author.randomness(4)) / (1 << 32)
    return author.ago(seconds=9_000 + 3_600 * share)


def node(author: Author, **changes: Any) -> Json:
    """Return one sound interaction (contract §3), with `changes`."""
    made: Json = {
        "id": author.uuid(),
        "timestamp": _shifted(author),
        "queryType": "question",
        "queryComplexity": 0.4,
        "wordCount": 12,
        "userEmotionBucket": {"pleasureBucket": 0.2, "arousalBucket": -0.4, "dominanceBucket": 0},
        "modelSelectedEmotion": "HAPPY",
        "modelUsed": "fast",
        "responseTime": 1.25,
        "confidence": 0.75,
        "conversationContinued": True,
        "followUpQuery": False,
        "escalatedToOnline": False,
    }
    return made | changes


def graph(author: Author, **changes: Any) -> Json:
    """Return a sound learning graph of three interactions (contract §3), with `changes`."""
    made: Json = {
        "deviceIdHash": author.device,
        "nodes": [
            node(author),
            node(author, queryType="command", modelUsed="quality", modelSelectedEmotion="CALM", responseTime=2.5),
            node(author, queryType="emotional", modelSelectedEmotion="SAD", followUpQuery=True, escalatedToOnline=True),
        ],
        "aggregateMetrics": {
            "totalInteractions": 6,
            "avgResponseTime": 1.7,
            "successRate": 0.61,
            "fastModelUsage": 0.75,
            "escalationRate": 0.25,
        },
        "createdAt": author.ago(days=2),
        "lastUpdatedAt": author.ago(minutes=1),
    }
    return made | changes


def encoded(value: Any) -> bytes:
    """Return compact JSON; a `msgspec.Raw` inside is written as it is, so that a number's text can be chosen."""
    return msgspec.json.encode(value)


def escaped(body: bytes) -> bytes:
    r"""Return JSON with `/` written `\/`, as Swift's encoder does (contract §1.1)."""
    return body.replace(b"/", b"\\/")


def submission(
    author: Author,
    plain: Json | bytes | None = None,
    *,
    wire_format: WireFormat = 1,
    timestamp: bytes | None = None,
    bound: bytes | None = None,
    key: bytes | None = None,
    signer: Callable[[bytes, bytes], str] = sign,
    **outer: Any,
) -> Request:
    """Return a submission as the app makes it, with one or another thing done differently.

    Args:
        author: whose key seals and signs.
        plain: the graph, or any other plaintext; by default a sound graph.
        wire_format: 1 or 2 (contract §2.2, §2.6).
        timestamp: the outer timestamp's JSON token; by default the author's moment.
        bound: the associated data; by default what the format asks for.
        key: seals instead of the author's key.
        signer: makes the signature from the author's key and the sealed bytes.
        outer: replaces outer fields after sealing; `msgspec.UNSET` leaves one out.
    """
    plaintext = plain if isinstance(plain, bytes) else encoded(graph(author) if plain is None else plain)
    moment = encoded(author.ago()) if timestamp is None else timestamp
    if bound is None and wire_format == 2:
        bound = associated_data(author.device, APP_VERSION, MODEL_VERSION, moment)
    nonce = author.randomness(NONCE_BYTES)
    sealed = seal(author.key if key is None else key, plaintext, bound, randomness=lambda _: nonce)
    fields: Json = {
        "deviceIdHash": author.device,
        "appVersion": APP_VERSION,
        "modelVersion": MODEL_VERSION,
        "encryptedData": encode_base64(sealed),
        "signature": signer(author.key, sealed),
        "timestamp": msgspec.Raw(moment),
    }
    if wire_format == 2:
        fields["format"] = 2
    sent = {name: value for name, value in (fields | outer).items() if value is not msgspec.UNSET}
    return Request(escaped(encoded(sent)), plaintext, nonce, bound)
