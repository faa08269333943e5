"""Enrolling and submitting over HTTP (contract §2, §5), with the very same bytes again when the server was away."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

import httpx
import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from tacita.crypto.envelope import decode_base64, encode_base64, seal, sign
from tacita.crypto.hpke import X25519_SUITE, XWING_SUITE, wrap
from tacita.device.state import Device
from tacita.errors import TacitaError
from tacita.protocol.answers import ServerKeys, SubmitAnswer
from tacita.protocol.dates import apple_seconds
from tacita.protocol.envelope import Enrolment, Envelope, associated_data
from tacita.protocol.graph import LearningGraph

WireFormat = Literal[1, 2]
"""1: what the app sends today (contract §2.2); 2: with its outer fields authenticated (contract §2.6)."""

_Answer = TypeVar("_Answer", ServerKeys, SubmitAnswer)
_ATTEMPTS = 8
_MAX_WAIT_S = 30.0


class ServerAway(TacitaError):  # noqa: N818 - where the server is
    """The server can't be reached or answered 503; nothing was accepted, and the same bytes may be sent again."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RefusedByServer(TacitaError):  # noqa: N818 - what happened
    """The server said no for good; `status` is HTTP's, the message is the answer's detail."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"refused with {status}: {detail}")
        self.status = status


def seal_submission(device: Device, graph: LearningGraph, now: datetime, wire_format: WireFormat = 1) -> bytes:
    """Return the body of a submission as the app writes it: sealed, signed, slashes escaped (contract §1.1, §2).

    Args:
        device: whose key seals and signs.
        graph: what it uploads.
        now: the outer timestamp.
        wire_format: 1, the app's own, or 2, which seals the outer fields to the graph (contract §2.6).
    """
    timestamp = msgspec.json.encode(apple_seconds(now))
    outer = (device.id_hash, device.app_version, device.model_version)
    bound = associated_data(*outer, timestamp) if wire_format == 2 else None
    sealed = seal(device.key, msgspec.json.encode(graph), bound)
    envelope = Envelope(
        *outer,
        encrypted_data=encode_base64(sealed),
        signature=sign(device.key, sealed),
        timestamp=msgspec.Raw(timestamp),
        format=2 if wire_format == 2 else msgspec.UNSET,
    )
    return msgspec.json.encode(envelope).replace(b"/", b"\\/")


@dataclass(frozen=True)
class Uploader:
    """A device's connection to one server.

    Attributes:
        http: an open client whose base URL is the server's.
        rng: spreads retries in time.
    """

    http: httpx.AsyncClient
    rng: random.Random

    async def enrol(self, device: Device) -> None:
        """Wrap the device's key to the server's and enrol it (contract §5.2); where X-Wing is offered, with it.

        Raises:
            RefusedByServer, ServerAway: the server said no, or can't be reached.
            CryptographyError: the public key that it offers is none.
        """
        answer = await self._send("GET", "/api/v1/keys", None)
        offered = _decoded(answer, ServerKeys).keys
        usable = {key.suite: key for key in offered if key.status == "active"}
        chosen = usable.get(XWING_SUITE) or usable.get(X25519_SUITE)
        if chosen is None:
            raise RefusedByServer(answer.status_code, "the server offers no enrolment key that this device can use")
        sealed = wrap(decode_base64(chosen.public_key), device.key, device.id_hash, chosen.suite)
        body = Enrolment(device.id_hash, device.app_version, chosen.key_id, encode_base64(sealed))
        await self._send("POST", "/api/v1/devices/enroll", msgspec.json.encode(body))
        device.enrolled = True

    async def submit(self, body: bytes) -> SubmitAnswer:
        """Send a sealed submission; on a 503 or a lost connection the very same bytes again (contract §2.7).

        Raises:
            RefusedByServer, ServerAway: the server said no, or stayed away.
        """
        answer = await self._send("POST", "/api/v1/learning-graphs/submit", body)
        return _decoded(answer, SubmitAnswer)

    async def withdraw(self, body: bytes) -> bytes:
        """Send a withdrawal; return the signed receipt as it came.

        Raises:
            RefusedByServer, ServerAway: the server said no, or stayed away.
        """
        return (await self._send("POST", "/api/v1/devices/withdraw", body)).content

    async def _send(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(ServerAway),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=self._wait,
            reraise=True,
        )
        return await attempts(self._once, method, path, body)

    def _wait(self, state: RetryCallState) -> float:
        """Return the server's Retry-After, or a random share of an exponential back-off, in seconds."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ServerAway) and error.retry_after_s is not None:
            return min(error.retry_after_s, _MAX_WAIT_S)
        return self.rng.uniform(0, min(0.1 * 2**state.attempt_number, _MAX_WAIT_S))

    async def _once(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            answer = await self.http.request(method, path, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise ServerAway(f"{self.http.base_url} does not answer: {type(error).__name__}") from error
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            seconds = answer.headers.get("Retry-After", "")
            raise ServerAway("the server's store is away", float(seconds) if seconds.isdecimal() else None)
        if answer.is_error:
            raise RefusedByServer(answer.status_code, _detail(answer))
        return answer


def _decoded(answer: httpx.Response, kind: type[_Answer]) -> _Answer:
    """Return the answer's content; one that isn't the server's (of a captive portal, say) counts as none."""
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServerAway(f"{answer.url.host} answers something else than a tacita server") from error


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "no detail"
