"""How long the server bears with a connection: slow senders, idle ones, and too many at once are let go."""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

KEEP_ALIVE_S = 15
MAX_HEADER_BYTES = 1 << 16
"""Of one request, counted in what the kernel hands over at once; the parser itself would take any number."""


@dataclass(frozen=True)
class Patience:
    """The limits of one worker.

    Attributes:
        headers_s: within which a request's headers must have come, in seconds.
        body_s: within which its body must have come after them, in seconds.
        connections: open at once at most.
    """

    headers_s: float = 10.0
    body_s: float = 30.0
    connections: int = 2_000


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with limits: headers and body in time, headers of some size, and so many connections.

    A connection that breaks a limit is closed without an answer: who trickles bytes is no client of ours.
    """

    patience: ClassVar[Patience] = Patience()
    """Set once, before a worker accepts; uvicorn makes the instances."""
    _deadline: asyncio.TimerHandle | None = None
    _in_headers = True
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Take a connection in, or close it when there are too many; its first headers are due from now on."""
        super().connection_made(transport)
        if len(self.connections) > self.patience.connections:
            transport.close()
        else:
            self._due_in(self.patience.headers_s)

    def data_received(self, data: bytes) -> None:
        """Parse what has come; let go of who sends headers without end."""
        super().data_received(data)
        self._header_bytes = self._header_bytes + len(data) if self._in_headers else 0
        if self._header_bytes > MAX_HEADER_BYTES:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._due_in(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Expect the rest of a request's headers."""
        super().on_message_begin()
        self._in_headers = True
        self._due_in(self.patience.headers_s)

    def on_headers_complete(self) -> None:
        """Expect the request's body."""
        self._in_headers = False
        self._due_in(self.patience.body_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect nothing more of this request."""
        self._due_in(None)
        super().on_message_complete()

    def _due_in(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self.transport.abort()
