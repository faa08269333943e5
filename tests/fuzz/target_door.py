"""The whole application on a real PostgreSQL, request by request: every answer is documented, none is a 5xx.

A request is written as text: `METHOD /path?query`, headers, an empty line, a body. A body after the header `x-seal: 1`
is a plaintext, sealed and signed here under an enrolled device's key, so that it gets to the rules and the store.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote_to_bytes

import msgspec
import psycopg
import structlog
from tests.front_door import FrontDoor, envelope, opened

from tacita.api import door
from tacita.api.rate import RateLimit

EXPECTED = {200, 201, 307, 400, 401, 403, 404, 405, 409, 413, 422, 429}
_FORGET_EVERY = 500  # without a rate limit, one device would have more accepted envelopes than any real one


@dataclass(frozen=True)
class Request:
    """One request, as uvicorn would hand it to the application."""

    method: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def parsed(cls, data: bytes) -> "Request":
        head, _, body = data.partition(b"\n\n")
        line, *lines = head.split(b"\n")
        method, _, target = line.partition(b" ")
        path, _, query = target.partition(b"?")
        headers = [(name.strip().lower(), value.strip()) for name, _, value in (h.partition(b":") for h in lines)]
        if (b"x-seal", b"1") in headers:
            body = msgspec.json.encode(envelope(body))
        return cls(method.decode("latin-1"), path, query, headers, body)

    @property
    def scope(self) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": unquote_to_bytes(self.raw_path).decode("latin-1"),
            "raw_path": self.raw_path,
            "query_string": self.query,
            "root_path": "",
            "headers": self.headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }


def status_of(front: FrontDoor, request: Request) -> int:
    """Hand a request to the application, its body in two parts; return the answer's status. Its exceptions come out."""
    half = len(request.body) // 2
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": request.body[:half], "more_body": True},
        {"type": "http.request", "body": request.body[half:], "more_body": False},
        *[{"type": "http.disconnect"}] * 3,
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    front.runner.run(front.app(request.scope, receive, send))
    assert sent[0]["type"] == "http.response.start"
    return int(sent[0]["status"])


@contextmanager
def attacked_on(dsn: str, folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Yield a check against an application with one enrolled device and a published blob, on a migrated database."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    # Nobody else is there to wait for: without lingering, ten times as many requests are tried.
    with mock.patch.object(door, "LINGER_S", 0.0), opened(dsn, folder) as front:
        front.enrol()
        front.runner.run(front.door.blobs.put_named("metadata/timestamp.json", b"{}", immutable=False))
        front.door.rate = RateLimit.open(folder / "unlimited", bytes(32), per_hour=1e6, burst=1_000_000)
        numbers = count(1)

        def check(data: bytes) -> None:
            request = Request.parsed(data)
            status = status_of(front, request)
            assert status in EXPECTED, f"{status} on {request.method} {request.raw_path!r}"
            if next(numbers) % _FORGET_EVERY == 0:
                with psycopg.connect(dsn, autocommit=True) as connection:
                    connection.execute("DELETE FROM accepted_envelopes")

        yield check
